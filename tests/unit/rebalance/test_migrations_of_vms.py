"""Which migrations the controller makes, ends and lets begin, with an API server's memory alone."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from cluster_stand_in import ClusterStandIn

from serflab.emulation.names import pods_of
from serflab.kube.watch import Event, EventKind
from serflab.rebalance.bodies import DEFAULT_CAPACITY, launcher_of, vm_body
from serflab.rebalance.controller_objects import Objects, phase_of
from serflab.rebalance.controller_settings import ControllerSettings
from serflab.rebalance.controller_vm import reconcile
from serflab.rebalance.evacuation import failures, follow_evacuation
from serflab.rebalance.names import EVACUATION, migration_path, vm_path

KEY = ("default", "vm-1")


@pytest.fixture
def cluster():
    return ClusterStandIn()


@pytest.fixture
def woken():
    return []


@pytest.fixture
def objects(cluster, woken):
    return Objects(cluster, ControllerSettings(), woken.append)


async def migration(cluster, objects, name, phase, *, evacuates="", vm="vm-1", **state):
    """Make a migration as people do, without an owner, or for an evacuation."""
    metadata = {"name": name, "namespace": "default", "annotations": {EVACUATION: evacuates} if evacuates else {}}
    body = {"metadata": metadata, "spec": {"vmiName": vm}}
    await cluster.create(migration_path("default"), body)
    made = await cluster.patch(
        f"{migration_path('default', name)}/status", {"status": {"phase": phase, "migrationState": state}}
    )
    objects.migrations.put(made)
    return made


@pytest.mark.parametrize("phase", ["", "Pending", "Running"])
async def test_a_migration_without_its_vm_fails_and_gives_its_slot_back(cluster, objects, phase):
    await migration(cluster, objects, "mine", phase, sourceNode="node-a")
    await reconcile(objects, KEY)
    (found,) = objects.migrations
    assert phase_of(found) == "Failed"
    assert found["status"]["migrationState"]["failureReason"] == "there is no VM vm-1"
    assert cluster.named("virtualmachineinstancemigrations") == [found]


async def test_a_migration_waits_for_a_vm_that_the_watch_has_not_told_of_yet(cluster, objects):
    await cluster.create("/apis/simulation.node-classifier.io/v1alpha1/namespaces/default/virtualmachines", named())
    await migration(cluster, objects, "mine", "Pending")
    await reconcile(objects, KEY)
    assert [phase_of(item) for item in objects.migrations] == ["Pending"]


def named():
    return {"metadata": {"name": "vm-1", "namespace": "default"}, "spec": {}}


@pytest.fixture
async def leaving(cluster, objects):
    """Return the VM, which has to leave node-a, and its pod there."""
    body = vm_body(SimpleNamespace(id="vm-1", cpu_consumption=0.1, memory_consumption=0.1), "default")
    await cluster.create(vm_path("default"), body)
    status = {"phase": "Running", "evacuationNodeName": "node-a", "podName": "here"}
    vm = await cluster.patch(f"{vm_path('default', 'vm-1')}/status", {"status": status})
    pod = launcher_of(vm, "here", DEFAULT_CAPACITY)
    pod["spec"]["nodeName"] = "node-a"
    pod["status"] = {"phase": "Running"}
    pod = await cluster.create(pods_of("default"), pod)
    objects.vms.put(vm)
    objects.pods.put(pod)
    return vm, pod


async def failed(cluster, objects, name, second, *, node="node-a", pod="here"):
    end = f"2026-01-01T00:00:{second:02}Z"
    await migration(cluster, objects, name, "Failed", evacuates=node, sourcePod=pod, endTimestamp=end)


async def test_each_attempt_of_an_evacuation_is_a_migration_of_its_own(objects, leaving):
    for attempt in range(3):
        assert await follow_evacuation(objects, *leaving) is None
        assert len(list(objects.migrations)) == attempt + 1
        (made,) = [item for item in objects.migrations if phase_of(item) != "Failed"]
        state = {"sourcePod": "here", "endTimestamp": f"2026-01-01T00:00:{attempt:02}Z"}
        await objects.patch_migration(made, {"phase": "Failed", "migrationState": state})
    await follow_evacuation(objects, *leaving)
    assert "evacuationNodeName" not in objects.vms.get(KEY)["status"]


async def test_an_attempt_is_not_named_as_one_that_does_not_count(objects, leaving):
    """It failed before it had begun, as migrations of a VM do that is stopped."""
    await follow_evacuation(objects, *leaving)
    (first,) = objects.migrations
    await objects.patch_migration(
        first, {"phase": "Failed", "migrationState": {"endTimestamp": "2026-01-01T00:00:00Z"}}
    )
    await follow_evacuation(objects, *leaving)
    assert sorted(map(phase_of, objects.migrations)) == ["", "Failed"]


async def test_failures_of_other_evacuations_do_not_count(cluster, objects, leaving):
    await failed(cluster, objects, "of-old", 1, node="node-b")
    await failed(cluster, objects, "of-another-pod", 2, pod="before")
    await failed(cluster, objects, "counts", 3)
    assert [item["metadata"]["name"] for item in failures(objects, *leaving)] == ["counts"]


@pytest.mark.usefixtures("leaving")
async def test_failures_that_count_are_not_forgotten(cluster, objects):
    objects.settings = ControllerSettings(max_attempts=9)
    for number in range(3):
        await failed(cluster, objects, f"a-old-{number}", number, pod="before")
    for number in range(7):
        await failed(cluster, objects, f"b-new-{number}", 10 + number)
    await reconcile(objects, KEY)
    left = [item["metadata"]["name"] for item in cluster.named("virtualmachineinstancemigrations")]
    assert [name for name in left if name.startswith("b-new")] == [f"b-new-{number}" for number in range(7)]
    assert not [name for name in left if name.startswith("a-old")]


@pytest.mark.parametrize(
    ("strategy", "migratable", "moves"),
    [("LiveMigrate", "True", True), ("External", "True", False), ("LiveMigrate", "False", False)],
)
async def test_vms_that_others_move_or_nobody_can_are_left_alone(objects, leaving, strategy, migratable, moves):
    vm, pod = leaving
    vm["spec"]["evictionStrategy"] = strategy
    vm["status"]["conditions"] = [{"type": "LiveMigratable", "status": migratable}]
    await follow_evacuation(objects, vm, pod)
    assert bool(list(objects.migrations)) == moves


@pytest.mark.parametrize(("default", "moves"), [("External", False), ("LiveMigrate", True)])
async def test_a_vm_without_a_strategy_has_that_of_the_webhook(objects, leaving, default, moves):
    objects.settings = ControllerSettings(default_strategy=default)
    await follow_evacuation(objects, *leaving)
    assert bool(list(objects.migrations)) == moves


def waiting(objects):
    (found,) = [item for item in objects.migrations if item["spec"]["vmiName"] == "vm-1"]
    return phase_of(found), found["status"].get("message")


@pytest.mark.usefixtures("leaving")
async def test_a_migration_that_waits_says_for_what_until_it_begins(cluster, objects):
    for number in range(2):
        await migration(cluster, objects, f"out-{number}", "Running", vm=f"other-{number}", sourceNode="node-a")
    await reconcile(objects, KEY)  # makes the migration
    await reconcile(objects, KEY)
    assert waiting(objects) == ("Pending", "waits: 2 of 2 migrations out of node-a are under way")
    for number in range(3):
        await migration(cluster, objects, f"off-{number}", "Running", vm=f"more-{number}", sourceNode=f"node-{number}")
    await reconcile(objects, KEY)
    assert waiting(objects) == ("Pending", "waits: 5 of 5 migrations in the cluster are under way")
    cluster.calls.clear()
    await reconcile(objects, KEY)
    assert not [path for method, path in cluster.calls if method == "PATCH" and "/virtualmachineinstance" in path]
    for item in list(objects.migrations):
        if phase_of(item) == "Running":
            await objects.patch_migration(item, {"phase": "Failed"})
    await reconcile(objects, KEY)
    assert waiting(objects) == ("Scheduling", None)


async def test_a_migration_of_a_vm_that_does_not_run_says_so(cluster, objects, leaving):
    _, pod = leaving
    pod["status"] = {"phase": "Pending"}
    await migration(cluster, objects, "mine", "Pending")
    await reconcile(objects, KEY)
    assert waiting(objects) == ("Pending", "waits: VM vm-1 does not run")


async def test_who_waits_is_woken_when_one_migration_ends_although_another_has_begun(cluster, objects, woken):
    await migration(cluster, objects, "waits", "Pending")
    ends = await migration(cluster, objects, "ends", "Running", vm="other-1")
    tell(objects, ends)
    woken.clear()
    begins = await migration(cluster, objects, "begins", "Running", vm="other-2")
    ended = await objects.patch_migration(ends, {"phase": "Succeeded"})
    tell(objects, begins)
    tell(objects, ended)
    assert KEY in woken
    woken.clear()
    tell(objects, ended)
    assert KEY not in woken


def tell(objects, item):
    """Let the watch tell of a migration."""
    key = item["metadata"]["namespace"], item["metadata"]["name"]
    objects.migrations._event(Event(EventKind.MODIFIED, 1, key, item))
