"""The pods of VMs without a controller: making, moving and removing them by hand, with or without VirtualMachines."""

from __future__ import annotations

import asyncio
import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from serflab.emulation.names import HOSTNAME, pod_path, pods_of
from serflab.errors import SerflabError
from serflab.kube.bulk import run_bulk
from serflab.kube.client import ApiError
from serflab.rebalance.bodies import (
    ANYWHERE,
    DEFAULT_CAPACITY,
    Capacity,
    Launcher,
    Placement,
    consumption_of,
    launcher_of,
    migration_body,
    pod_name,
    requests_of,
)
from serflab.rebalance.launchers import (
    SELECTOR,
    current,
    delete,
    is_live,
    name_of,
    node_of,
    phase_of,
    unschedulable,
    vm_of,
)
from serflab.rebalance.migration_wait import migrated
from serflab.rebalance.names import DOMAIN, migration_path, vm_path
from serflab.rebalance.session import Session
from serflab.rebalance.virtual_machines import create_vm, delete_vm, get_vm
from serflab.rebalance.vm_status import status_of

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable

    from serflab.kube.client import ApiClient
    from serflab.rebalance.bodies import SimulatedVM
    from serflab.rebalance.launchers import Pod

Strategy = Literal["create-first", "delete-first"]
STRATEGIES: Final[tuple[Strategy, ...]] = ("create-first", "delete-first")
_POLL_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class SyncResult:
    """What `sync_pods_with_vms` did: the names of VMs."""

    created: tuple[str, ...] = ()
    updated: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()


class PodManager:
    """The virt-launcher pods of one namespace.

    By default there are pods only, and this class moves them. With `create_vm_crs` each pod belongs to a
    VirtualMachine, whose status follows; then migrations are objects too, which a controller carries out
    (`serflab rebalance controller`). `timeout` is how long a pod may take to run, in seconds, and a migration object
    to move any memory, and then to be done after the time that its memory takes. The errors are those of `VMManager`.
    """

    def __init__(  # noqa: PLR0913 - each is an option by itself, and only named ones may follow the first
        self,
        namespace: str = "default",
        *,
        kubeconfig: str | os.PathLike[str] | None = None,
        use_in_cluster_config: bool = False,
        create_vm_crs: bool = False,
        capacity: Capacity = DEFAULT_CAPACITY,
        strategy: Strategy = "create-first",
        timeout: float = 60.0,
    ) -> None:
        self.namespace = namespace
        self.capacity = capacity
        self._session = Session(kubeconfig, in_cluster=use_in_cluster_config)
        self._with_vms = create_vm_crs
        self._strategy = strategy
        self._timeout = timeout

    def create_pod(self, vm: SimulatedVM, node_name: str | None = None) -> str:
        """Make the pod of a VM and return its name; the scheduler places it, with `node_name` on that node or nowhere.

        A VM that has a pod keeps it.

        >>> from types import SimpleNamespace
        >>> pods = PodManager("demo")
        >>> vm = SimpleNamespace(id="vm-1", cpu_consumption=0.15, memory_consumption=0.2)
        >>> name = pods.create_pod(vm)
        >>> name.startswith("virt-launcher-vm-1-"), pods.create_pod(vm) == name, pods.delete_pod("vm-1")
        (True, True, True)
        """

        async def create(client: ApiClient) -> str:
            return await self._create(client, vm, _on(node_name), await self._pods_of(client, vm.id))

        return self._session.run(create)

    def delete_pod(self, vm_id: str) -> bool:
        """Delete the pod of a VM, and its VirtualMachine where there are any; say whether there was something."""

        async def remove(client: ApiClient) -> bool:
            return await self._delete(client, vm_id, await self._pods_of(client, vm_id))

        return self._session.run(remove)

    def migrate_vm_pod(self, vm: SimulatedVM, from_node: str, to_node: str | None = None) -> str:
        """Move a VM away from a node and return the name of its new pod, which runs by then.

        The scheduler chooses among all other nodes, with `to_node` there is that one only. A VM that is not on
        `from_node` stays where it is. `SerflabError` when the new pod finds no node in time: then the VM is where it
        was (with the strategy delete-first: wherever the scheduler finds a place). A migration object that is under
        way by then goes on.

        >>> from types import SimpleNamespace
        >>> pods, vm = PodManager("demo"), SimpleNamespace(id="vm-2", cpu_consumption=0.15, memory_consumption=0.2)
        >>> name = pods.create_pod(vm)
        >>> pods.migrate_vm_pod(vm, from_node="node-without-it") == name, pods.delete_pod("vm-2")
        (True, True)
        """
        return self._session.run(lambda client: self._migrate(client, vm, from_node, to_node))

    def get_pod_node_assignment(self, vm_id: str) -> str | None:
        """Return the node that the scheduler has given to the pod of a VM, None while it has none.

        >>> PodManager("demo").get_pod_node_assignment("nobody") is None
        True
        """

        async def ask(client: ApiClient) -> str | None:
            pod = current(await self._pods_of(client, vm_id))
            return (node_of(pod) or None) if pod else None

        return self._session.run(ask)

    def update_vm_node_assignments(self, vms: Iterable[SimulatedVM]) -> dict[str, str]:
        """Set `scheduled_node` and `pod_name` of each VM that has them, and return the node of each VM that has one.

        Where there are VirtualMachines, their status is brought into line with their pods.

        >>> from types import SimpleNamespace
        >>> PodManager("demo").update_vm_node_assignments([SimpleNamespace(id="nobody", scheduled_node="")])
        {}
        """
        return self._session.run(lambda client: self._assign(client, list(vms)))

    def sync_pods_with_vms(self, vms: Iterable[SimulatedVM]) -> SyncResult:
        """Let there be one pod for each of these VMs that shows what it uses, and none for any other VM.

        >>> PodManager("demo").sync_pods_with_vms([])
        SyncResult(created=(), updated=(), deleted=())
        """
        return self._session.run(lambda client: self._sync(client, list(vms)))

    # --- one VM ---

    async def _pods(self, client: ApiClient) -> dict[str, list[Pod]]:
        """Return the live pods of each VM."""
        found: dict[str, list[Pod]] = {}
        for pod in (await client.list(pods_of(self.namespace), params={"labelSelector": SELECTOR}))["items"]:
            if is_live(pod):
                found.setdefault(vm_of(pod), []).append(pod)
        return found

    async def _pods_of(self, client: ApiClient, vm_id: str) -> list[Pod]:
        """Return the live pods of one VM."""
        selector = f"{SELECTOR},{DOMAIN}={vm_id}"
        found = (await client.list(pods_of(self.namespace), params={"labelSelector": selector}))["items"]
        return [pod for pod in found if is_live(pod)]

    async def _create(self, client: ApiClient, vm: SimulatedVM, placement: Placement, pods: Iterable[Pod]) -> str:
        """Make the pod of a VM that has these, unless it has one."""
        # First the VirtualMachine, which its pod belongs to.
        owner = await create_vm(client, vm, self.namespace) if self._with_vms else None
        there = current(pods)
        if there:
            return name_of(there)
        if owner is None:
            body = self._body(vm, placement)
        else:
            # The very pod that a controller would make, so that the two never make one each.
            first = pod_name(vm.id, owner["metadata"]["uid"], "")
            body = launcher_of(owner, first, self.capacity, placement)
        made: Pod | None
        try:
            made = await client.create(pods_of(self.namespace), body)
        except ApiError as error:
            if error.status != 409:
                raise
            made = await self._pod(client, name_of(body))
        if owner is not None:
            await self._tell(client, vm.id, [made] if made and is_live(made) else [])
        return name_of(body)

    def _body(self, vm: SimulatedVM, placement: Placement) -> dict[str, Any]:
        launcher = Launcher(self.namespace, vm.id, consumption_of(vm), requests_of(vm), self.capacity)
        return launcher.body(pod_name(vm.id, secrets.token_hex(8)), placement)

    async def _delete(self, client: ApiClient, vm_id: str, pods: Iterable[Pod]) -> bool:
        was_there = await delete_vm(client, self.namespace, vm_id) if self._with_vms else False
        for pod in pods:
            await delete(client, pod)
            was_there = True
        return was_there

    # --- migration ---

    async def _migrate(self, client: ApiClient, vm: SimulatedVM, from_node: str, to_node: str | None) -> str:
        source = current(await self._pods_of(client, vm.id))
        if source is None:
            raise SerflabError(f"VM {vm.id} has no pod in namespace {self.namespace}", hint="make one with create_pod")
        if node_of(source) != from_node:
            return name_of(source)
        if self._with_vms:
            return await self._migrate_by_controller(client, vm.id, to_node)
        away = Placement(without=(from_node,), selector=_on(to_node).selector)
        body = self._body(vm, away)
        try:
            await self._replace(client, source, body)
        except BaseException as error:
            try:
                await self._put_back(client, vm, source)
            except SerflabError as second:
                hint = f"sync_pods_with_vms puts it right; it could not be done at once: {second.message}"
                raise SerflabError(f"VM {vm.id} has no pod or two: {error}", hint=hint) from error
            raise
        return name_of(body)

    async def _replace(self, client: ApiClient, source: Pod, body: dict[str, Any]) -> None:
        """Let the new pod run in the place of the old one, in the order of the strategy."""
        if self._strategy == "delete-first":
            await delete(client, source)
        await client.create(pods_of(self.namespace), body)
        refusal = await self._runs(client, name_of(body))
        if refusal:
            raise SerflabError(f"VM {vm_of(source)} cannot leave {node_of(source)}: {refusal}")
        if self._strategy == "create-first":
            await delete(client, source)

    async def _put_back(self, client: ApiClient, vm: SimulatedVM, source: Pod) -> None:
        """Let a VM whose move has failed have one pod: the old one, else one that runs, else a fresh one."""
        live = await self._pods_of(client, vm.id)
        old = [pod for pod in live if name_of(pod) == name_of(source)]
        kept = next(iter(old or [pod for pod in live if phase_of(pod) == "Running"]), None)
        for pod in live:
            if pod is not kept:
                await delete(client, pod)
        if kept is None:
            await client.create(pods_of(self.namespace), self._body(vm, ANYWHERE))

    async def _runs(self, client: ApiClient, name: str) -> str:
        """Wait until a pod runs and return nothing, or why it does not."""
        deadline = time.monotonic() + self._timeout
        while True:
            pod = await self._pod(client, name)
            if pod is None:
                return f"its new pod {name} is gone"
            if phase_of(pod) == "Running":
                return ""
            if not is_live(pod):
                return f"its new pod {name} has ended"
            if time.monotonic() > deadline:
                return unschedulable(pod) or f"its new pod {name} does not run after {self._timeout:g} s"
            await asyncio.sleep(_POLL_SECONDS)

    async def _pod(self, client: ApiClient, name: str) -> Pod | None:
        try:
            return await client.get(pod_path(self.namespace, name))
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    async def _migrate_by_controller(self, client: ApiClient, vm_id: str, to_node: str | None) -> str:
        vm = await get_vm(client, self.namespace, vm_id)
        if vm is None:
            raise SerflabError(f"there is no VirtualMachine {vm_id} in namespace {self.namespace}")
        name = f"kubevirt-migrate-{vm_id}-{secrets.token_hex(3)}"
        body = migration_body(vm, name, node_selector=dict(_on(to_node).selector))
        await client.create(migration_path(self.namespace), body)
        return await migrated(client, self.namespace, name, self._timeout)

    # --- all VMs ---

    async def _assign(self, client: ApiClient, vms: list[SimulatedVM]) -> dict[str, str]:
        pods = await self._pods(client)
        nodes: dict[str, str] = {}
        for vm in vms:
            pod = current(pods.get(vm.id, ()))
            if pod is not None and node_of(pod):
                nodes[vm.id] = node_of(pod)
            for field, value in (("scheduled_node", nodes.get(vm.id, "")), ("pod_name", name_of(pod) if pod else "")):
                if hasattr(vm, field):
                    setattr(vm, field, value)
        if self._with_vms:
            names = [vm.id for vm in vms]
            result = await run_bulk(names, lambda name: self._tell(client, name, pods.get(name, ())), name=str)
            result.raise_for_failures("update the status of VirtualMachines")
        return nodes

    async def _tell(self, client: ApiClient, name: str, pods: Iterable[Pod]) -> None:
        """Bring the status of a VirtualMachine into line with its pods."""
        vm = await get_vm(client, self.namespace, name)
        if vm is None:
            return
        named = (vm.get("status") or {}).get("podName") or ""
        status = status_of(vm, current(pods, named))
        if status != vm.get("status"):
            await client.patch(f"{vm_path(self.namespace, name)}/status", {"status": status})

    async def _sync(self, client: ApiClient, vms: list[SimulatedVM]) -> SyncResult:
        pods = await self._pods(client)
        wanted = {vm.id: vm for vm in vms}
        if not self._with_vms:  # else the second pod of a VM is that of a migration, which a controller sees to
            await self._remove_second(client, pods)
        missing = [vm for vm in vms if self._with_vms or vm.id not in pods]
        created = [vm.id for vm in vms if vm.id not in pods]
        changed = [(pod, wanted[name]) for name, found in pods.items() if name in wanted for pod in found]
        changed = [(pod, vm) for pod, vm in changed if not self._shows(pod, vm)]
        surplus = [name for name in pods if name not in wanted]

        async def create(vm: SimulatedVM) -> None:
            await self._create(client, vm, ANYWHERE, pods.get(vm.id, ()))

        async def remove(name: str) -> None:
            await self._delete(client, name, pods[name])

        result = await run_bulk(missing, create, name=lambda vm: vm.id)
        result.raise_for_failures("create the pods of VMs")
        shown = await run_bulk(changed, lambda item: self._show(client, *item), name=lambda item: item[1].id)
        shown.raise_for_failures("update the pods of VMs")
        gone = await run_bulk(surplus, remove, name=str)
        gone.raise_for_failures("delete the pods of VMs")
        return SyncResult(tuple(created), tuple(vm.id for _, vm in changed), tuple(surplus))

    async def _remove_second(self, client: ApiClient, pods: dict[str, list[Pod]]) -> None:
        """Leave each VM one pod, in the cluster and in `pods`."""
        second = []
        for name, found in pods.items():
            kept = current(found)
            second += [pod for pod in found if pod is not kept]
            pods[name] = [pod for pod in found if pod is kept]
        result = await run_bulk(second, lambda pod: delete(client, pod), name=name_of)
        result.raise_for_failures("delete the second pods of VMs")

    def _shows(self, pod: Pod, vm: SimulatedVM) -> bool:
        there = pod["metadata"].get("annotations") or {}
        return self._annotations(vm).items() <= there.items()

    async def _show(self, client: ApiClient, pod: Pod, vm: SimulatedVM) -> None:
        patch = {"metadata": {"annotations": self._annotations(vm)}}
        await client.patch(pod_path(self.namespace, name_of(pod)), patch)

    def _annotations(self, vm: SimulatedVM) -> dict[str, str]:
        return consumption_of(vm).annotations(self.capacity)


def _on(node: str | None) -> Placement:
    return Placement(selector=((HOSTNAME, node),)) if node else ANYWHERE
