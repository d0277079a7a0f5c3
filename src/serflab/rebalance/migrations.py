"""A migration, step by step: a target pod beside the source, the memory's time on the way, then only the target.

Phases and their order are KubeVirt's. Each step is one write, so that a controller that was killed anywhere goes on
there. Which pod is the VM is said by the VM's status: the source until all memory is with the target, then the target.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from serflab.kube.client import ApiError
from serflab.rebalance import launchers
from serflab.rebalance.bodies import Placement, consumption, launcher_of, pod_name
from serflab.rebalance.controller_objects import FINISHED, UNDER_WAY, now, phase_of
from serflab.rebalance.launchers import current, is_live, migration_of, name_of, node_of, unschedulable
from serflab.rebalance.names import migration_path
from serflab.rebalance.times import read, written
from serflab.rebalance.vm_status import changes, status_of

if TYPE_CHECKING:
    from serflab.kube.watch import Key
    from serflab.rebalance.controller_objects import Objects
    from serflab.rebalance.followed import Item

__all__ = ["FINISHED", "UNDER_WAY", "advance", "delete", "fail", "fail_without_vm"]

_AT_ONCE = 0.0


async def advance(objects: Objects, vm: Item, migration: Item) -> float | None:
    """Take the next steps of a migration; return the seconds after which to look again, if no change may tell."""
    while True:
        phase, version = phase_of(migration), migration["metadata"]["resourceVersion"]
        if phase in FINISHED:
            return _AT_ONCE
        if phase not in UNDER_WAY:
            again = await _begin(objects, vm, migration)
        else:
            again = await _Move(objects, vm, migration).step()
        key = migration["metadata"]["namespace"], name_of(migration)
        latest = objects.migrations.get(key)
        if latest is None or latest["metadata"]["resourceVersion"] == version:
            return again
        migration = latest


async def fail(objects: Objects, vm: Item, migration: Item, reason: str) -> None:
    """End a migration that cannot succeed; the VM stays with the pod that its status names, if that one lives."""
    await objects.patch_migration(migration, _failed(migration, reason))
    for item in (vm, *filter(is_live, objects.pods_of(vm))):
        objects.events.tell(item, "FailedMigration", f"migration {name_of(migration)} failed: {reason}", warning=True)


async def fail_without_vm(objects: Objects, key: Key) -> None:
    """End the migrations of a VM that there is not: those made by people have no owner, and would keep their slot."""
    open_ = [item for item in objects.migrations.at(key) if phase_of(item) not in FINISHED]
    if not open_ or await objects.vm_is_there(key):
        return
    for migration in open_:
        await objects.patch_migration(migration, _failed(migration, f"there is no VM {key[1]}"))


async def delete(objects: Objects, migration: Item) -> None:
    """Delete a migration that may be gone already."""
    try:
        await objects.client.delete(migration_path(migration["metadata"]["namespace"], name_of(migration)))
    except ApiError as error:
        if error.status != 404:
            raise


async def _begin(objects: Objects, vm: Item, migration: Item) -> float | None:
    """Begin a migration when its VM runs and there is room for one more; until then it is Pending, and says why."""
    if phase_of(migration) != "Pending":
        await objects.patch_migration(migration, _entered(migration, "Pending", {}))
        return None
    live = [pod for pod in objects.pods_of(vm) if is_live(pod)]
    source = current(live, (vm.get("status") or {}).get("podName") or "")
    if source is None or launchers.phase_of(source) != "Running":
        await _wait(objects, migration, f"waits: VM {name_of(vm)} does not run")
        return None
    with objects.slot(migration, node_of(source)) as full:
        if not full:
            state = {
                "sourceNode": node_of(source),
                "sourcePod": name_of(source),
                "targetPod": pod_name(name_of(vm), migration["metadata"]["uid"]),
            }
            await objects.patch_migration(migration, _entered(migration, "Scheduling", state))
            objects.events.tell(vm, "Migrating", f"VM leaves node {node_of(source)} by {name_of(migration)}")
            objects.events.tell(source, "Migrating", f"VM leaves this pod by {name_of(migration)}")
            return None
    await _wait(objects, migration, full)
    return None


async def _wait(objects: Objects, migration: Item, reason: str) -> None:
    """Say why a migration waits, unless that is known."""
    if migration["status"].get("message") != reason:
        await objects.patch_migration(migration, {"message": reason})


class _Move:
    """One look at a migration that is under way: its state, and the two pods as they are now."""

    def __init__(self, objects: Objects, vm: Item, migration: Item) -> None:
        self._objects = objects
        self._vm = vm
        self._migration = migration
        self._phase = phase_of(migration)
        self._state: dict[str, Any] = migration["status"]["migrationState"]
        live = {name_of(pod): pod for pod in objects.pods_of(vm) if is_live(pod)}
        self._source = live.get(self._state["sourcePod"])
        uid = migration["metadata"]["uid"]
        self._target = next((pod for pod in live.values() if migration_of(pod) == uid), None)

    async def step(self) -> float | None:
        """Take one step, which changes the migration, or return when to look again."""
        if self._state.get("completed"):
            return await self._hand_over()
        if self._source is None and self._objects.settings.strategy == "create-first":
            return await self._fail(f"source pod {self._state['sourcePod']} is gone before its memory was moved")
        if self._phase == "Scheduling":
            return await self._schedule()
        if self._target is None:
            return await self._fail(f"target pod {self._state['targetPod']} is gone")
        return await self._follow(self._target)

    async def _follow(self, target: Item) -> float | None:
        """Take the step of a migration whose target has a node."""
        if self._phase == "Running":
            return await self._move_memory()
        if self._phase == "Scheduled":
            if launchers.phase_of(target) != "Running":
                return await self._wait_or_fail("it does not run")
            await self._enter("PreparingTarget")
        elif self._phase == "PreparingTarget":
            await self._enter("TargetReady")
        else:
            began = now()
            seconds = self._objects.settings.migration_seconds(float(consumption(self._vm).memory))
            times = {"startTimestamp": written(began), "expectedEndTimestamp": written(began + seconds)}
            await self._enter("Running", times)
        return None

    async def _schedule(self) -> float | None:
        if self._source is not None and self._objects.settings.strategy == "delete-first":
            await launchers.delete(self._objects.client, self._source)
        if self._target is None:
            return await self._create_target()
        if not node_of(self._target):
            return await self._wait_or_fail(unschedulable(self._target) or "the scheduler has not looked at it")
        await self._enter("Scheduled", {"targetNode": node_of(self._target)})
        return None

    async def _create_target(self) -> float | None:
        settings = self._objects.settings
        selector = self._migration["spec"].get("addedNodeSelector") or {}
        without = (self._state["sourceNode"],) if settings.exclude_source else ()
        place = Placement(without, tuple(sorted(selector.items())), self._migration["metadata"]["uid"])
        body = launcher_of(self._vm, self._state["targetPod"], settings.capacity, place)
        if await self._objects.create_pod(body):
            return None
        # One that has ended, or is on its way out.
        return await self._wait_or_fail(f"pod {self._state['targetPod']} is there already")

    async def _move_memory(self) -> float | None:
        left = read(self._state["expectedEndTimestamp"]) - now()
        if left > 0:
            return left
        await self._enter("Running", {"completed": True, "endTimestamp": written(now())})
        return _AT_ONCE

    async def _hand_over(self) -> float | None:
        """All memory is with the target: it is the VM from now on, and the source goes."""
        if self._target is None:
            return await self._fail(f"target pod {self._state['targetPod']} is gone")
        status = self._vm.get("status") or {}
        after = status_of(self._vm, self._target)
        if status.get("evacuationNodeName") == self._state["sourceNode"]:
            after["evacuationNodeName"] = None
        changed = changes(self._vm, after)
        if changed:
            await self._objects.patch_vm_status(self._vm, changed, unless_changed=True)
        if self._source is not None:
            await launchers.delete(self._objects.client, self._source)
        await self._enter("Succeeded")
        message = f"VM has moved from node {self._state['sourceNode']} to node {node_of(self._target)}"
        self._objects.events.tell(self._vm, "Migrated", message)
        self._objects.events.tell(self._target, "Migrated", message)
        return _AT_ONCE

    async def _enter(self, phase: str, state: dict[str, Any] | None = None) -> None:
        await self._objects.patch_migration(self._migration, _entered(self._migration, phase, state or {}))

    async def _fail(self, reason: str) -> float:
        await fail(self._objects, self._vm, self._migration, reason)
        return _AT_ONCE

    async def _wait_or_fail(self, reason: str) -> float:
        """Wait for the target pod as long as it may take, then give up for this reason."""
        settings = self._objects.settings
        left = _since(self._migration, self._phase) + settings.pending_timeout / settings.time_scale - now()
        if left > 0:
            return left
        return await self._fail(f"target pod {self._state['targetPod']} could not be started: {reason}")


def _failed(migration: Item, reason: str) -> dict[str, Any]:
    state = {"failed": True, "failureReason": reason, "endTimestamp": written(now())}
    return _entered(migration, "Failed", state)


def _entered(migration: Item, phase: str, state: dict[str, Any]) -> dict[str, Any]:
    """Return the change of a migration's status that takes it to a phase."""
    change: dict[str, Any] = {"phase": phase}
    if state:
        change["migrationState"] = state
    if "message" in (migration.get("status") or {}):
        change["message"] = None  # it no longer waits
    if phase != phase_of(migration):
        before = (migration.get("status") or {}).get("phaseTransitionTimestamps") or []
        change["phaseTransitionTimestamps"] = [*before, {"phase": phase, "phaseTransitionTimestamp": written(now())}]
    return change


def _since(migration: Item, phase: str) -> float:
    """Return when a migration came to a phase (epoch seconds)."""
    times = migration["status"].get("phaseTransitionTimestamps") or ()
    return max((read(item["phaseTransitionTimestamp"]) for item in times if item["phase"] == phase), default=now())
