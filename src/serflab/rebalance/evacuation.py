"""VMs that have to leave their node (`status.evacuationNodeName`): a migration, and another one after a failure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from serflab.kube.client import ApiError
from serflab.rebalance import launchers
from serflab.rebalance.bodies import migration_body, suffix
from serflab.rebalance.controller_objects import now, phase_of
from serflab.rebalance.launchers import name_of, node_of
from serflab.rebalance.names import EVACUATION, migration_path
from serflab.rebalance.times import read, written

if TYPE_CHECKING:
    from serflab.rebalance.controller_objects import Objects
    from serflab.rebalance.followed import Item


async def follow_evacuation(objects: Objects, vm: Item, pod: Item | None) -> float | None:
    """Make a migration for a VM that is to leave its node, or forget that it was to; `pod` is the VM's."""
    status = vm.get("status") or {}
    leaves = status.get("evacuationNodeName")
    if not leaves or objects.migration_of(vm) is not None or pod is None or not node_of(pod):
        return None
    if node_of(pod) != leaves:
        await objects.patch_vm_status(vm, {"evacuationNodeName": None}, unless_changed=True)
        return None
    return await _try(objects, vm, pod) if launchers.phase_of(pod) == "Running" else None


async def _try(objects: Objects, vm: Item, pod: Item) -> float | None:
    """Make the next migration, wait for its time, or give up."""
    status = vm["status"]
    failed = _failed(objects, vm, status.get("evacuationAbortedAt"))
    if len(failed) >= objects.settings.max_attempts:
        await _give_up(objects, vm, node_of(pod), len(failed))
        return None
    if failed:
        left = failed[-1] + objects.settings.wait_after(len(failed), objects.settings.backoff) - now()
        if left > 0:
            return left
    await _migrate(objects, vm, pod, len(failed))
    return None


async def _migrate(objects: Objects, vm: Item, pod: Item, attempt: int) -> None:
    """Make the migration of this attempt; after a crash it has the same name, and is not made twice."""
    aborted = str((vm.get("status") or {}).get("evacuationAbortedAt") or "")
    uid = vm["metadata"]["uid"]
    name = f"kubevirt-evacuation-{name_of(vm)}-{suffix(uid, pod['metadata']['uid'], aborted, str(attempt))}"
    body = migration_body(vm, name, evacuates=node_of(pod))
    try:
        objects.migrations.put(await objects.client.create(migration_path(vm["metadata"]["namespace"]), body))
    except ApiError as error:
        if error.status != 409:
            raise


async def _give_up(objects: Objects, vm: Item, node: str, attempts: int) -> None:
    """Let the VM stay; its eviction is no longer in progress, so that another VM may be chosen."""
    change = {"evacuationNodeName": None, "evacuationAbortedAt": written(now())}
    await objects.patch_vm_status(vm, change, unless_changed=True)
    message = f"VM stays on node {node}: {attempts} migrations have failed"
    objects.events.tell(vm, "EvacuationAborted", message, warning=True)


def _failed(objects: Objects, vm: Item, aborted: str | None) -> list[float]:
    """Return when the migrations of this evacuation have failed, one after another (epoch seconds)."""
    ends: list[float] = []
    for migration in objects.migrations_of(vm):
        if EVACUATION not in (migration["metadata"].get("annotations") or {}):
            continue
        if phase_of(migration) == "Succeeded":
            ends = []
        elif phase_of(migration) == "Failed":
            ends.append(read(migration["status"]["migrationState"]["endTimestamp"]))
    return sorted(end for end in ends if not aborted or end > read(aborted))
