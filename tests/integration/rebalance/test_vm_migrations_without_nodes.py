"""Migrations on a real serf whose node vanishes, or for which no node has room: no VM is ever lost or twice."""

from __future__ import annotations

from contextlib import contextmanager

import pytest
from kwok_nodes import make_nodes, node
from waiting_for import eventually

from serflab.rebalance.launchers import is_live, phase_of, unschedulable

OTHERS = ("node-a", "node-b", "node-c")
GOES = "node-goes"
# Migrations that last far too long to end by themselves.
SLOW = "--time-scale=0.1"


@pytest.fixture
def brief_node(vm_serf):
    """A node of the test's own."""
    make_nodes(vm_serf, node(GOES))
    yield GOES
    vm_serf.kubectl("delete", "node", GOES, "--ignore-not-found")


@pytest.fixture
def without(vm_serf):
    """Return a context manager in which nothing new comes to these nodes."""

    @contextmanager
    def closed(*nodes):
        vm_serf.kubectl("cordon", *nodes)
        try:
            yield
        finally:
            vm_serf.kubectl("uncordon", *nodes)

    return closed


def live(vms, name):
    """Return the names of the VM's pods that have not ended."""
    return [pod["metadata"]["name"] for pod in vms.pods(name) if is_live(pod)]


def follow(vms, holds, **counts):
    """Wait until something holds; at each look each VM has that many live pods, from the least to the most."""

    def look():
        for name, (least, most) in counts.items():
            assert least <= len(live(vms, name)) <= most, name
        return holds()

    return eventually(look)


@pytest.mark.usefixtures("brief_node")
@pytest.mark.parametrize("end", ["source", "target"])
def test_a_node_that_vanishes_during_a_migration_costs_no_vm(vms, vm_serf, without, end):
    vms.start(SLOW)
    with without(*OTHERS):
        vms.create("stays")
        if end == "source":
            vms.create("moves")
        vms.wait_running("stays", *(["moves"] if end == "source" else []))
    if end == "target":
        with without(GOES):
            vms.create("moves")
            vms.wait_running("moves")
    with without(*(OTHERS if end == "target" else (GOES,))):
        vms.evict("moves")
        (migration,) = eventually(lambda: vms.migrations("Running"))
    state = migration["status"]["migrationState"]
    assert state[f"{end}Node"] == vms.status("stays")["nodeName"] == GOES
    vm_serf.kubectl("delete", "node", GOES)

    (failed,) = follow(vms, lambda: vms.migrations("Failed"), moves=(1, 2), stays=(0, 1))
    reason = failed["status"]["migrationState"]["failureReason"]
    assert reason.startswith(f"{end} pod {state[f'{end}Pod']} is gone")
    kept = state["targetPod" if end == "source" else "sourcePod"]
    follow(vms, lambda: live(vms, "moves") == [kept] and vms.status("moves")["podName"] == kept, moves=(1, 2))
    assert vms.status("moves")["phase"] == "Running"
    follow(vms, lambda: vms.is_settled("stays"), moves=(1, 1), stays=(0, 1))
    assert vms.status("stays")["nodeName"] in OTHERS
    eventually(lambda: "NodeLost" in vms.events("VirtualMachine", "stays"))
    if end == "source":
        # The node that it had to leave is no longer under it.
        eventually(lambda: vms.is_settled("moves"))


@pytest.fixture
def full(vms):
    """A VM to migrate, and two that leave no room on the other nodes; the controller is still to be started."""

    def fill(*options):
        vms.start(*options)
        vms.create("vm-1", "vm-2", "vm-3", cpu="0.6")
        vms.wait_running("vm-1", "vm-2", "vm-3")
        assert len({vms.status(name)["nodeName"] for name in ("vm-1", "vm-2", "vm-3")}) == 3
        return vms.status("vm-1")["podName"]

    return fill


def runs(vms, name):
    return phase_of(vms.get("pod", name)) == "Running"


def test_a_migration_for_which_every_node_is_full_waits_until_one_has_room(vms, full):
    source = full(SLOW)
    vms.evict("vm-1")

    def waits():
        targets = [pod for pod in vms.pods("vm-1") if pod["metadata"]["name"] != source]
        return runs(vms, source) and targets and "Insufficient cpu" in unschedulable(targets[0])

    follow(vms, waits, **{"vm-1": (1, 2)})
    (migration,) = vms.migrations("Scheduling")
    assert (vms.status("vm-1")["podName"], vms.status("vm-1")["phase"]) == (source, "Running")
    room = vms.status("vm-2")["nodeName"]
    vms.kubectl("delete", "vm", "vm-2")
    (migration,) = follow(vms, lambda: vms.migrations("Running"), **{"vm-1": (1, 2)})
    assert migration["status"]["migrationState"]["targetNode"] == room
    assert runs(vms, source)


def test_a_migration_for_which_every_node_stays_full_fails_and_says_why(vms, full):
    source = full("--time-scale=100", "--max-attempts=1")
    vms.evict("vm-1")
    (failed,) = follow(vms, lambda: runs(vms, source) and vms.migrations("Failed"), **{"vm-1": (1, 2)})
    assert "Insufficient cpu" in failed["status"]["migrationState"]["failureReason"]
    follow(vms, lambda: vms.is_settled("vm-1"), **{"vm-1": (1, 2)})
    assert vms.status("vm-1")["podName"] == source
    assert all(vms.is_settled(name) for name in ("vm-2", "vm-3"))
