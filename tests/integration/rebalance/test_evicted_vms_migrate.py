"""Webhook, admission policies and controller together: a node is drained as people do it."""

from __future__ import annotations

import asyncio

import pytest
from rebalance_program import running
from waiting_for import eventually

from bare_serfs import port_block
from serflab.kube.client import ApiClient
from serflab.kube.credentials import load_credentials
from serflab.rebalance import admission
from serflab.rebalance.names import EVICTION_IN_PROGRESS

PORT = port_block(1) + 30


@pytest.fixture
def guarded(vms, tmp_path):
    """VMs in a cluster with policies and webhook, both in force."""

    def run(work):
        async def connected():
            async with ApiClient(load_credentials(vms.serf.kubeconfig)) as client:
                await work(client)

        asyncio.run(connected())

    run(admission.install)
    arguments = (f"--kubeconfig={vms.serf.kubeconfig}", f"--port={PORT}", f"--certificates={tmp_path / 'pki'}")
    with running(tmp_path / "webhook.log", "webhook", *arguments) as program:
        eventually(lambda: "are judged at" in program.log())
        yield vms
    # It takes the configuration of the webhook along.
    run(admission.remove)


def test_a_drained_node_is_empty_and_each_of_its_vms_has_moved_once(guarded):
    vms = guarded
    vms.start("--time-scale=100")
    names = [f"vm-{number}" for number in range(4)]
    vms.create(*names)
    vms.wait_running(*names)
    node = vms.status("vm-0")["nodeName"]
    before = {name: vms.status(name) for name in names}
    leaving = [name for name in names if before[name]["nodeName"] == node]
    options = ("--force", "--ignore-daemonsets", f"--pod-selector=kubevirt.io/domain in ({','.join(names)})")
    vms.serf.kubectl("drain", node, *options, "--timeout=60s")
    vms.serf.kubectl("uncordon", node)
    for name in leaving:
        vms.wait_moved(name, node)
    for name in set(names) - set(leaving):
        assert vms.status(name)["podName"] == before[name]["podName"]
    assert len(vms.migrations("Succeeded")) == len(leaving), "each VM has moved once, however often it was asked"
    assert vms.migrations("Failed") == []
    assert all(EVICTION_IN_PROGRESS not in pod["metadata"]["annotations"] for pod in vms.get("pod"))

    # What the policies protect, the controller may delete: a VM is stopped, and another one goes.
    vms.patch("vm-1", {"running": False})
    eventually(lambda: vms.pods("vm-1") == [])
    vms.kubectl("delete", "vm", "vm-1")
    refused = vms.kubectl("delete", "vm", "vm-2", check=False)
    assert refused == ""
    assert "deletionTimestamp" not in vms.get("vm", "vm-2")["metadata"]
    assert vms.stop() == 0
