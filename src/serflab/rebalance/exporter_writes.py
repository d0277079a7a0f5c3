"""What people ask of the exporter: another scenario, and VMs to be moved; in the cluster, or in the scenario alone."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any, Final

from serflab.emulation.names import HOSTNAME, INSTANCE, MANAGED_BY, MANAGER
from serflab.errors import InputError
from serflab.kube.refusal import Refusal
from serflab.rebalance.bodies import migration_body
from serflab.rebalance.names import migration_path
from serflab.rebalance.scenario_check import check_scenario
from serflab.rebalance.scenario_load import ScenarioLoad
from serflab.rebalance.virtual_machines import create_vms, delete_vms, get_vm, list_vms
from serflab.traces.report import Report

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from serflab.kube.client import ApiClient
    from serflab.rebalance.exporter import Exporter
    from serflab.rebalance.scenario import VM

BODY: Final = "body"
"""How findings call what came with a request."""


class Writes:
    """Carries out writes; `client` is None without a cluster, VMs are those of `namespace`.

    The VMs that it makes have the label of an `instance` if one is named.
    """

    def __init__(
        self,
        exporter: Exporter,
        client: ApiClient | None,
        namespace: str,
        templates: Path | None = None,
        instance: str = "",
    ) -> None:
        self._exporter = exporter
        self._client = client
        self._namespace = namespace
        self._templates = templates
        self._labels = {INSTANCE: instance} if instance else {}

    async def load_scenario(self, body: object) -> dict[str, Any]:
        """Take the scenario in a body: the cluster gets its VMs, and loses those of serflab's that are not in it."""
        scenario = check_scenario(body, BODY, self._templates)
        self._exporter.scenario = ScenarioLoad(scenario)
        deleted = 0
        if self._in_cluster():
            deleted = await self._delete_others({vm.id for vm in scenario.vms()})
            await self.create_vms(scenario.vms())
        self._exporter.renew()
        counts = {"vms": sum(1 for _ in scenario.vms()), "deleted": deleted}
        return {"status": "success", "scenario": scenario.name, "source": self._exporter.picture.source, **counts}

    async def create_vms(self, vms: Iterable[VM]) -> int:
        """Make VMs in the cluster, whose scheduler places them; return how many."""
        if self._client is None:
            return 0
        return await create_vms(self._client, vms, self._namespace, labels=self._labels)

    async def migrate(self, body: object) -> dict[str, Any]:
        """Move VMs: in a cluster by one migration object each, else at once."""
        moves = _moves(body)
        if self._exporter.source is None:
            raise Refusal(503, "nothing_read", "nothing was read yet", hint="try again in a moment")
        results = [await self._move(*move) for move in moves]
        self._exporter.renew()
        failed = [result for result in results if "error" in result]
        if failed:
            message = f"{len(failed)} of {len(results)} VMs were not moved: {failed[0]['error']}"
            hint = "details.migrations tells of each"
            raise Refusal(409, "not_moved", message, hint=hint, details={"migrations": results})
        return {"status": "success", "source": self._exporter.picture.source, "migrations": results}

    def _in_cluster(self) -> bool:
        return self._client is not None and self._exporter.source is self._exporter.cluster

    async def _delete_others(self, wanted: set[str]) -> int:
        if self._client is None:
            return 0
        there = [
            str(vm["metadata"]["name"])
            for vm in await list_vms(self._client, self._namespace)
            if (vm["metadata"].get("labels") or {}).get(MANAGED_BY) == MANAGER
        ]
        return await delete_vms(self._client, self._namespace, [name for name in there if name not in wanted])

    async def _move(self, vm: str, source: str, target: str) -> dict[str, str]:
        told = {"vm_id": vm, "from_node": source, **({"to_node": target} if target else {})}
        try:
            if self._client is not None and self._in_cluster():
                return told | {"migration": await self._migration(self._client, vm, source, target)}
            if self._exporter.scenario is not None:
                self._exporter.scenario.move(vm, source, target)
        except Refusal as refusal:
            return told | {"error": refusal.message}
        return told

    async def _migration(self, client: ApiClient, name: str, source: str, target: str) -> str:
        vm = await get_vm(client, self._namespace, name)
        if vm is None:
            raise Refusal(404, "unknown_vm", f"there is no VirtualMachine {self._namespace}/{name}")
        node = (vm.get("status") or {}).get("nodeName") or "no node"
        if node != source:
            raise Refusal(409, "vm_elsewhere", f"VM {name!r} is on {node}, not on {source}")
        if target and target not in self._exporter.picture.sizes:
            raise Refusal(404, "unknown_node", f"there is no node {target!r}")
        made = f"kubevirt-migrate-{name}-{secrets.token_hex(3)}"
        body = migration_body(vm, made, node_selector={HOSTNAME: target} if target else None)
        await client.create(migration_path(self._namespace), body)
        return made


def _moves(body: object) -> list[tuple[str, str, str]]:
    report = Report(BODY)
    top = report.mapping(body, "$") or {}
    moves: list[tuple[str, str, str]] = []
    entries = report.items(top["migrations"], "$.migrations") if "migrations" in top else None
    if isinstance(body, dict) and "migrations" not in top:
        report.error("$.migrations", "missing", 'such as [{"vm_id": "vm-1", "from_node": "a", "to_node": "b"}]')
    for at, item in enumerate(entries or ()):
        path = f"$.migrations[{at}]"
        entry = report.mapping(item, path) or {}
        keys = ("vm_id", "from_node")
        if isinstance(item, dict) and report.keys(entry, path, required=keys, optional=("to_node",)):
            texts = [report.text(entry[key], f"{path}.{key}") for key in (*keys, "to_node") if key in entry]
            if all(texts):
                vm, source, target = map(str, [*texts, ""][:3])
                moves.append((vm, source, target))
                if source == target:
                    report.error(f"{path}.to_node", "it is the node to leave", "name another one, or none of this")
    if report.findings:
        raise InputError(report.findings)
    return moves
