"""Nodes and VMs as a scenario has them: each VM starts on the node that the scenario names, placed by the scheduler.

A pod that names its node, or asks for it by a selector, could never leave it again. So all other nodes are cordoned
while the VMs of one are made: the scheduler finds a single place, and the pods carry no trace of it.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from serflab.emulation.names import HOSTNAME, INSTANCE, KWOK_NODE, MANAGED_BY, MANAGER, NODES_PATH, pods_of
from serflab.errors import Finding, InputError, SerflabError
from serflab.kube.bulk import run_bulk
from serflab.kube.client import ApiError
from serflab.rebalance.bodies import rounded_up, vm_body
from serflab.rebalance.launchers import SELECTOR, name_of
from serflab.rebalance.names import (
    CREATED_BY,
    KWOK_TYPE,
    NODE_CORES,
    NODE_MEMORY_GIB,
    NODE_PODS,
    NODE_TYPE,
    SCHEDULABLE,
    VMS_PATH,
    vm_path,
)
from serflab.rebalance.scenario import Node
from serflab.rebalance.virtual_machines import delete_vms, list_vms

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from serflab.kube.client import ApiClient
    from serflab.lab.progress import Progress
    from serflab.rebalance.scenario import VM, Scenario

LOOP_INSTANCE: Final = "rebalance"
"""Value of the label by which a loop's own nodes and VMs are known."""
OWN: Final = {MANAGED_BY: MANAGER, INSTANCE: LOOP_INSTANCE}
"""The labels of what a loop has made, and nobody else: it is removed with the loop."""
OWN_SELECTOR: Final = ",".join(f"{key}={value}" for key, value in OWN.items())
_TAKES_PART: Final = {SCHEDULABLE: "true", NODE_TYPE: KWOK_TYPE}
_READY_SECONDS = 60.0
_PLACED_SECONDS = 120.0
_POLL_SECONDS = 0.2


def nodes_for(scenario: Scenario, count: int | None) -> list[Node]:
    """Return the nodes of a scenario, filled up to `count` with empty ones.

    Raises `SerflabError` (status 2) when the scenario has more than that.
    """
    nodes = list(scenario.nodes)
    if count is not None and count < len(nodes):
        raise TooFewNodesError(
            f"the scenario {scenario.name} has {len(nodes)} nodes, more than {count}",
            hint=f"give --nodes {len(nodes)} or more, or leave it out",
        )
    names = {node.name for node in nodes}
    number = 0
    while count is not None and len(nodes) < count:
        number += 1
        if (name := f"kwok-node-{number}") not in names:
            nodes.append(Node(name))
    return nodes


def check_room(nodes: Sequence[Node], file: str) -> None:
    """Raise `InputError` with each node that has no room for what the VMs request that are to start on it."""
    findings = []
    for node in nodes:
        cpu = sum(rounded_up(1000 * NODE_CORES * vm.requests[0]) for vm in node.vms) / (1000 * node.cpu_cores)
        memory = sum(rounded_up(1024 * NODE_MEMORY_GIB * vm.requests[1]) for vm in node.vms) / (1024 * node.memory_gib)
        full = [f"{share:.1%} of its {name}" for name, share in (("CPU", cpu), ("memory", memory)) if share > 1]
        if full:
            problem = (
                f"the VMs of {node.name} request {' and '.join(full)}: the scheduler finds no room for all of them"
            )
            findings.append(Finding(file, "", problem, "give them a lower cpu_request or memory_request"))
        if len(node.vms) > NODE_PODS:
            problem = f"{node.name} has {len(node.vms)} VMs, more than the {NODE_PODS} pods that a node takes"
            findings.append(Finding(file, "", problem, "let some start on other nodes"))
    if findings:
        raise InputError(findings)


class TooFewNodesError(SerflabError):
    """Fewer nodes were asked for than a scenario has."""

    exit_status = 2


def node_body(node: Node) -> dict[str, Any]:
    """Return a node of KWOK's that takes part in the loop and takes no other pods than VMs."""
    capacity = {"cpu": f"{node.cpu_cores:g}", "memory": f"{node.memory_gib:g}Gi", "pods": str(NODE_PODS)}
    labels = {**_TAKES_PART, HOSTNAME: node.name, **OWN}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": node.name, "labels": labels, "annotations": {KWOK_NODE: "fake"}},
        "spec": {"taints": [{"key": KWOK_NODE, "value": "fake", "effect": "NoSchedule"}]},
        "status": {"capacity": capacity, "allocatable": capacity},
    }


async def make_nodes(client: ApiClient, nodes: Sequence[Node]) -> None:
    """Make the nodes that are missing and return when all are ready.

    Those that were there before take part, and remain when the loop goes.
    """

    async def make(node: Node) -> None:
        body = node_body(node)
        try:
            await client.create(NODES_PATH, body)
        except ApiError as error:
            if error.status != 409:
                raise
            await client.patch(f"{NODES_PATH}/{node.name}", {"metadata": {"labels": _TAKES_PART}})

    result = await run_bulk(nodes, make, name=lambda node: node.name)
    result.raise_for_failures("making the nodes")
    names = {node.name for node in nodes}
    waiting = names
    try:
        async with asyncio.timeout(_READY_SECONDS):
            while waiting:
                found = (await client.list(NODES_PATH))["items"]
                waiting = names - {node["metadata"]["name"] for node in found if is_ready(node)}
                await asyncio.sleep(_POLL_SECONDS if waiting else 0)
    except TimeoutError as error:
        raise SerflabError(
            f"these nodes are not ready after {_READY_SECONDS:g} s: {', '.join(sorted(waiting))}",
            hint="is KWOK running in this cluster?",
        ) from error


def is_ready(node: Mapping[str, Any]) -> bool:
    """Whether a node says that it is ready."""
    conditions = node["status"].get("conditions") or ()
    return any(item["type"] == "Ready" and item["status"] == "True" for item in conditions)


async def unwanted_nodes(client: ApiClient, wanted: Sequence[Node]) -> list[str]:
    """Return the names of the nodes that a loop made and that are not wanted any more."""
    found = (await client.list(NODES_PATH, params={"labelSelector": OWN_SELECTOR}))["items"]
    return sorted({name_of(node) for node in found} - {node.name for node in wanted})


async def others_that_take_part(client: ApiClient) -> list[str]:
    """Return the names of the nodes that take part without being a loop's, as those of a serf of the lab do."""
    found = (await client.list(NODES_PATH, params={"labelSelector": f"{SCHEDULABLE}=true"}))["items"]
    return sorted(name_of(node) for node in found if not OWN.items() <= node["metadata"]["labels"].items())


async def remove_nodes(client: ApiClient, wanted: Sequence[Node] = ()) -> int:
    """Remove the nodes that a loop made, but for those that are wanted, and return how many there were."""
    names = await unwanted_nodes(client, wanted)
    for name in names:
        await client.delete(f"{NODES_PATH}/{name}")
    return len(names)


async def clear(client: ApiClient, namespace: str) -> int:
    """Delete the VMs that a loop made and return when their pods are gone; `SerflabError` when some stay.

    Returns how many VMs are left in all namespaces: those of others.
    """
    owned = (await client.list(vm_path(namespace), params={"labelSelector": OWN_SELECTOR}))["items"]
    await delete_vms(client, namespace, map(name_of, owned))
    left = (await client.list(VMS_PATH))["items"]
    uids = {vm["metadata"]["uid"] for vm in left}
    try:
        async with asyncio.timeout(_PLACED_SECONDS):
            while True:
                pods = (await client.list(pods_of(namespace), params={"labelSelector": SELECTOR}))["items"]
                if all((pod["metadata"].get("labels") or {}).get(CREATED_BY) in {None, *uids} for pod in pods):
                    return len(left)
                await asyncio.sleep(_POLL_SECONDS)
    except TimeoutError as error:
        raise SerflabError(f"pods of VMs are still there {_PLACED_SECONDS:g} s after their VMs were deleted") from error


async def place(
    client: ApiClient, scenario: Scenario, nodes: Sequence[Node], namespace: str, progress: Progress
) -> int:
    """Make the VMs of a scenario that are missing, each on its node, and return how many were made.

    Needs a controller that makes their pods. Raises `SerflabError` when a VM is not placed in time, and leaves no node
    cordoned.
    """
    there = {vm["metadata"]["name"] for vm in await list_vms(client, namespace)}
    groups = [(node, [vm for vm in node.vms if vm.id not in there]) for node in nodes]
    groups = [(node, vms) for node, vms in groups if vms]
    unplaced = [vm for vm in scenario.unplaced if vm.id not in there]
    count, total = 0, sum(len(vms) for _, vms in groups) + len(unplaced)
    if not total:
        # Whoever was killed while it placed VMs has left them cordoned.
        await _uncordon_own(client)
        return 0
    task = f"placing {total} VMs on {len(nodes)} nodes"
    progress.start(task)
    try:
        await _cordon(client, nodes, closed=True)
        for node, vms in groups:
            await _cordon(client, [node], closed=False)
            await _make(client, vms, namespace)
            await _cordon(client, [node], closed=True)
            count += len(vms)
            progress.advance(task, count, total, "VMs")
    finally:
        await _cordon(client, nodes, closed=False)
    await _make(client, unplaced, namespace)
    progress.finish(task)
    return total


async def _uncordon_own(client: ApiClient) -> None:
    found = (await client.list(NODES_PATH, params={"labelSelector": OWN_SELECTOR}))["items"]
    closed = [Node(name_of(node)) for node in found if node["spec"].get("unschedulable")]
    await _cordon(client, closed, closed=False)


async def _cordon(client: ApiClient, nodes: Sequence[Node], *, closed: bool) -> None:
    patch = {"spec": {"unschedulable": closed or None}}
    result = await run_bulk(
        nodes, lambda node: client.patch(f"{NODES_PATH}/{node.name}", patch), name=lambda node: node.name
    )
    result.raise_for_failures("cordoning the nodes")


async def _make(client: ApiClient, vms: Sequence[VM], namespace: str) -> None:
    """Make VMs and return when all of them run."""

    async def make(vm: VM) -> None:
        body = vm_body(vm, namespace)
        body["metadata"]["labels"] |= OWN
        try:
            await client.create(vm_path(namespace), body)
        except ApiError as error:
            if error.status != 409:
                raise

    result = await run_bulk(vms, make, name=lambda vm: vm.id)
    result.raise_for_failures("making the VMs")
    waiting = wanted = {vm.id for vm in vms}
    try:
        async with asyncio.timeout(_PLACED_SECONDS):
            while waiting:
                found = await list_vms(client, namespace)
                running = {vm["metadata"]["name"] for vm in found if (vm.get("status") or {}).get("phase") == "Running"}
                waiting = wanted - running
                await asyncio.sleep(_POLL_SECONDS if waiting else 0)
    except TimeoutError as error:
        some = ", ".join(sorted(waiting)[:5])
        raise SerflabError(
            f"{len(waiting)} VMs do not run after {_PLACED_SECONDS:g} s: {some}",
            hint="does the controller run, and do the VMs' requests fit their nodes? `kubectl describe pod` tells",
        ) from error
