"""VMs that have to leave their node (`status.evacuationNodeName`): a migration, and another one after a failure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from serflab.kube.client import ApiError
from serflab.rebalance import launchers
from serflab.rebalance.bodies import migration_body, suffix
from serflab.rebalance.controller_objects import FINISHED, now, phase_of
from serflab.rebalance.eviction import is_migratable, strategy_of
from serflab.rebalance.launchers import name_of, node_of
from serflab.rebalance.names import EVACUATION, migration_path
from serflab.rebalance.times import read, written

if TYPE_CHECKING:
    from serflab.rebalance.controller_objects import Objects
    from serflab.rebalance.followed import Item

_LOOK_AGAIN_SECONDS: Final = 1.0


async def follow_evacuation(objects: Objects, vm: Item, pod: Item | None) -> float | None:
    """Make a migration for a VM that is to leave its node, or forget that it was to; `pod` is the VM's."""
    status = vm.get("status") or {}
    leaves = status.get("evacuationNodeName")
    if not leaves or objects.migration_of(vm) is not None or pod is None or not node_of(pod):
        return None
    if node_of(pod) != leaves:
        await objects.patch_vm_status(vm, {"evacuationNodeName": None}, unless_changed=True)
        return None
    # Such a VM is somebody else's to move, or cannot be moved.
    if strategy_of(vm, objects.settings.default_strategy) == "External" or not is_migratable(vm):
        return None
    return await _try(objects, vm, pod) if launchers.phase_of(pod) == "Running" else None


def failures(objects: Objects, vm: Item, pod: Item | None) -> list[Item]:
    """Return the migrations of the evacuation under way that have failed, one after another.

    They are those that were to take this very pod away from the node that the VM has to leave.
    """
    status = vm.get("status") or {}
    leaves, aborted = status.get("evacuationNodeName"), status.get("evacuationAbortedAt")
    if not leaves or pod is None:
        return []
    found = [
        item
        for item in objects.migrations_of(vm)
        if phase_of(item) == "Failed"
        and (item["metadata"].get("annotations") or {}).get(EVACUATION) == leaves
        and item["status"]["migrationState"].get("sourcePod") == name_of(pod)
        and (not aborted or _end(item) > read(aborted))
    ]
    return sorted(found, key=_end)


def _end(migration: Item) -> float:
    state = (migration.get("status") or {}).get("migrationState") or {}
    return read(state["endTimestamp"]) if "endTimestamp" in state else 0.0


async def _try(objects: Objects, vm: Item, pod: Item) -> float | None:
    """Make the next migration, wait for its time, or give up."""
    failed = failures(objects, vm, pod)
    if len(failed) >= objects.settings.max_attempts:
        await _give_up(objects, vm, node_of(pod), len(failed))
        return None
    if failed:
        left = _end(failed[-1]) + objects.settings.wait_after(len(failed), objects.settings.backoff) - now()
        if left > 0:
            return left
    return await _migrate(objects, vm, pod)


async def _migrate(objects: Objects, vm: Item, pod: Item) -> float | None:
    """Make the next migration; after a crash it has the same name, and is not made twice."""
    finished = [item for item in objects.migrations_of(vm) if phase_of(item) in FINISHED]
    latest = str(max(finished, key=_end)["metadata"]["uid"]) if finished else ""
    aborted = str((vm.get("status") or {}).get("evacuationAbortedAt") or "")
    uid = vm["metadata"]["uid"]
    name = f"kubevirt-evacuation-{name_of(vm)}-{suffix(uid, pod['metadata']['uid'], aborted, latest)}"
    body = migration_body(vm, name, evacuates=node_of(pod))
    try:
        objects.migrations.put(await objects.client.create(migration_path(vm["metadata"]["namespace"]), body))
    except ApiError as error:
        if error.status != 409:
            raise
        return _LOOK_AGAIN_SECONDS  # the watch has not told of it yet
    return None


async def _give_up(objects: Objects, vm: Item, node: str, attempts: int) -> None:
    """Let the VM stay; its eviction is no longer in progress, so that another VM may be chosen."""
    change = {"evacuationNodeName": None, "evacuationAbortedAt": written(now())}
    await objects.patch_vm_status(vm, change, unless_changed=True)
    message = f"VM stays on node {node}: {attempts} migrations have failed"
    objects.events.tell(vm, "EvacuationAborted", message, warning=True)
