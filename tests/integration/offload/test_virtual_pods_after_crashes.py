"""The manager is killed between any two steps; the next one finds its way from what the clusters hold."""

from __future__ import annotations

import pytest
from fleet_sweep import ask, objects_of, sweep
from local_pods import make_local_pods, mark_replay, pod_of, pods_in
from managed import Managed, eventually
from test_virtual_pods import bring_back, clear, creation, delete, offload

from serflab.emulation.names import pod_path
from serflab.offload import virtual_pod_commands as commands

CREATE = ("create.source-pod", "create.shadow-pod", "create.remote-pod", "create.reflect")
OFFLOAD = (
    *("offload.shadow-pod", "create.remote-pod", "offload.delete-local-pod", "offload.create-virtual-pod"),
    "offload.settle",
)
BRING_BACK = (
    *("bring-back.begin", "bring-back.delete-virtual-pod", "bring-back.create-local-pod"),
    *("bring-back.remove-shadow-pod", "delete.shadow-pod", "delete.remote-pod"),
)
DELETE = ("delete.source-pod", "delete.shadow-pod", "delete.remote-pod")


@pytest.fixture(scope="module")
def peered(row_of_serfs):
    """A manager, and serf1 connected to serf2, for all tests of this file."""
    sweep(row_of_serfs)
    made = Managed(row_of_serfs)
    made.start()
    made.connect("serf1", "serf2")
    yield made
    made.stop()


@pytest.fixture
def manager(peered):
    """The same, without any virtual pod."""
    yield peered
    if not peered.alive:
        peered.stop()
        peered.start()
    clear(peered)


@pytest.fixture
def fleet_serfs(row_of_serfs):
    """The serfs as the test before has left them."""
    return row_of_serfs


@pytest.fixture
def local(manager, fleet_serfs):
    """An emulated pod that runs at home, and is gone afterwards."""
    assert manager.alive
    [key] = make_local_pods(fleet_serfs["serf1"], 1)
    mark_replay(fleet_serfs["serf1"])
    yield key
    ask(fleet_serfs["serf1"], lambda client: client.delete(pod_path(*key), grace=0))


def restarted(manager, kill_at=""):
    manager.stop()
    manager.start(kill_at=kill_at)
    manager.wait_connected("serf1", "serf2")


def survived(manager):
    manager.wait_killed()
    manager.start()
    manager.wait_connected("serf1", "serf2")


@pytest.mark.parametrize("point", CREATE)
def test_killed_while_it_creates(manager, fleet_serfs, point):
    before = {serf.name: objects_of(serf) for serf in fleet_serfs}
    restarted(manager, kill_at=point)
    manager.call(lambda made: commands.create(made.fleet, creation(name="job")))
    survived(manager)
    if point == "create.source-pod":
        # Nothing was asked for as far as the clusters know.
        for serf in fleet_serfs:
            eventually(lambda serf=serf: objects_of(serf) == before[serf.name], f"nothing is left in {serf.name}")
        return
    eventually(lambda: [pod for pod in manager.pods().values() if pod["status"] == "Running"], "the pod runs")
    assert len(manager.pods()) == 1
    assert pods_in(fleet_serfs["serf2"], "default-serf1") == ["job"]


@pytest.mark.parametrize("point", OFFLOAD)
def test_killed_while_it_offloads(manager, fleet_serfs, local, point):
    key = local
    restarted(manager, kill_at=point)
    offloading(manager, key)
    survived(manager)
    if point == "offload.shadow-pod":
        assert manager.pods() == {}
        assert pod_of(fleet_serfs["serf1"], *key)["spec"]["nodeName"] == "emulation-node-1"
        return
    eventually(lambda: [pod for pod in manager.pods().values() if pod["status"] == "Running"], "the pod runs")
    assert pod_of(fleet_serfs["serf1"], *key)["spec"]["nodeName"] == "serf2"
    assert pods_in(fleet_serfs["serf2"], f"{key[0]}-serf1") == [key[1]]


@pytest.mark.parametrize("point", BRING_BACK)
def test_killed_while_it_brings_back(manager, fleet_serfs, local, point):
    key = local
    identifier = offload(manager, *key)
    manager.wait_status(identifier, "Running")
    restarted(manager, kill_at=point)
    bring_back(manager, identifier)
    survived(manager)
    if point == "bring-back.begin":
        manager.wait_status(identifier, "Running")
        assert pod_of(fleet_serfs["serf1"], *key)["spec"]["nodeName"] == "serf2"
        return
    manager.wait_status(identifier, "gone")
    assert pod_of(fleet_serfs["serf1"], *key)["spec"]["nodeName"] == "emulation-node-1"
    eventually(lambda: not pods_in(fleet_serfs["serf2"], f"{key[0]}-serf1"), "nothing runs over there")


@pytest.mark.parametrize("point", DELETE)
def test_killed_while_it_deletes(manager, fleet_serfs, point):
    before = {serf.name: objects_of(serf) for serf in fleet_serfs}
    identifier = manager.call(lambda made: commands.create(made.fleet, creation(name="job"))).id
    manager.wait_status(identifier, "Running")
    restarted(manager, kill_at=point)
    delete(manager, identifier)
    survived(manager)
    if point == "delete.source-pod":
        manager.wait_status(identifier, "Running")
        delete(manager, identifier)
    manager.wait_status(identifier, "gone")
    for serf in fleet_serfs:
        eventually(lambda serf=serf: objects_of(serf) == before[serf.name], f"nothing is left in {serf.name}")


def test_a_manager_that_was_away_does_what_was_asked_of_the_clusters_meanwhile(manager, fleet_serfs):
    identifier = manager.call(lambda made: commands.create(made.fleet, creation(name="job"))).id
    manager.wait_status(identifier, "Running")
    manager.stop()
    fleet_serfs["serf1"].kubectl("delete", "pod", "job")
    manager.start()
    eventually(lambda: not pods_in(fleet_serfs["serf2"], "default-serf1"), "the remote pod is gone")


def offloading(manager, key):
    manager.call(lambda made: commands.offload(made.fleet, "serf1", *key, "serf2"))
