"""The offload manager: it follows the serfs of a lab and makes them agree about peerings and virtual pods.

It keeps nothing: what is wanted and what there is lies in the clusters, and each step is decided from it anew. One
manager works on a lab at a time, the one that holds the lock of its state directory.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from typing import TYPE_CHECKING, Final

from serflab.emulation.names import REMOTE_ROLE
from serflab.errors import InputError, SerflabError
from serflab.kube.client import is_transient
from serflab.kube.workqueue import WorkQueue
from serflab.lab.impairments import FILE_NAME as SETTINGS_NAME
from serflab.lab.impairments import LinkSettings, with_settings
from serflab.lab.inventory import FILE_NAME, load_inventory
from serflab.lab.topology import load_topology
from serflab.offload.cluster import Cluster
from serflab.offload.fleet import Fleet
from serflab.offload.ids import Ids
from serflab.offload.namespaces import namespace_keys, reconcile_namespace
from serflab.offload.peering_controller import peering_keys, reconcile_peering
from serflab.offload.peerings import peerings
from serflab.offload.shadow_pods import reconcile_shadow
from serflab.offload.source_pods import reconcile_source

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from serflab.kube.watch import Key
    from serflab.lab.inventory import Serf
    from serflab.lab.topology import Topology

log = logging.getLogger(__name__)

WORKERS: Final = 32
_LOOK_SECONDS = 1.0
_RESYNC_SECONDS = 300.0

Work = tuple[str, str, str, str]
"""What is to be looked at: `peering` CONSUMER PROVIDER, `namespace` CONSUMER NAMESPACE, `source` and `shadow` CLUSTER
NAMESPACE NAME."""


class Manager:
    """Works from `run` until it is cancelled; `fleet` is what it knows.

    `changes` counts what has changed in the clusters since `started` (a text of its own for each manager), so that
    readers know when to look again.
    """

    def __init__(self, checkout: Path, ids: Ids | None = None) -> None:
        self.fleet = Fleet(checkout, ids or Ids())
        self.started = f"{time.time_ns() // 1_000_000:x}"
        self.changes = 0
        self.changed = asyncio.Event()
        self._queue: WorkQueue[Work] = WorkQueue()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._placed: dict[tuple[str, Key], tuple[str, str, str]] = {}
        self._current: set[str] = set()
        self._resynced = time.monotonic()

    async def run(self) -> None:
        """Work until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._look())
                for _ in range(WORKERS):
                    group.create_task(self._work())
        finally:
            self._queue.close()
            tasks = list(self._tasks.values())
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._tasks.clear()

    def follow(self, serfs: Sequence[Serf], topology: Topology | None) -> None:
        """Work on these serfs from now on; those that are followed already, and unchanged, stay as they are."""
        self.fleet.topology = topology
        # What is told of peerings follows from the links, too.
        self.changes += 1
        self.changed.set()
        wanted = {serf.name: serf for serf in serfs}
        for name, cluster in list(self.fleet.clusters.items()):
            if wanted.get(name) != cluster.serf:
                self._tasks.pop(name).cancel()
                del self.fleet.clusters[name]
        for name, serf in wanted.items():
            if name not in self.fleet.clusters:
                cluster = Cluster(serf, self._on_change)
                self.fleet.clusters[name] = cluster
                self._tasks[name] = asyncio.create_task(cluster.run(), name=f"follow {name}")
        self.look_at_everything()

    @property
    def idle(self) -> bool:
        """Whether nothing waits to be done now."""
        return not len(self._queue)

    # --- what changed ---

    def _on_change(self, cluster: Cluster, kind: str, key: Key) -> None:
        self.changes += 1
        self.changed.set()
        name = cluster.name
        if kind == "reachable":
            self.look_at_everything()
        elif kind == "shadows":
            self._shadow_changed(name, key)
        elif kind == "pods":
            self._pod_changed(cluster, key)
        elif kind == "others":
            self._queue.add(("source", name, *key))
        else:
            for consumer, namespace in namespace_keys(self.fleet, cluster, kind, key):
                self._queue.add(("namespace", consumer, namespace, ""))
            for pair in peering_keys(cluster, kind, key):
                self._queue.add(("peering", *pair, ""))

    def _shadow_changed(self, provider: str, key: Key) -> None:
        self._queue.add(("shadow", provider, *key))
        place = provider, key
        shadow = self.fleet.shadow(provider, key)
        index = self.fleet.shadows_of
        source = (shadow.consumer, shadow.source_namespace, shadow.source_pod) if shadow else None
        before = self._placed.pop(place, None)
        if before is not None and before != source:
            index[before].discard(place)
            if not index[before]:
                del index[before]
            # Its pod may need a new one, and its namespace may be needed no more.
            self._queue.add(("source", *before))
            self._queue.add(("namespace", before[0], before[1], ""))
        if shadow and source:
            self.fleet.ids.seen(shadow.id)
            index.setdefault(source, set()).add(place)
            self._placed[place] = source

    def _pod_changed(self, cluster: Cluster, key: Key) -> None:
        pod = self.fleet.pod(cluster.name, *key)
        if pod is not None:
            self.fleet.ids.seen(pod.id)
        if pod is not None and pod.role == REMOTE_ROLE:
            self._queue.add(("shadow", cluster.name, *key))
            return
        for provider, shadow in self.fleet.shadows_of.get((cluster.name, *key), ()):
            self._queue.add(("shadow", provider, *shadow))
        if pod is None:
            # Either a remote pod, or the pod of a source: whichever it was.
            self._queue.add(("shadow", cluster.name, *key))
            self._queue.add(("namespace", cluster.name, key[0], ""))
        self._queue.add(("source", cluster.name, *key))

    def look_at_everything(self) -> None:
        """Let all that is known be looked at anew."""
        for link in peerings(self.fleet):
            self._queue.add(("peering", link.consumer, link.provider, ""))
        for name, cluster in self.fleet.clusters.items():
            for kind in ("foreign_clusters", "quotas", "nodes", "namespaces"):
                cache = getattr(cluster, kind)
                for key in list(cache.objects) if cache else ():
                    for pair in peering_keys(cluster, kind, key):
                        self._queue.add(("peering", *pair, ""))
            for namespace, _ in list(cluster.offloadings.objects) if cluster.offloadings else ():
                self._queue.add(("namespace", name, namespace, ""))
            for key in list(cluster.shadows.objects) if cluster.shadows else ():
                self._queue.add(("shadow", name, *key))
            for cache in (cluster.pods, cluster.others):
                for key, pod in list(cache.objects.items()) if cache else ():
                    self._queue.add(("shadow" if pod.role == REMOTE_ROLE else "source", name, *key))

    async def _look(self) -> None:
        """Notice clusters that can be acted upon again, which no change may tell; and look at all now and then."""
        while True:
            current = {name for name, cluster in self.fleet.clusters.items() if cluster.current}
            if current != self._current or time.monotonic() - self._resynced > _RESYNC_SECONDS:
                self._current, self._resynced = current, time.monotonic()
                self.changes += 1
                self.changed.set()
                self.look_at_everything()
            await asyncio.sleep(_LOOK_SECONDS)

    # --- what is done ---

    async def _work(self) -> None:
        while True:
            work = await self._queue.get()
            failed = False
            try:
                again = await self._do(*work)
                if again is not None:
                    self._queue.add_after(work, again)
            except (SerflabError, TimeoutError) as error:
                failed = True
                log.log(logging.DEBUG if _is_passing(error) else logging.WARNING, "%s: %s", " ".join(work), error)
            except Exception:  # a fault with one object must not end the work on all others
                failed = True
                log.exception("%s failed", " ".join(work))
            finally:
                self._queue.done(work, failed=failed)

    async def _do(self, kind: str, cluster: str, first: str, second: str) -> float | None:
        if kind == "peering":
            return await reconcile_peering(self.fleet, cluster, first)
        if kind == "namespace":
            return await reconcile_namespace(self.fleet, cluster, first)
        if kind == "source":
            return await reconcile_source(self.fleet, cluster, (first, second))
        return await reconcile_shadow(self.fleet, cluster, (first, second))


def _is_passing(error: BaseException) -> bool:
    return isinstance(error, TimeoutError) or is_transient(error)


async def follow_files(manager: Manager, state_dir: Path) -> None:
    """Let the manager follow the lab of that state directory, whatever becomes of its inventory and topology."""
    stamp: object = None
    while True:
        try:
            inventory = await asyncio.to_thread(load_inventory, state_dir)
            now = [_stamp(file) for file in (state_dir / FILE_NAME, inventory.topology, state_dir / SETTINGS_NAME)]
            if now != stamp:
                stamp = now
                topology = await asyncio.to_thread(_topology, inventory.topology, LinkSettings(state_dir))
                manager.follow(inventory.serfs, topology)
        except SerflabError as error:
            if stamp != error.message:
                log.info("%s", error.message)
                manager.follow((), None)
            stamp = error.message
        await asyncio.sleep(_LOOK_SECONDS)


def _topology(file: Path, settings: LinkSettings) -> Topology | None:
    try:
        return with_settings(load_topology(file), settings.load())
    except InputError as error:
        log.warning("transfers take no time: %s", error.message)
        return None


def _stamp(file: Path) -> tuple[int, int]:
    with contextlib.suppress(OSError):
        status = file.stat()
        return status.st_mtime_ns, status.st_ino
    return (0, 0)
