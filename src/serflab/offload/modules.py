"""The modules of a ForeignCluster and their conditions, as Liqo names them: networking, authentication, offloading.

Types and states: https://doc.liqo.io/en/stable/usage/peer.html and the API types of Liqo's `core.liqo.io/v1beta1`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from serflab.offload.conditions import Condition, settled
from serflab.offload.records import epoch

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_BAD: Final = frozenset({"Error", "NotReady", "SomeNotReady"})
_GOOD: Final = frozenset({"Established", "Ready"})


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a peering, seen from one of its two clusters.

    `path`: the topology links the two. `silence` says why the other one cannot be reached, empty when it answers.
    `identity`: this one is accepted there; `tenant`: the other one is set up here (None for both: not wanted).
    `node`: the virtual node is there and Ready, False: not Ready, None: not there yet; `denial` says why it will not
    be. `consumes`: this one uses resources of the other.
    """

    path: bool
    silence: str
    consumes: bool
    identity: bool | None = None
    tenant: bool | None = None
    node: bool | None = None
    denial: str = ""
    trouble: str = ""


def conditions(facts: Facts, there: str) -> dict[str, list[Condition]]:
    """Return the conditions of the three modules; a module without any is not enabled."""
    return {
        "networking": _networking(facts, there) if facts.path else [],
        "authentication": _authentication(facts),
        "offloading": _offloading(facts) if facts.consumes else [],
    }


def api_server(facts: Facts, there: str) -> Condition:
    """Return the condition that tells whether the other API server answers."""
    if facts.silence:
        return Condition("APIServerStatus", "Error", "APIServerNotReady", facts.silence)
    return Condition("APIServerStatus", "Established", "APIServerReady", f"the API server of {there} answers")


def _networking(facts: Facts, there: str) -> list[Condition]:
    if facts.silence:
        return [Condition("NetworkConnectionStatus", "Error", "ConnectionError", facts.silence)]
    message = f"the links of the topology lead to {there}, and it answers"
    return [Condition("NetworkConnectionStatus", "Established", "ConnectionEstablished", message)]


def _authentication(facts: Facts) -> list[Condition]:
    found = []
    if facts.identity is not None:
        status, reason = ("Established", "IdentityReady") if facts.identity else ("Pending", "IdentityNotReady")
        message = "the provider has accepted this cluster" if facts.identity else "waiting for the provider's answer"
        found.append(Condition("AuthIdentityControlPlaneStatus", status, reason, message))
    if facts.tenant is not None:
        status, reason = ("Established", "TenantReady") if facts.tenant else ("Pending", "TenantNotReady")
        message = "the consumer has its Quota here" if facts.tenant else "the consumer has no Quota here yet"
        found.append(Condition("AuthTenantStatus", status, reason, message))
    return found


def _offloading(facts: Facts) -> list[Condition]:
    if facts.denial:
        return [Condition("OffloadingVirtualNodeStatus", "Error", "ResourcesDenied", facts.denial)]
    if facts.node is None:
        waiting = "the virtual node is not there yet"
        return [
            Condition("OffloadingVirtualNodeStatus", "Pending", "VirtualNodesNotReady", waiting),
            Condition("OffloadingNodeStatus", "Pending", "NodesNotReady", waiting),
        ]
    status = "Ready" if facts.node else "NotReady"
    message = "the virtual node is ready" if facts.node else facts.trouble or "the virtual node is not ready"
    return [
        Condition("OffloadingVirtualNodeStatus", status, f"VirtualNodes{status}", message),
        Condition("OffloadingNodeStatus", status, f"Nodes{status}", message),
    ]


def module_status(before: Mapping[str, Any] | None, wanted: Sequence[Condition]) -> dict[str, Any]:
    """Return a module as the status of a ForeignCluster holds it."""
    return {"enabled": bool(wanted), "conditions": settled((before or {}).get("conditions"), wanted)}


def module_document(module: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return a module as the REST API tells it: its state and its conditions."""
    found = list((module or {}).get("conditions") or ())
    return {
        "state": module_state(module),
        "conditions": [
            {
                "type": item["type"],
                "status": item["status"],
                "reason": item.get("reason", ""),
                "message": item.get("message", ""),
                "since": epoch(item.get("lastTransitionTime")),
            }
            for item in found
        ],
    }


def module_state(module: Mapping[str, Any] | None) -> str:
    """Return `None` (not enabled), `Pending`, `Established` or `Error`."""
    if module is None:
        return "Pending"
    if not module.get("enabled"):
        return "None"
    states = {item["status"] for item in module.get("conditions") or ()}
    if states & _BAD:
        return "Error"
    return "Established" if states and states <= _GOOD else "Pending"
