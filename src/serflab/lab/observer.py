"""The lab as it is now, watched in the background: topology, inventory, clusters and load.

One thread runs one asyncio loop, in which every serf has its watches and Prometheus one poller. Readers in other
threads take what is there; nothing that they call waits for a cluster.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import logging
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import aiohttp

from serflab.errors import InputError, SerflabError
from serflab.lab.cluster_view import ClusterView
from serflab.lab.feed import Feed
from serflab.lab.impairments import FILE_NAME as SETTINGS_NAME
from serflab.lab.impairments import LinkSettings, with_settings
from serflab.lab.inventory import FILE_NAME, Inventory, Serf, load_inventory
from serflab.lab.known_load import KnownLoad, LoadMemory
from serflab.lab.link_watch import LinkWatch
from serflab.lab.load import THRESHOLDS, read_load
from serflab.lab.offload_summary import OffloadSummary
from serflab.lab.overview import observe
from serflab.lab.prometheus_query import Prometheus, PrometheusError
from serflab.lab.sockets import offload_socket
from serflab.lab.topology import Topology, load_topology

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping
    from pathlib import Path

    from serflab.lab.link_state import LabInterfaces

log = logging.getLogger(__name__)

T = TypeVar("T")

_FOLLOW_SECONDS = 1.0
_LOOK_SECONDS = 1.0
_POLL_SECONDS = 3.0
_CALL_TIMEOUT_SECONDS = 12.0


@dataclass(slots=True)
class _Serf:
    view: ClusterView
    task: asyncio.Task[None]


@dataclass(slots=True)
class _Files:
    """The files that say what the lab is, as last read; `modified` tells whether they changed since."""

    modified: tuple[int, ...] = ()
    declared: Topology | None = None
    topology: Topology | None = None
    topology_error: InputError | None = None
    inventory: Inventory | None = None
    inventory_error: str = "the viewer has just started"


class LabObserver:
    """Follows one lab from `start` to `stop`; the files may appear, change and vanish meanwhile.

    `topology_file` and `prometheus` are used while no lab is up in `state_dir`: an inventory names its own.
    `feed` holds the overview of the lab and its changes, about a second old at most.
    """

    def __init__(
        self,
        topology_file: Path,
        state_dir: Path,
        prometheus: str,
        thresholds: Mapping[str, tuple[float, float]] = THRESHOLDS,
    ) -> None:
        self.started = time.time()
        self.thresholds = thresholds
        self.feed = Feed(lambda: observe(self))
        self._topology_file = topology_file
        self._state_dir = state_dir
        self._prometheus_default = prometheus
        self._files = _Files()
        self._serfs: dict[str, _Serf] = {}
        self._memory = LoadMemory(self.started)
        self._offload = OffloadSummary(offload_socket(state_dir))
        self.link_settings = LinkSettings(state_dir)
        self._links = LinkWatch(self.link_settings)
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._ready = threading.Event()
        self._prometheus: Prometheus | None = None
        self._thread = threading.Thread(target=self._run, name="lab observer", daemon=True)

    # --- life ---

    def start(self) -> None:
        """Start to follow the lab; returns once topology and inventory were read."""
        self._thread.start()
        self._ready.wait(timeout=10)

    def stop(self) -> None:
        """Stop to follow the lab, end its feed and close its connections."""
        self.feed.close()
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(timeout=5)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._main())
        finally:
            self._loop.close()

    async def _main(self) -> None:
        async with aiohttp.ClientSession() as session:
            await self._read_files(session)
            self.feed.look()
            self._ready.set()
            follow = (
                self._follow_files(session),
                self._poll_prometheus(),
                self._offload.follow(),
                self._links.follow(),
                self._look(),
            )
            tasks = [asyncio.create_task(following) for following in follow]
            await self._stop.wait()
            tasks += [serf.task for serf in self._serfs.values()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _look(self) -> None:
        while True:
            self.feed.look()
            await asyncio.sleep(_LOOK_SECONDS)

    # --- the files ---

    async def _follow_files(self, session: aiohttp.ClientSession) -> None:
        while True:
            await asyncio.sleep(_FOLLOW_SECONDS)
            if self._modified() != self._files.modified:
                await self._read_files(session)

    def _modified(self) -> tuple[int, ...]:
        inventory = self._files.inventory
        topology = inventory.topology if inventory else self._topology_file
        return _stamp(self._state_dir / FILE_NAME) + _stamp(topology) + _stamp(self._state_dir / SETTINGS_NAME)

    async def _read_files(self, session: aiohttp.ClientSession) -> None:
        files = _Files()
        try:
            files.inventory, files.inventory_error = await asyncio.to_thread(load_inventory, self._state_dir), ""
        except SerflabError as error:
            files.inventory_error = error.message
        topology_file = files.inventory.topology if files.inventory else self._topology_file
        try:
            files.declared = await asyncio.to_thread(load_topology, topology_file)
            settings = await asyncio.to_thread(self.link_settings.load) if files.inventory else {}
            files.topology = with_settings(files.declared, settings)
        except InputError as error:
            files.topology_error = error
        self._files = files
        files.modified = self._modified()
        url = files.inventory.prometheus if files.inventory else self._prometheus_default
        if self._prometheus is None or self._prometheus.url != url.rstrip("/"):
            self._prometheus, self._memory = Prometheus(session, url), LoadMemory(time.time())
        self._follow_serfs(files.inventory.serfs if files.inventory else ())
        self._links.choose(files.inventory, files.topology)

    def _follow_serfs(self, serfs: tuple[Serf, ...]) -> None:
        wanted = {serf.name: serf for serf in serfs}
        for name, followed in list(self._serfs.items()):
            if wanted.get(name) != followed.view.serf:
                followed.task.cancel()
                del self._serfs[name]
                self._memory.forget(name)
        for name, serf in wanted.items():
            if name not in self._serfs:
                view = ClusterView(serf)
                self._serfs[name] = _Serf(view, self._loop.create_task(view.run(), name=f"view of {name}"))

    # --- Prometheus ---

    async def _poll_prometheus(self) -> None:
        while True:
            prometheus, memory = self._prometheus, self._memory
            if prometheus is not None:
                try:
                    memory.take(await read_load(prometheus), time.time())
                except PrometheusError as error:
                    self._tell(error, memory)
                    memory.fail(error.message)
            await asyncio.sleep(_POLL_SECONDS)

    def _tell(self, error: PrometheusError, memory: LoadMemory) -> None:
        if not memory.error:
            # A viewer without a lab is an ordinary state and no reason for a warning.
            log.log(logging.WARNING if self._files.inventory else logging.INFO, "%s", error.message)

    # --- what readers ask ---

    @property
    def state_dir(self) -> Path:
        """Return the state directory of the lab."""
        return self._state_dir

    @property
    def topology(self) -> Topology:
        """Return the topology with its links as they are set; raises its `InputError` while the file cannot be used."""
        files = self._files
        if files.topology is None:
            raise files.topology_error or SerflabError("the topology was not read yet", hint="ask again in a second")
        return files.topology

    @property
    def declared_topology(self) -> Topology:
        """Return the topology as its file says it, whatever links are set to; raises as `topology` does."""
        return self._files.declared or self.topology

    @property
    def topology_or_none(self) -> Topology | None:
        """Return the topology, None while the file cannot be used."""
        return self._files.topology

    @property
    def inventory(self) -> Inventory | None:
        """Return the inventory of the lab, None while no lab is up."""
        return self._files.inventory

    @property
    def inventory_error(self) -> str:
        """Return why there is no inventory, empty when there is one."""
        return self._files.inventory_error

    def cluster(self, serf: str) -> ClusterView | None:
        """Return the view of a serf that is up, None for any other name."""
        followed = self._serfs.get(serf)
        return followed.view if followed else None

    @property
    def interfaces(self) -> LabInterfaces | None:
        """Return what is known of the lab's interfaces, None where links have none; never changed in place."""
        return self._links.known

    @property
    def interfaces_problem(self) -> str:
        """Return why nothing is known of the lab's interfaces, empty while something is."""
        return self._links.problem

    @property
    def prometheus_url(self) -> str:
        """Return where Prometheus is looked for."""
        return self._prometheus.url if self._prometheus else self._prometheus_default

    @property
    def prometheus_error(self) -> str:
        """Return why Prometheus does not answer, empty when it does."""
        return self._memory.error or ("" if self._memory.answered else "Prometheus was not asked yet")

    @property
    def prometheus_stale_since(self) -> float | None:
        """Return since when Prometheus does not answer (epoch seconds), None while it does."""
        return self._memory.stale_since

    def load(self, serf: str) -> KnownLoad:
        """Return the last known load of a serf and how old it is."""
        return self._memory.load(serf)

    def target_up(self, serf: str) -> bool | None:
        """Return whether Prometheus reaches the serf's exporter, None when it does not say."""
        return self._memory.target_up(serf)

    @property
    def offload_socket(self) -> Path:
        """Return where the lab's offload manager listens, if there is one."""
        return self._offload.socket

    @property
    def offload(self) -> dict[str, Any]:
        """Return what the offload manager last told of peerings and virtual pods, never changed in place."""
        return self._offload.told

    def ask(self, question: Callable[[Prometheus], Coroutine[Any, Any, T]]) -> T:
        """Ask Prometheus from any thread but the observer's own, and wait for the answer.

        Raises `PrometheusError`.
        """
        prometheus = self._prometheus
        if prometheus is None or not self._thread.is_alive():
            raise PrometheusError("unreachable", "the viewer is not following a lab yet", hint="ask again in a second")
        future = asyncio.run_coroutine_threadsafe(question(prometheus), self._loop)
        try:
            return future.result(timeout=_CALL_TIMEOUT_SECONDS)
        except concurrent.futures.TimeoutError as error:
            future.cancel()
            raise PrometheusError("timeout", f"Prometheus at {prometheus.url} is too slow") from error


def _stamp(file: Path) -> tuple[int, int]:
    with contextlib.suppress(OSError):
        status = file.stat()
        return status.st_mtime_ns, status.st_ino
    return (0, 0)
