"""The VirtualMachine definitions and nodes on the shared serf, and namespaces of a test's own."""

from __future__ import annotations

import asyncio
import json
from itertools import count

import pytest
from controllers import VMs
from kwok_nodes import make_nodes, node

from serflab.kube.client import ApiClient
from serflab.kube.credentials import load_credentials
from serflab.rebalance.crds import install

_numbers = count()


@pytest.fixture(scope="session")
def vm_serf(serf):
    """The shared serf with the definitions and three nodes, node-a to node-c."""

    async def prepare() -> None:
        async with ApiClient(load_credentials(serf.kubeconfig)) as client:
            await install(client)
            await install(client)

    asyncio.run(prepare())
    make_nodes(serf, *(node(f"node-{letter}") for letter in "abc"))
    yield serf
    serf.kubectl("delete", "nodes", "node-a", "node-b", "node-c", "--ignore-not-found")


@pytest.fixture
def namespace(vm_serf):
    """A namespace of the test's own."""
    name = f"vms-{next(_numbers)}"
    vm_serf.kubectl("create", "namespace", name)
    yield name
    vm_serf.kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture
def objects(vm_serf, namespace):
    """Return a function that lists objects of the namespace, or returns the one of that name."""

    def ask(kind: str, name: str = ""):
        found = json.loads(vm_serf.kubectl("-n", namespace, "get", kind, *([name] if name else []), "-o", "json"))
        return found if name else found["items"]

    return ask


@pytest.fixture
def vms(vm_serf, namespace, tmp_path):
    """VMs of a namespace of the test's own; the controller is still to be started."""
    made = VMs(vm_serf, namespace, tmp_path / "controller.log")
    yield made
    if made.process is not None and made.process.poll() is None:
        made.stop()
