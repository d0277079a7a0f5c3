"""What making a VM does to one that is there already."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from cluster_stand_in import ClusterStandIn

from serflab.rebalance.virtual_machines import create_vm


def mine(**fields):
    return SimpleNamespace(id="vm-1", cpu_consumption=0.1, memory_consumption=0.1, **fields)


async def test_old_requests_go_when_the_vm_has_none_of_its_own_any_more():
    cluster = ClusterStandIn()
    made = await create_vm(cluster, mine(requests=(0.5, 0.5)), "default")
    assert made["spec"]["requests"] == {"cpu": "0.5", "memory": "0.5"}
    assert "requests" not in (await create_vm(cluster, mine(), "default"))["spec"]


@pytest.mark.parametrize(("asked", "runs"), [(None, False), (True, True), (False, False)])
async def test_a_stopped_vm_is_started_only_when_that_is_asked_for(asked, runs):
    cluster = ClusterStandIn()
    await create_vm(cluster, mine(), "default", running=False)
    assert (await create_vm(cluster, mine(), "default", running=asked))["spec"]["running"] == runs


async def test_a_new_vm_runs():
    assert (await create_vm(ClusterStandIn(), mine(), "default"))["spec"]["running"]
