"""Playing the series of a scenario's VMs onto a cluster: each VM is written to when what it uses changes."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from serflab.kube.bulk import run_bulk
from serflab.kube.client import ApiError
from serflab.rebalance.virtual_machines import set_consumption

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from serflab.errors import SerflabError
    from serflab.kube.client import ApiClient
    from serflab.rebalance.scenario import VM, Scenario

_log = logging.getLogger(__name__)


class SeriesPlayer:
    """Plays onto the VMs of `namespace`; `running` returns the names of the VMs that have a pod.

    A VM that was deleted is left alone until its series goes on, or it has a pod again.
    """

    def __init__(self, client: ApiClient, namespace: str, running: Callable[[], Collection[str]]) -> None:
        self._client = client
        self._namespace = namespace
        self._running = running
        self._shown: dict[str, tuple[float, float]] = {}
        self._missing: set[str] = set()
        self._told: frozenset[str] = frozenset()

    def forget(self) -> None:
        """Write to each VM anew, whatever it was told before."""
        self._shown.clear()
        self._missing.clear()

    async def play(self, scenario: Scenario, point: int) -> None:
        """Let the VMs with a series use what this point says."""
        if self._missing:
            for name in self._missing.intersection(self._running()):
                self._shown.pop(name, None)
        due = [(vm, vm.load(point)) for vm in scenario.vms() if vm.series]
        due = [(vm, load) for vm, load in due if self._shown.get(vm.id) != load]
        if not due:
            return
        result = await run_bulk(due, self._show, name=lambda item: item[0].id)
        self._tell({failure.name: failure.error for failure in result.failures}, {vm.id for vm, _ in due})

    async def _show(self, item: tuple[VM, tuple[float, float]]) -> None:
        vm, load = item
        try:
            await set_consumption(self._client, self._namespace, vm.id, *load)
        except ApiError as error:
            if error.status == 404:
                self._shown[vm.id] = load
                self._missing.add(vm.id)
            raise
        self._shown[vm.id] = load
        self._missing.discard(vm.id)

    def _tell(self, failed: dict[str, SerflabError], tried: set[str]) -> None:
        """Log which VMs do not follow their series, when others do not than before."""
        now = frozenset((self._told - tried) | failed.keys())
        if now - self._told:
            first = min(now - self._told)
            reason = failed[first].message
            _log.warning("%d VMs do not follow their series, such as %s: %s", len(now), first, reason)
        elif self._told and not now:
            _log.info("all VMs follow their series again")
        self._told = now
