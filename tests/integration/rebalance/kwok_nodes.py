"""KWOK nodes of a test's own on the shared serf, told apart by a label, and what the VMs on them need."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from serflab.emulation.names import HOSTNAME, KWOK_NODE
from serflab.rebalance.names import KWOK_TYPE, NODE_TYPE, SCHEDULABLE

if TYPE_CHECKING:
    from bare_serfs import BareSerf


def node(name: str, *, cpu: str = "32", memory: str = "128Gi", pods: int = 110) -> dict[str, Any]:
    """Return a node that takes part."""
    labels = {HOSTNAME: name, SCHEDULABLE: "true", NODE_TYPE: KWOK_TYPE}
    room = {"cpu": cpu, "memory": memory, "pods": str(pods)}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": labels, "annotations": {KWOK_NODE: "fake"}},
        "spec": {"taints": [{"key": KWOK_NODE, "value": "fake", "effect": "NoSchedule"}]},
        "status": {"capacity": room, "allocatable": room},
    }


def make_nodes(serf: BareSerf, *nodes: dict[str, Any]) -> None:
    """Make the nodes, and the capacity that comes with them."""
    for body in nodes:
        serf.kubectl("create", "-f", "-", stdin=json.dumps(body))
