"""When the controller tells of a VM that does not run yet, with an API server's memory alone."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest
from cluster_stand_in import ClusterStandIn

from serflab.emulation.marker import timestamp
from serflab.emulation.names import pods_of
from serflab.rebalance.bodies import DEFAULT_CAPACITY, launcher_of, vm_body
from serflab.rebalance.controller_objects import Objects, phase_of
from serflab.rebalance.controller_settings import ControllerSettings
from serflab.rebalance.controller_vm import reconcile
from serflab.rebalance.names import vm_path
from serflab.rebalance.vm_status import status_of

KEY = ("default", "vm-0")
SECONDS_AGO = 10
UNSCHEDULABLE = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "no node has room"}


@pytest.fixture
def objects():
    return Objects(ClusterStandIn(), ControllerSettings(), lambda _key: None)


async def starting(objects, number):
    """Make a VM whose pod was made a while ago."""
    wanted = SimpleNamespace(id=f"vm-{number}", cpu_consumption=0.01, memory_consumption=0.01)
    vm = await objects.client.create(vm_path("default"), vm_body(wanted, "default"))
    objects.vms.put(vm)
    pod = launcher_of(vm, f"pod-{number}", DEFAULT_CAPACITY)
    pod["metadata"]["creationTimestamp"] = timestamp(time.time() - SECONDS_AGO)
    pod = await objects.client.create(pods_of("default"), pod)
    objects.pods.put(pod)
    return pod


async def test_a_vm_that_does_not_come_to_run_is_told_of(objects):
    await starting(objects, 0)
    await reconcile(objects, KEY)
    assert phase_of(objects.vms.get(KEY)) == "Scheduling"


async def test_a_vm_tells_what_its_pod_requests_as_long_as_it_has_one(objects):
    pod = await starting(objects, 0)
    vm = objects.vms.get(KEY)
    status = status_of(vm, pod)
    assert status["requests"] == {"cpu": "320m", "memory": "1311Mi"}
    assert status_of(vm | {"status": status}, None)["requests"] is None  # taken away by a merge patch
    assert "requests" not in status_of(vm, None)


async def test_while_thousands_start_none_is_told_of_before_it_runs(objects):
    for number in range(1000):
        await starting(objects, number)
    again = await reconcile(objects, KEY)
    assert phase_of(objects.vms.get(KEY)) == ""
    assert again > SECONDS_AGO


async def test_a_vm_for_which_there_is_no_room_is_told_of_even_while_thousands_start(objects):
    pods = [await starting(objects, number) for number in range(1000)]
    objects.pods.put(pods[0] | {"status": {"phase": "Pending", "conditions": [UNSCHEDULABLE]}})
    await reconcile(objects, KEY)
    assert objects.vms.get(KEY)["status"]["conditions"][-1]["message"] == "no node has room"
