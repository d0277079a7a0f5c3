"""The manager is killed before each single write of a peering's beginning and end, and the next one goes on."""

from __future__ import annotations

import contextlib

import pytest
from driver import is_over, managing, objects, until

from serflab.offload import faults
from serflab.offload.peering_commands import CONNECT, DISCONNECT, Ask, connect, disconnect, operation
from serflab.offload.peerings import peering


class KilledError(BaseException):
    """The manager is gone, as by SIGKILL: nothing of it handles this."""


class Killer:
    """Kills whoever comes to a fault point for the first time; `places` are where it did."""

    def __init__(self):
        self.places = []

    def __call__(self, name):
        if name not in self.places:
            self.places.append(name)
            raise KilledError(name)


@pytest.fixture
def killer():
    made = Killer()
    faults.on_reached(made)
    yield made
    faults.on_reached(None)


async def converge(serfs, command, is_done):
    """Run managers one after the other, each until it is killed, and give the command again until it went through."""
    given = False
    for _ in range(80):
        with contextlib.suppress(KilledError, BaseExceptionGroup):
            async with managing(serfs) as manager:
                fleet, ended = manager.fleet, manager.ended
                await until(
                    lambda f=fleet, e=ended: e() or f.current("serf1") or not f.cluster("serf1").enabled, "known"
                )
                if not given:
                    await command(fleet)
                    given = True
                await until(lambda m=manager, e=ended: e() or is_done(m.fleet), "killed or done")
                if not ended():
                    return
    raise AssertionError("the managers were killed for ever")


async def test_killed_at_every_step_a_peering_comes_and_goes_all_the_same(fleet_serfs, killer):
    faults.on_reached(None)
    async with managing(fleet_serfs) as manager:
        for name in ("serf1", "serf2"):
            await manager.fleet.cluster(name).enable()
    faults.on_reached(killer)
    pair = [fleet_serfs["serf1"], fleet_serfs["serf2"]]
    before = [objects(serf) for serf in pair]
    await converge(
        fleet_serfs,
        lambda fleet: connect(fleet, "serf1", "serf2", Ask()),
        lambda fleet: (
            peering(fleet, "serf1", "serf2") and operation(fleet, CONNECT, "serf1", "serf2")["state"] == "Succeeded"
        ),
    )
    steps = [name.removeprefix("connect.") for name in killer.places if name.startswith("connect.")]
    assert set(steps) >= {
        "namespace", "slice", "tenant-namespace", "accept", "quota", "virtual-node", "node", "foreign-cluster",
        "foreign-cluster-status",
    }  # fmt: skip
    killer.places.clear()
    await converge(
        fleet_serfs,
        lambda fleet: disconnect(fleet, "serf1", "serf2"),
        lambda fleet: operation(fleet, DISCONNECT, "serf1", "serf2")["state"] == "Succeeded",
    )
    steps = [name.removeprefix("disconnect.") for name in killer.places if name.startswith("disconnect.")]
    # The Node's Lease is not among them: Kubernetes may be quicker, as it goes with its owner.
    assert set(steps) >= {
        "begin", "cordon", "node", "virtual-node", "quota", "foreign-cluster", "wanted", "slice",
        "tenant-namespace",
    }  # fmt: skip
    faults.on_reached(None)
    async with managing(fleet_serfs) as manager:
        await is_over(manager.fleet, DISCONNECT, "serf1", "serf2")
        await until(lambda: [objects(serf) for serf in pair] == before, "nothing is left")
