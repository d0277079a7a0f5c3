"""Driving a manager in a test: it works in the test's own process, on the fleet of serfs, until the test ends it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time

from serflab.offload.crds import names
from serflab.offload.manager import Manager
from serflab.offload.peering_commands import CONNECT, DISCONNECT, Ask, connect, disconnect, operation

PATIENCE = 90.0
"""Seconds: for a machine with much else to do; nothing here is judged by how long it takes."""

QUOTAS = "quotas.offloading.liqo.io"
"""What kubectl finds for sure: it knows `quota` as a short name of ResourceQuota as well, and remembers for minutes."""

_OTHER_KINDS = ["nodes", "namespaces", "pods", "leases", "mutatingadmissionpolicies", "mutatingadmissionpolicybindings"]


@contextlib.asynccontextmanager
async def managing(serfs, topology=None):
    """Run a manager of these serfs, which all answer from the start."""
    manager = Manager(None)
    task = asyncio.create_task(manager.run())
    manager.follow([serf.entry for serf in serfs], topology or serfs.topology)
    try:
        await until(lambda: task.done() or all(c.reachable for c in manager.fleet.clusters.values()), "serfs answer")
        manager.ended = task.done
        yield manager
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(condition, what, patience=PATIENCE):
    """Wait until a condition holds, and return what it returned."""
    deadline = time.monotonic() + patience
    while not (found := condition()):
        assert time.monotonic() < deadline, f"waited {patience:g} s in vain: {what}"
        await asyncio.sleep(0.05)
    return found


async def told(serf, *arguments, wanted, patience=PATIENCE):
    """Wait until kubectl prints what is wanted (a text in it, or what a function says of it), and return all of it."""
    deadline = time.monotonic() + patience
    while True:
        printed = await asyncio.to_thread(serf.kubectl, *arguments, check=False)
        if wanted(printed) if callable(wanted) else wanted in printed:
            return printed
        assert time.monotonic() < deadline, f"kubectl {' '.join(arguments)} of {serf.name} still says: {printed!r}"
        await asyncio.sleep(0.2)


async def connected(fleet, consumer, provider, **resources):
    """Connect two serfs and wait until they are."""
    quota = resources.pop("quota", "")
    await connect(fleet, consumer, provider, Ask(resources, quota))
    await is_over(fleet, CONNECT, consumer, provider)


async def disconnected(fleet, consumer, provider):
    """Disconnect two serfs and wait until nothing is left of it."""
    await disconnect(fleet, consumer, provider)
    await is_over(fleet, DISCONNECT, consumer, provider)


async def is_over(fleet, kind, consumer, provider, state="Succeeded"):
    """Wait until an operation has come to that end."""
    await until(
        lambda: operation(fleet, kind, consumer, provider)["state"] == state, f"{kind} {consumer} {provider}: {state}"
    )


async def offloaded(serf, namespace, phase="Ready", **spec):
    """Make a NamespaceOffloading as people do, and wait until it has come to that phase."""
    body = {
        "apiVersion": "offloading.liqo.io/v1beta1",
        "kind": "NamespaceOffloading",
        "metadata": {"name": "offloading", "namespace": namespace},
        "spec": spec,
    }
    serf.kubectl("create", "-f", "-", stdin=json.dumps(body))
    path = ("get", "nso", "offloading", "-n", namespace, "-o", "jsonpath={.status.offloadingPhase}")
    await told(serf, *path, wanted=lambda text: text == phase)


def objects(serf):
    """Return all objects that a peering could leave behind, `NAMESPACE KIND NAME`; the custom resources are there."""
    columns = "custom-columns=N:.metadata.namespace,K:.kind,M:.metadata.name"
    printed = serf.kubectl("get", ",".join([*names(), *_OTHER_KINDS]), "-A", "-o", columns, "--no-headers")
    return sorted(" ".join(line.split()) for line in printed.splitlines())
