"""What `PodManager` leaves behind when a move goes wrong, with an API server's memory alone."""

from __future__ import annotations

import asyncio
import copy
import time
from types import SimpleNamespace

import pytest
from cluster_stand_in import ClusterStandIn, refusal

from serflab.emulation.names import pod_path, pods_of
from serflab.errors import SerflabError
from serflab.rebalance import migration_wait
from serflab.rebalance import pods as pods_module
from serflab.rebalance.names import migration_path, vm_path
from serflab.rebalance.pods import PodManager
from serflab.rebalance.times import written

MINE = SimpleNamespace(id="vm-1", cpu_consumption=0.1, memory_consumption=0.1)


@pytest.fixture
def cluster():
    return ClusterStandIn()


@pytest.fixture
def manager(cluster, monkeypatch):
    """Return a function that makes a `PodManager` of the stand-in, whose methods are to be awaited."""
    for module in (pods_module, migration_wait):
        monkeypatch.setattr(module, "_POLL_SECONDS", 0.001)

    def make(**options):
        made = PodManager("default", **{"timeout": 0.05, **options})
        made._session = SimpleNamespace(run=lambda work: work(cluster))
        return made

    return make


async def runs(cluster, name, node="node-a"):
    await cluster.patch(pod_path("default", name), {"spec": {"nodeName": node}, "status": {"phase": "Running"}})


@pytest.fixture
async def source(cluster, manager):
    """The name of the VM's pod, which runs on node-a."""
    name = await manager().create_pod(MINE)
    await runs(cluster, name)
    return name


def migrations(cluster):
    return cluster.named("virtualmachineinstancemigrations")


async def migrating(cluster, manager, **status):
    """Ask for a migration that a controller brings to this status, and return the task that waits for it."""
    waiting = asyncio.create_task(manager(create_vm_crs=True).migrate_vm_pod(MINE, "node-a"))
    while not migrations(cluster):  # noqa: ASYNC110 - nobody tells
        await asyncio.sleep(0)
    name = migrations(cluster)[0]["metadata"]["name"]
    if status:
        await cluster.patch(f"{migration_path('default', name)}/status", {"status": status})
    return waiting, name


@pytest.fixture
async def owned(cluster, manager):
    """The VM as an object, with its pod on node-a."""
    name = await manager(create_vm_crs=True).create_pod(MINE)
    await runs(cluster, name)
    assert vm_path("default", "vm-1") in cluster.objects
    return name


def running(cluster):
    """Return the pods' names."""
    return [item["metadata"]["name"] for item in cluster.named("pods")]


async def test_a_vm_is_made_anew_when_its_new_pod_is_refused_after_the_old_one_went(cluster, manager, source):
    refused = iter([refusal(403, "quota")])
    cluster.failing = lambda method, _path: next(refused, None) if method == "POST" else None
    with pytest.raises(SerflabError, match="quota"):
        await manager(strategy="delete-first").migrate_vm_pod(MINE, "node-a")
    assert len(running(cluster)) == 1
    assert source not in running(cluster)


@pytest.mark.parametrize("strategy", ["create-first", "delete-first"])
async def test_an_error_while_the_new_pod_is_looked_at_leaves_one_pod(cluster, manager, source, strategy):
    cluster.failing = lambda method, path: refusal(500) if method == "GET" and source not in path else None
    with pytest.raises(SerflabError, match="500"):
        await manager(strategy=strategy).migrate_vm_pod(MINE, "node-a")
    assert len(running(cluster)) == 1
    assert (source in running(cluster)) == (strategy == "create-first")


async def test_an_old_pod_that_cannot_be_deleted_stays_the_only_one(cluster, manager, source):
    cluster.failing = lambda method, path: refusal(500) if (method, source in path) == ("DELETE", True) else None
    moving = asyncio.create_task(manager(timeout=10).migrate_vm_pod(MINE, "node-a"))
    while len(running(cluster)) < 2:  # noqa: ASYNC110 - nobody tells
        await asyncio.sleep(0)
    await runs(cluster, next(name for name in running(cluster) if name != source), "node-b")
    with pytest.raises(SerflabError, match="500"):
        await moving
    assert running(cluster) == [source]


async def test_a_new_pod_that_somebody_deletes_is_told_of(cluster, manager, source):
    moving = asyncio.create_task(manager(timeout=10).migrate_vm_pod(MINE, "node-a"))
    while len(running(cluster)) < 2:  # noqa: ASYNC110 - nobody tells
        await asyncio.sleep(0)
    await cluster.delete(pod_path("default", next(name for name in running(cluster) if name != source)))
    with pytest.raises(SerflabError, match=r"cannot leave node-a: its new pod .* is gone"):
        await moving
    assert running(cluster) == [source]


async def test_a_cluster_that_fails_all_along_is_told_with_what_to_do(cluster, manager, source):
    cluster.failing = lambda method, _path: refusal(500) if method in {"POST", "DELETE"} else None
    cluster.objects[pod_path("default", "second")] = second_pod(cluster, source)
    with pytest.raises(SerflabError, match="has no pod or two") as told:
        await manager().migrate_vm_pod(MINE, "node-a")
    assert "sync_pods_with_vms" in told.value.hint


def second_pod(cluster, source):
    pod = copy.deepcopy(cluster.objects[pod_path("default", source)])
    pod["metadata"] |= {"name": "second", "uid": "second"}
    pod["status"] = {"phase": "Pending"}
    return pod


async def test_a_second_pod_goes_when_pods_are_synced(cluster, manager, source):
    cluster.objects[pod_path("default", "second")] = second_pod(cluster, source)
    result = await manager().sync_pods_with_vms([MINE])
    assert (running(cluster), result) == ([source], pods_module.SyncResult())


@pytest.mark.usefixtures("owned")
async def test_a_migration_may_take_as_long_as_its_memory_needs(cluster, manager):
    end = written(time.time() + 60)
    waiting, name = await migrating(
        cluster, manager, phase="Running", migrationState={"expectedEndTimestamp": end, "targetPod": "new"}
    )
    await asyncio.sleep(0.15)
    await cluster.patch(f"{migration_path('default', name)}/status", {"status": {"phase": "Succeeded"}})
    assert await waiting == "new"


@pytest.mark.usefixtures("owned")
@pytest.mark.parametrize("state", [{}, {"expectedEndTimestamp": "2026-01-01T00:00:00Z"}])
async def test_a_migration_that_is_late_is_told_of_and_goes_on(cluster, manager, state):
    waiting, _ = await migrating(cluster, manager, phase="Running" if state else "Scheduling", migrationState=state)
    with pytest.raises(SerflabError, match="is not done") as told:
        await waiting
    assert "it goes on" in told.value.hint
    assert len(migrations(cluster)) == 1


@pytest.mark.usefixtures("owned")
async def test_a_migration_that_nobody_begins_is_taken_back(cluster, manager):
    waiting, _ = await migrating(cluster, manager, phase="Pending")
    with pytest.raises(SerflabError, match="it is Pending"):
        await waiting
    assert migrations(cluster) == []


@pytest.mark.usefixtures("owned")
async def test_a_migration_that_begins_at_the_last_moment_is_not_deleted(cluster, manager):
    cluster.failing = lambda method, _path: refusal(409, "Conflict") if method == "DELETE" else None
    waiting, name = await migrating(cluster, manager)
    while ("DELETE", migration_path("default", name)) not in cluster.calls:  # noqa: ASYNC110 - nobody tells
        await asyncio.sleep(0.001)
    status = {"phase": "Succeeded", "migrationState": {"targetPod": "new"}}
    await cluster.patch(f"{migration_path('default', name)}/status", {"status": status})
    assert await waiting == "new"


@pytest.mark.usefixtures("owned")
async def test_a_migration_that_somebody_deletes_is_told_of(cluster, manager):
    waiting, name = await migrating(cluster, manager)
    await cluster.delete(migration_path("default", name))
    with pytest.raises(SerflabError, match="was deleted"):
        await waiting


@pytest.mark.parametrize("with_vms", [False, True])
async def test_pods_are_listed_once_for_all_vms(cluster, manager, with_vms):
    """A list for each VM would be of all pods each time."""
    pods = manager(create_vm_crs=with_vms)
    vms = [SimpleNamespace(id=f"vm-{number}", cpu_consumption=0.1, memory_consumption=0.1) for number in range(5)]

    def lists():
        count = cluster.calls.count(("LIST", pods_of("default")))
        cluster.calls.clear()
        return count

    assert len((await pods.sync_pods_with_vms(vms)).created) == len(running(cluster)) == 5
    assert lists() == 1
    for name in running(cluster):
        await runs(cluster, name)
    assert len(await pods.update_vm_node_assignments(vms)) == 5
    assert lists() == 1
    if with_vms:
        told = [vm["status"]["podName"] for vm in cluster.named("virtualmachines")]
        assert sorted(told) == sorted(running(cluster))
    assert len((await pods.sync_pods_with_vms([])).deleted) == 5
    assert (running(cluster), cluster.named("virtualmachines"), lists()) == ([], [], 1)
