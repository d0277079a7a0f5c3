"""What benchmarks of the rebalancing loop make on a cluster: nodes of its kind, and pods of VMs that have no VM."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from serflab.emulation.names import HOSTNAME, KWOK_NODE, PODS_PATH, pods_of
from serflab.kube.bulk import run_bulk
from serflab.kube.watch import Collection, WatchCache
from serflab.rebalance.bodies import Launcher, consumption_of, pod_name
from serflab.rebalance.names import SCHEDULABLE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from serflab.kube.client import ApiClient
    from serflab.rebalance.bodies import SimulatedVM

NAMESPACE: Final = "default"


def node(name: str) -> dict[str, Any]:
    """Return a fake node that the descheduler looks at, with room for 250 pods."""
    room = {"cpu": "32", "memory": "128Gi", "pods": "250"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {HOSTNAME: name, SCHEDULABLE: "true"}, "annotations": {KWOK_NODE: "fake"}},
        "spec": {"taints": [{"key": KWOK_NODE, "value": "fake", "effect": "NoSchedule"}]},
        "status": {"capacity": room, "allocatable": room},
    }


def running(item: dict[str, Any]) -> bool | None:
    """Return whether a pod or a VM runs; None, which a watch cache leaves out, if it does not."""
    return (item.get("status") or {}).get("phase") == "Running" or None


async def start_pods(client: ApiClient, vms: Sequence[SimulatedVM]) -> None:
    """Make a virt-launcher pod for each VM, without the VM, and return when all run."""

    async def create(vm: SimulatedVM) -> None:
        uses = consumption_of(vm)
        await client.create(pods_of(NAMESPACE), Launcher(NAMESPACE, vm.id, uses, uses).body(pod_name(vm.id)))

    async with WatchCache(client, Collection(PODS_PATH), running) as there:
        (await run_bulk(vms, create, name=lambda vm: vm.id)).raise_for_failures("create pods")
        await there.wait_for(lambda: len(there.objects) == len(vms))
