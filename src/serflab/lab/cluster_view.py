"""One serf as the viewer sees it: its nodes, namespaces and pods kept up to date by watches, and whether it answers."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import time
from typing import TYPE_CHECKING

from serflab.errors import SerflabError
from serflab.kube.client import ONCE, ApiClient
from serflab.kube.credentials import load_credentials
from serflab.kube.watch import Collection, WatchCache
from serflab.lab.cluster_events import ClusterEvents
from serflab.lab.cluster_objects import (
    NamespaceRecord,
    NodeRecord,
    PodRecord,
    namespace_record,
    node_record,
    pod_record,
)
from serflab.traces.check import load_config
from serflab.traces.model import AnnotationKeys

if TYPE_CHECKING:
    from pathlib import Path

    from serflab.lab.inventory import Serf

log = logging.getLogger(__name__)

READY = "ready"
CONNECTING = "connecting"
UNREACHABLE = "unreachable"

_RETRY_SECONDS = 2.0
_HEARTBEAT_SECONDS = 3.0
_REQUEST_TIMEOUT_SECONDS = 4.0
_GRACE_SECONDS = 5.0
# Read through to etcd, so that an API server that has lost its store does not pass for a working one.
_HEARTBEAT_PATH = "/api/v1/namespaces/kube-system"


class ClusterView:
    """Follows one serf until its `run` is cancelled; everything else may be read from any thread.

    What was last known of a serf stays readable while it does not answer; `stale_since` says from when it is.
    """

    def __init__(self, serf: Serf) -> None:
        self.serf = serf
        self.version = ""
        self._pods: WatchCache[PodRecord] | None = None
        self._nodes: WatchCache[NodeRecord] | None = None
        self._namespaces: WatchCache[NamespaceRecord] | None = None
        self._events: ClusterEvents | None = None
        self._error = ""
        self._answered: float | None = None
        self._created = time.time()
        self._counted: tuple[WatchCache[PodRecord], int, tuple[int, int]] | None = None

    async def run(self) -> None:
        """Follow the cluster, for ever: whatever goes wrong is told by `state` and tried again."""
        while True:
            try:
                await self._follow()
            except* SerflabError as group:
                self._failed(str(getattr(group.exceptions[0], "message", group.exceptions[0])))
            except* Exception as group:  # a fault with one serf is logged and must not freeze its picture
                log.error("%s: the view of its cluster failed", self.serf.name, exc_info=group)  # noqa: TRY400  the group
                self._failed("the viewer has a fault; its log holds the details")
            await asyncio.sleep(_RETRY_SECONDS)

    async def _follow(self) -> None:
        credentials = await asyncio.to_thread(load_credentials, self.serf.kubeconfig)
        keys = await asyncio.to_thread(annotation_keys, self.serf.config)
        async with ApiClient(credentials, retry=ONCE, timeout=_REQUEST_TIMEOUT_SECONDS) as client:
            self._nodes = WatchCache(client, Collection("/api/v1/nodes"), node_record)
            self._namespaces = WatchCache(client, Collection("/api/v1/namespaces"), namespace_record)
            self._pods = WatchCache(client, Collection("/api/v1/pods"), pod_record(keys))
            self._events = ClusterEvents(client)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._heartbeat(client))
                # Not one of the caches that say how the serf is: it is as well without its events.
                group.create_task(self._events.run())
                for cache in (self._nodes, self._namespaces, self._pods):
                    group.create_task(cache.run())

    async def _heartbeat(self, client: ApiClient) -> None:
        """Notice within seconds that the server hangs: a watch alone would wait for its next bookmark."""
        while True:
            try:
                await client.get(_HEARTBEAT_PATH)
                if self._error or not self.version:
                    self.version = str((await client.get("/version")).get("gitVersion", ""))
                self._answered, self._error = time.time(), ""
            except SerflabError as error:
                self._failed(error.message)
            await asyncio.sleep(_HEARTBEAT_SECONDS)

    def _failed(self, message: str) -> None:
        if not self._error:
            log.warning("%s: %s", self.serf.name, message)
        self._error = message

    @property
    def synced(self) -> bool:
        """Whether the cluster was read completely at least once."""
        return all(cache is not None and cache.synced for cache in self._caches)

    @property
    def state(self) -> str:
        """Return `ready`, `connecting` (not yet known) or `unreachable`."""
        if self._error:
            return UNREACHABLE
        if self.synced and not self._long_disconnected():
            return READY
        if self.synced or any(cache is not None and cache.last_error for cache in self._caches):
            return UNREACHABLE
        return CONNECTING

    @property
    def _caches(
        self,
    ) -> tuple[WatchCache[NodeRecord] | WatchCache[NamespaceRecord] | WatchCache[PodRecord] | None, ...]:
        return self._nodes, self._namespaces, self._pods

    def _long_disconnected(self) -> list[float]:
        """Return since when watches do not stand; one that just comes back is no reason to worry anybody."""
        moments = [cache.disconnected_since for cache in self._caches if cache is not None]
        return [moment for moment in moments if moment is not None and time.time() - moment > _GRACE_SECONDS]

    @property
    def stale_since(self) -> float | None:
        """Return since when (epoch seconds) what is shown may be old; None when it is current."""
        if self.state == READY:
            return None
        return min([self._answered or self._created, *self._long_disconnected()])

    @property
    def error(self) -> str:
        """Return why the serf is not ready, empty when it is."""
        if self.state == READY:
            return ""
        errors = (cache.last_error for cache in self._caches if cache is not None and cache.last_error is not None)
        return self._error or next((str(getattr(error, "message", error)) for error in errors), "")

    # The caches are changed by the loop's thread. Copying the values of a dict is one step of the interpreter,
    # so a reader in another thread gets a whole picture.

    @property
    def pods(self) -> list[PodRecord]:
        """Return the pods that are known."""
        return list(self._pods.objects.values()) if self._pods else []

    @property
    def nodes(self) -> list[NodeRecord]:
        """Return the Kubernetes nodes that are known."""
        return list(self._nodes.objects.values()) if self._nodes else []

    @property
    def namespaces(self) -> list[NamespaceRecord]:
        """Return the namespaces that are known."""
        return list(self._namespaces.objects.values()) if self._namespaces else []

    @property
    def events(self) -> ClusterEvents | None:
        """Return the Kubernetes Events of the cluster, None before it was reached for the first time."""
        return self._events

    def running_of_all(self) -> tuple[int, int]:
        """Return how many pods run, and how many there are; counted anew only after a change."""
        cache = self._pods
        if cache is None:
            return 0, 0
        # The version first: objects that change meanwhile are counted again for the next version.
        version = cache.resource_version
        if self._counted is None or self._counted[:2] != (cache, version):
            pods = list(cache.objects.values())
            self._counted = (cache, version, (sum(pod.phase == "Running" for pod in pods), len(pods)))
        return self._counted[2]


def annotation_keys(config: Path) -> AnnotationKeys:
    """Return the annotation keys of a serf's config; the usual ones where it cannot be read."""
    with contextlib.suppress(OSError, SerflabError):
        return _keys(config, config.stat().st_mtime_ns)
    return AnnotationKeys()


@functools.lru_cache(maxsize=64)
def _keys(config: Path, _modified: int) -> AnnotationKeys:
    return load_config(config).annotation_keys
