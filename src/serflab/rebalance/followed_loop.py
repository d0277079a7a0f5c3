"""The VMs and migrations of a loop's cluster, followed by watches for as long as somebody asks for them."""

from __future__ import annotations

import asyncio
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from serflab.errors import SerflabError
from serflab.kube.watch import Collection, WatchCache
from serflab.rebalance.loop_settings import NAMESPACE
from serflab.rebalance.names import migration_path, vm_path
from serflab.rebalance.questions import api
from serflab.rebalance.times import read
from serflab.traces.quantity import parse_cpu, parse_memory

if TYPE_CHECKING:
    from collections.abc import Mapping

    from serflab.rebalance.loop_settings import Loop

FINISHED: Final = frozenset({"Succeeded", "Failed"})
_IDLE_SECONDS: Final = 60.0
_LOOK_SECONDS: Final = 0.2
_FIRST_SECONDS: Final = 3.0


@dataclass(frozen=True, slots=True)
class VmRow:
    """A VM: where it is (empty: nowhere yet), its pod and phase, and what it uses of its node, as ratios.

    `requested_cpu` (millicores) and `requested_memory` (Mi) are what its pod requests, None without a pod.
    """

    name: str
    node: str
    pod: str
    phase: str
    cpu: float
    memory: float
    requested_cpu: float | None = None
    requested_memory: float | None = None


@dataclass(frozen=True, slots=True)
class MigrationRow:
    """A migration; times in seconds since the epoch, None for what has not come yet."""

    name: str
    vm: str
    phase: str
    source: str
    target: str
    pod: str
    created: float
    started: float | None
    ended: float | None
    reason: str

    @property
    def under_way(self) -> bool:
        """Whether it has not come to its end."""
        return self.phase not in FINISHED


class FollowedLoop:
    """Follows the cluster of one loop from the first question until nobody has asked for a minute, or `stop`.

    A cluster that cannot be asked is told in `problem`; what was known before stays.
    """

    def __init__(self, loop: Loop) -> None:
        self.loop = loop
        self.problem = ""
        self._credentials = _stamp(loop)
        self._vms: Mapping[Any, VmRow] = {}
        self._migrations: Mapping[Any, MigrationRow] = {}
        self._wanted_until = time.monotonic() + _IDLE_SECONDS
        self._synced = threading.Event()
        self._thread = threading.Thread(target=self._run, name="loop follower", daemon=True)
        self._thread.start()
        self._synced.wait(_FIRST_SECONDS)

    def fits(self, loop: Loop) -> bool:
        """Whether it still follows, and the cluster of that loop: one that was made anew has other credentials."""
        return self._thread.is_alive() and self._credentials == _stamp(loop)

    def ask(self) -> tuple[list[VmRow], list[MigrationRow]]:
        """Return the VMs by name and the migrations, the latest first."""
        self._wanted_until = time.monotonic() + _IDLE_SECONDS
        vms = sorted(self._vms.values(), key=lambda vm: vm.name)
        return vms, sorted(self._migrations.values(), key=lambda item: (item.created, item.name), reverse=True)

    def stop(self) -> None:
        """End it."""
        self._wanted_until = 0
        self._thread.join(timeout=5)

    def _run(self) -> None:
        try:
            asyncio.run(self._follow())
        except SerflabError as error:
            self.problem = error.message
        finally:
            self._synced.set()

    async def _follow(self) -> None:
        async with (
            api(self.loop) as client,
            WatchCache(client, Collection(vm_path(NAMESPACE)), vm_row) as vms,
            WatchCache(client, Collection(migration_path(NAMESPACE)), migration_row) as migrations,
        ):
            both = asyncio.gather(vms.wait_synced(), migrations.wait_synced())
            try:
                while time.monotonic() < self._wanted_until:
                    if both.done():
                        both.result()
                        self._synced.set()
                        self._vms, self._migrations = vms.objects, migrations.objects
                    error = vms.last_error or migrations.last_error
                    self.problem = error.message if error else ""
                    if error:
                        self._synced.set()
                    await asyncio.sleep(_LOOK_SECONDS)
            finally:
                both.cancel()


def _stamp(loop: Loop) -> tuple[str, int, int]:
    try:
        status = loop.kubeconfig.stat()
    except OSError:
        return str(loop.kubeconfig), 0, 0
    return str(loop.kubeconfig), status.st_mtime_ns, status.st_ino


def vm_row(vm: Mapping[str, Any]) -> VmRow:
    """Return what is kept of a VirtualMachine."""
    status, resources = vm.get("status") or {}, vm["spec"]["resources"]
    requests = status.get("requests") or {}
    return VmRow(
        vm["metadata"]["name"],
        status.get("nodeName") or "",
        status.get("podName") or "",
        status.get("phase") or "Pending",
        float(status.get("cpuConsumption") or resources["cpu"]),
        float(status.get("memoryConsumption") or resources["memory"]),
        parse_cpu(requests["cpu"]) if "cpu" in requests else None,
        parse_memory(requests["memory"]) if "memory" in requests else None,
    )


def migration_row(migration: Mapping[str, Any]) -> MigrationRow:
    """Return what is kept of a migration."""
    metadata, status = migration["metadata"], migration.get("status") or {}
    state = status.get("migrationState") or {}
    return MigrationRow(
        metadata["name"],
        migration["spec"]["vmiName"],
        status.get("phase") or "Pending",
        state.get("sourceNode") or "",
        state.get("targetNode") or "",
        state.get("sourcePod") or "",
        read(metadata["creationTimestamp"]),
        read(state["startTimestamp"]) if state.get("startTimestamp") else None,
        read(state["endTimestamp"]) if state.get("endTimestamp") else None,
        state.get("failureReason") or "",
    )
