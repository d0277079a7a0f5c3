"""VirtualMachines: making, listing and removing them, one by one or thousands at once.

The functions are for programs that run an event loop, `VMManager` is the same for those that don't.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from serflab.kube.bulk import run_bulk
from serflab.kube.client import ApiError
from serflab.rebalance import crds
from serflab.rebalance.bodies import ratio, vm_body
from serflab.rebalance.launchers import name_of
from serflab.rebalance.names import DELETION_ALLOWED, VM_CPU_CONSUMPTION, VM_MEMORY_CONSUMPTION, vm_path
from serflab.rebalance.session import Session

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Mapping

    from serflab.errors import SerflabError
    from serflab.kube.client import ApiClient
    from serflab.rebalance.bodies import SimulatedVM

VM = dict[str, Any]


@dataclass(frozen=True, slots=True)
class VMStatus:
    """What the status of a VirtualMachine says; empty where it says nothing. Consumption as ratios of a node."""

    phase: str = "Pending"
    node_name: str = ""
    pod_name: str = ""
    cpu_consumption: str = ""
    memory_consumption: str = ""
    created_at: str = ""
    evacuation_node_name: str = ""
    conditions: tuple[Mapping[str, str], ...] = ()

    @classmethod
    def of(cls, vm: Mapping[str, Any]) -> VMStatus:
        """Return the status of a VirtualMachine.

        >>> VMStatus.of({"status": {"phase": "Running", "nodeName": "kwok-node-2"}}).node_name
        'kwok-node-2'
        >>> VMStatus.of({}).phase
        'Pending'
        """
        told = vm.get("status") or {}
        return cls(
            told.get("phase") or "Pending",
            told.get("nodeName") or "",
            told.get("podName") or "",
            told.get("cpuConsumption") or "",
            told.get("memoryConsumption") or "",
            told.get("createdAt") or "",
            told.get("evacuationNodeName") or "",
            tuple(told.get("conditions") or ()),
        )


async def get_vm(client: ApiClient, namespace: str, name: str) -> VM | None:
    """Return a VirtualMachine, None if there is none of that name."""
    try:
        return await client.get(vm_path(namespace, name))
    except ApiError as error:
        if error.status == 404:
            await _expect_definition(client, namespace)
            return None
        raise


async def list_vms(client: ApiClient, namespace: str) -> list[VM]:
    """Return the VirtualMachines of a namespace."""
    try:
        return list((await client.list(vm_path(namespace)))["items"])
    except ApiError as error:
        raise _explained(error) from error


async def create_vm(
    client: ApiClient,
    vm: SimulatedVM,
    namespace: str,
    *,
    running: bool | None = None,
    labels: Mapping[str, str] = MappingProxyType({}),
) -> VM:
    """Make a VirtualMachine, or let the one of that name use and request what `vm` says, and return it.

    Without `running` a new one runs, and one that is there goes on as it is. A new one has `labels` besides its own.
    """
    body = vm_body(vm, namespace, running=running is not False)
    body["metadata"]["labels"] |= labels
    try:
        return await client.create(vm_path(namespace), body)
    except ApiError as error:
        if error.status != 409:
            raise _explained(error) from error
    spec = {"requests": None, **body["spec"]}
    if running is None:
        del spec["running"]
    changed = {"metadata": {"annotations": body["metadata"]["annotations"]}, "spec": spec}
    return await client.patch(vm_path(namespace, vm.id), changed)


async def create_vms(  # noqa: PLR0913 - what, where, and how it is told
    client: ApiClient,
    vms: Iterable[SimulatedVM],
    namespace: str,
    *,
    limit: int = 16,
    progress: Callable[[int], None] | None = None,
    labels: Mapping[str, str] = MappingProxyType({}),
) -> int:
    """Make many VirtualMachines, `limit` at once, and return how many; `SerflabError` names those that failed."""

    async def create(vm: SimulatedVM) -> None:
        await create_vm(client, vm, namespace, labels=labels)

    result = await run_bulk(vms, create, name=lambda vm: vm.id, limit=limit, progress=progress)
    result.raise_for_failures("create VirtualMachines")
    return result.done


async def set_consumption(client: ApiClient, namespace: str, name: str, cpu: float, memory: float) -> VM:
    """Let a VirtualMachine use these ratios of a node from now on; the controller has its pod show it."""
    uses = {"cpu": ratio(cpu), "memory": ratio(memory)}
    annotations = {VM_CPU_CONSUMPTION: uses["cpu"], VM_MEMORY_CONSUMPTION: uses["memory"]}
    patch = {"metadata": {"annotations": annotations}, "spec": {"resources": uses}}
    return await client.patch(vm_path(namespace, name), patch)


async def delete_vm(client: ApiClient, namespace: str, name: str) -> bool:
    """Delete a VirtualMachine, whether it runs or not, and say whether it was there; its pods go along."""
    path = vm_path(namespace, name)
    try:
        # A policy may keep running VMs from being deleted by mistake.
        await client.patch(path, {"metadata": {"annotations": {DELETION_ALLOWED: "true"}}})
        await client.delete(path)
    except ApiError as error:
        if error.status == 404:
            return False
        raise
    return True


async def delete_vms(client: ApiClient, namespace: str, names: Iterable[str] | None = None, *, limit: int = 16) -> int:
    """Delete VirtualMachines of a namespace (None: all) and return how many."""
    if names is None:
        names = [name_of(vm) for vm in await list_vms(client, namespace)]

    async def delete(name: str) -> None:
        await delete_vm(client, namespace, name)

    result = await run_bulk(names, delete, name=str, limit=limit)
    result.raise_for_failures("delete VirtualMachines")
    return result.done


class VMManager:
    """VirtualMachines of one namespace.

    Each method raises `ApiUnreachableError` when no API server answers, `ApiError` when it refuses, and `SerflabError`
    with a hint where the CustomResourceDefinition is missing.
    """

    def __init__(
        self,
        namespace: str = "default",
        *,
        kubeconfig: str | os.PathLike[str] | None = None,
        use_in_cluster_config: bool = False,
    ) -> None:
        self.namespace = namespace
        self._session = Session(kubeconfig, in_cluster=use_in_cluster_config)

    def get_vm_status(self, name: str) -> VMStatus | None:
        """Return the status of a VM, None if there is none of that name.

        >>> VMManager("demo").get_vm_status("nobody") is None
        True
        """
        found = self._session.run(lambda client: get_vm(client, self.namespace, name))
        return VMStatus.of(found) if found else None

    def list_vms(self) -> list[VM]:
        """Return the VirtualMachines as dictionaries, in the order of their names.

        >>> [vm["metadata"]["name"] for vm in VMManager("demo").list_vms()]
        []
        """
        return self._session.run(lambda client: list_vms(client, self.namespace))

    def create_vm(self, vm: SimulatedVM, *, running: bool | None = None) -> VM:
        """Make a VM that uses `vm.cpu_consumption` and `vm.memory_consumption` (ratios of a node), and return it.

        A VM of that name uses from now on what `vm` says, and runs or not as before unless `running` tells.

        >>> from types import SimpleNamespace
        >>> manager = VMManager("demo")
        >>> made = manager.create_vm(SimpleNamespace(id="vm-1", cpu_consumption=0.15, memory_consumption=0.2))
        >>> made["spec"]["resources"]
        {'cpu': '0.15', 'memory': '0.2'}
        >>> manager.cleanup_all_vms()
        1
        """
        return self._session.run(lambda client: create_vm(client, vm, self.namespace, running=running))

    def create_vms(self, vms: Iterable[SimulatedVM]) -> int:
        """Make many VMs at once and return how many."""
        return self._session.run(lambda client: create_vms(client, vms, self.namespace))

    def delete_vm(self, name: str) -> bool:
        """Delete a VM with its pod, running or not, and say whether it was there."""
        return self._session.run(lambda client: delete_vm(client, self.namespace, name))

    def cleanup_all_vms(self) -> int:
        """Delete all VMs of the namespace, running or not, and return how many; their pods go along."""
        return self._session.run(partial(delete_vms, namespace=self.namespace))


def _explained(error: ApiError) -> SerflabError:
    """Return an error that tells what to do when the API server does not know VirtualMachines at all."""
    if error.status != 404 or (error.body.get("details") or {}).get("kind") == "namespaces":
        return error
    return crds.unknown()


async def _expect_definition(client: ApiClient, namespace: str) -> None:
    """Raise when it is not only that one VM that is missing."""
    try:
        await client.get(vm_path(namespace), params={"limit": "1"})
    except ApiError as error:
        raise _explained(error) from error
