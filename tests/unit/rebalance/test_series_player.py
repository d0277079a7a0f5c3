"""Playing series onto VMs of which somebody deletes one, with an API server's memory alone."""

from __future__ import annotations

import pytest
from cluster_stand_in import ClusterStandIn, refusal

from serflab.rebalance.names import vm_path
from serflab.rebalance.scenario import VM, Node, Scenario
from serflab.rebalance.series_player import SeriesPlayer
from serflab.rebalance.virtual_machines import create_vm

VMS = [VM(name, 0.1, 0.1, series=((0.1, 0.1), (0.2, 0.2))) for name in ("vm-1", "vm-2")]
SCENARIO = Scenario("two", [Node("node-a", vms=VMS)])


@pytest.fixture
async def cluster():
    made = ClusterStandIn()
    for vm in VMS:
        await create_vm(made, vm, "default")
    return made


@pytest.fixture
def running():
    return {"vm-1", "vm-2"}


@pytest.fixture
def player(cluster, running):
    return SeriesPlayer(cluster, "default", lambda: running)


def delete(cluster, running, name):
    del cluster.objects[vm_path("default", name)]
    running.discard(name)


async def test_a_vm_that_was_deleted_is_told_of_once_and_left_alone(cluster, running, player, caplog):
    await player.play(SCENARIO, 0)
    delete(cluster, running, "vm-1")
    cluster.calls.clear()
    for point in (1, 1, 1, 2, 2):
        await player.play(SCENARIO, point)
    assert caplog.text.count("1 VMs do not follow their series, such as vm-1") == 1
    written = [path.rpartition("/")[2] for _, path in cluster.calls]
    assert written.count("vm-1") == written.count("vm-2") == 2, "once for each point"


async def test_a_vm_that_is_made_again_follows_its_series_at_once(cluster, running, player, caplog):
    delete(cluster, running, "vm-1")
    await player.play(SCENARIO, 1)
    await create_vm(cluster, VMS[0], "default")
    running.add("vm-1")
    await player.play(SCENARIO, 1)
    assert cluster.objects[vm_path("default", "vm-1")]["spec"]["resources"]["cpu"] == "0.2"
    delete(cluster, running, "vm-1")
    await player.play(SCENARIO, 2)
    assert caplog.text.count("such as vm-1") == 2, "another time it is told again"


async def test_what_is_refused_is_tried_again_but_told_once(cluster, player, caplog):
    cluster.failing = lambda _method, path: refusal(403, "Forbidden") if path.endswith("vm-2") else None
    for _ in range(3):
        await player.play(SCENARIO, 1)
    assert caplog.text.count("do not follow") == 1
    cluster.failing = lambda _method, _path: None
    await player.play(SCENARIO, 1)
    assert cluster.objects[vm_path("default", "vm-2")]["spec"]["resources"]["cpu"] == "0.2"
