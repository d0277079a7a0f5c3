"""Bringing one VM into line: exactly one pod while it is to run, its status, and what its pod shows.

Each look decides from what there is, and each write may be the last before a crash: whoever looks next goes on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from serflab.rebalance import launchers, migrations
from serflab.rebalance.bodies import consumption, launcher_of, pod_name
from serflab.rebalance.controller_objects import now, phase_of
from serflab.rebalance.evacuation import failures, follow_evacuation
from serflab.rebalance.launchers import current, has_ended, is_live, migration_of, name_of, node_of, unschedulable
from serflab.rebalance.names import EVICTION_IN_PROGRESS
from serflab.rebalance.times import read, written
from serflab.rebalance.vm_status import changes, status_of

if TYPE_CHECKING:
    from serflab.kube.watch import Key
    from serflab.rebalance.controller_objects import Objects
    from serflab.rebalance.followed import Item

# A VM that is about to run is not told of as scheduling, then as scheduled: that would be two writes more.
_SETTLE_SECONDS = 1.0
_STARTS_A_SECOND: Final = 25
_LONGEST_SETTLE_SECONDS: Final = 60.0
_LOOK_AGAIN_SECONDS = 0.5
_KEPT_MIGRATIONS: Final = 5
"""KubeVirt keeps as many finished migrations of a VM; we keep besides those that count for its evacuation."""


async def reconcile(objects: Objects, key: Key) -> float | None:
    """Bring a VM into line with its spec; return the seconds after which to look again, if no change may tell."""
    vm = objects.vms.get(key)
    if vm is None:
        await migrations.fail_without_vm(objects, key)
        return None
    if "deletionTimestamp" in vm["metadata"]:
        return None  # its pod, migrations and budget go along with it: Kubernetes' garbage collector sees to that
    if not vm["spec"].get("running", True):
        await _stop(objects, vm)
        return None
    await _remove_ended(objects, vm)
    migration = objects.migration_of(vm)
    again = [await migrations.advance(objects, vm, migration)] if migration is not None else []
    vm = objects.vms.get(key) or vm
    if not _is_moving(objects, vm):
        again.append(await _keep_one_pod(objects, vm))
    again.append(await follow_evacuation(objects, vm, _current(objects, vm)))
    vm = objects.vms.get(key) or vm
    await _show(objects, vm)
    again.append(await _tell(objects, vm, _current(objects, vm)))
    await _forget_migrations(objects, vm)
    return min((seconds for seconds in again if seconds is not None), default=None)


def _is_moving(objects: Objects, vm: Item) -> bool:
    migration = objects.migration_of(vm)
    return migration is not None and phase_of(migration) in migrations.UNDER_WAY


def _live(objects: Objects, vm: Item) -> list[Item]:
    return [pod for pod in objects.pods_of(vm) if is_live(pod)]


def _current(objects: Objects, vm: Item) -> Item | None:
    named = (vm.get("status") or {}).get("podName") or ""
    return current(_live(objects, vm), named)


async def _stop(objects: Objects, vm: Item) -> None:
    for migration in objects.migrations_of(vm):
        if phase_of(migration) not in migrations.FINISHED:
            await migrations.fail(objects, vm, migration, "the VM was stopped")
    pods = [pod for pod in objects.pods_of(vm) if "deletionTimestamp" not in pod["metadata"]]
    for pod in pods:
        await launchers.delete(objects.client, pod)
    if pods:
        objects.events.tell(vm, "Stopped", "VM was stopped: spec.running is false")
    changed = changes(vm, status_of(vm, None) | {"evacuationNodeName": None, "startFailure": None})
    if changed:
        await objects.patch_vm_status(vm, changed)


async def _remove_ended(objects: Objects, vm: Item) -> None:
    """Remove pods that have failed or whose node is gone."""
    for pod in objects.pods_of(vm):
        if has_ended(pod):
            await _count_failure(objects, vm, pod)
            await launchers.delete(objects.client, pod)
        elif is_live(pod) and node_of(pod) and await objects.node_is_gone(node_of(pod)):
            message = f"node {node_of(pod)} is gone, and pod {name_of(pod)} with it"
            for item in (vm, pod):
                objects.events.tell(item, "NodeLost", message, warning=True)
            await launchers.delete(objects.client, pod)


async def _count_failure(objects: Objects, vm: Item, pod: Item) -> None:
    """Take note of a pod of the VM that has failed, once; the next one waits the longer the more have."""
    status = vm.get("status") or {}
    if migration_of(pod) and status.get("podName") != name_of(pod):
        return  # a migration's target that came to nothing
    failures = status.get("startFailure") or {}
    if status.get("phase") == "Failed" and status.get("podName") == name_of(pod):
        return
    count = int(failures.get("consecutiveFailCount") or 0) + 1
    wait = objects.settings.wait_after(count, objects.settings.restart_backoff)
    told = {"consecutiveFailCount": count, "retryAfterTimestamp": written(now() + wait)}
    await objects.patch_vm_status(vm, changes(vm, status_of(vm, pod) | {"startFailure": told}))
    message = f"pod {name_of(pod)} has failed; the next one comes in {wait:g} s"
    for item in (vm, pod):
        objects.events.tell(item, "PodFailed", message, warning=True)


async def _keep_one_pod(objects: Objects, vm: Item) -> float | None:
    live = _live(objects, vm)
    kept = _current(objects, vm)
    for pod in live:
        # What is left of a migration may not go where it pleases: better a fresh one.
        if pod is not kept or (migration_of(pod) and not node_of(pod)):
            await launchers.delete(objects.client, pod)
    if live:
        return None
    if any(has_ended(pod) for pod in objects.pods_of(vm)):
        return _LOOK_AGAIN_SECONDS
    status = vm.get("status") or {}
    retry = (status.get("startFailure") or {}).get("retryAfterTimestamp")
    if retry and read(retry) > now():
        return read(retry) - now()
    # The same name until the VM is told to have another pod: there is never a second one for the same reason.
    name = pod_name(name_of(vm), vm["metadata"]["uid"], status.get("podName") or "")
    if await objects.create_pod(launcher_of(vm, name, objects.settings.capacity)):
        objects.events.tell(vm, "SuccessfulCreate", f"created pod {name}")
        return None
    return _LOOK_AGAIN_SECONDS


async def _show(objects: Objects, vm: Item) -> None:
    """Let the VM's pods, both while it migrates, show what it uses and whether it has to leave."""
    uses = consumption(vm).annotations(objects.settings.capacity)
    leaves = (vm.get("status") or {}).get("evacuationNodeName")
    for pod in _live(objects, vm):
        there = pod["metadata"].get("annotations") or {}
        wanted: dict[str, str | None] = dict(uses)
        wanted[EVICTION_IN_PROGRESS] = "kubevirt" if leaves and node_of(pod) == leaves else None
        changed = {key: value for key, value in wanted.items() if there.get(key) != value}
        if changed:
            await objects.annotate_pod(pod, changed)


async def _tell(objects: Objects, vm: Item, pod: Item | None) -> float | None:
    """Bring the status into line with the pod, a little later while it is still on its way."""
    before: dict[str, Any] = vm.get("status") or {}
    after = status_of(vm, pod)
    if after["phase"] == "Running":
        after["startFailure"] = None
    elif before.get("startFailure") and pod is None:
        return None  # it stays failed until its next pod is made
    changed = changes(vm, after)
    if not changed:
        return None
    if after["phase"] in {"Scheduling", "Scheduled"} and pod is not None and not unschedulable(pod):
        waits = _settles_in(objects, pod)
        if waits > 0:
            return waits
    await objects.patch_vm_status(vm, changed)
    if pod is not None and after["phase"] == "Running" and before.get("podName") != name_of(pod):
        objects.events.tell(vm, "Started", f"VM runs on node {node_of(pod)} as pod {name_of(pod)}")
    return None


def _settles_in(objects: Objects, pod: Item) -> float:
    """Return in how many seconds it is told of a pod that it does not run yet: later, the more pods start with it."""
    settled = max(_SETTLE_SECONDS, min(objects.starting_pods() / _STARTS_A_SECOND, _LONGEST_SETTLE_SECONDS))
    # Creation times are whole seconds.
    return 1.0 + settled - (now() - read(pod["metadata"]["creationTimestamp"]))


async def _forget_migrations(objects: Objects, vm: Item) -> None:
    finished = [item for item in objects.migrations_of(vm) if phase_of(item) in migrations.FINISHED]
    counted = {name_of(item) for item in failures(objects, vm, _current(objects, vm))}
    for item in finished[:-_KEPT_MIGRATIONS]:
        if name_of(item) not in counted:
            await migrations.delete(objects, item)
