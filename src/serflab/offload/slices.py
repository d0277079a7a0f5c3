"""The provider's answer to a ResourceSlice: accepted, unless it asks for more than the provider's own nodes have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from serflab.emulation.names import NODES_PATH
from serflab.offload.conditions import Condition, settled
from serflab.offload.names import TYPE_LABEL, VIRTUAL_NODE_TYPE
from serflab.offload.records import condition
from serflab.traces.quantity import parse_cpu, parse_memory

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from serflab.kube.client import ApiClient

DEFAULTS: Final = {"cpu": "4", "memory": "8Gi", "pods": "110"}
_AUTHENTICATED: Final = Condition(
    "Authentication", "Accepted", "ResourceSliceAuthenticationAccepted", "the provider knows the consumer"
)


def asked(resource_slice: Mapping[str, Any]) -> dict[str, str]:
    """Return the quantities that a slice asks for, the defaults where it says nothing."""
    given = resource_slice.get("spec", {}).get("resources") or {}
    return {**DEFAULTS, **{key: str(value) for key, value in given.items()}}


def is_settled(resource_slice: Mapping[str, Any]) -> bool:
    """Whether the provider has accepted a slice as it is now."""
    status = resource_slice.get("status") or {}
    accepted = all(condition(status, kind).get("status") == "Accepted" for kind in ("Authentication", "Resources"))
    return accepted and (status.get("resources") or {}) == asked(resource_slice)


async def own_resources(client: ApiClient) -> dict[str, float]:
    """Return what the nodes of a cluster that are no virtual ones have together: cores, bytes, pods and so on."""
    nodes = await client.list(NODES_PATH, params={"labelSelector": f"{TYPE_LABEL}!={VIRTUAL_NODE_TYPE}"})
    return total((node.get("status") or {}).get("allocatable") or {} for node in nodes["items"])


def total(parts: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    """Return the sums of quantities by resource, in their base units."""
    sums: dict[str, float] = {}
    for part in parts:
        for key, value in part.items():
            sums[key] = sums.get(key, 0.0) + _base(value)
    return sums


def judged(resource_slice: Mapping[str, Any], there: Mapping[str, float]) -> dict[str, Any]:
    """Return the status of a slice in the eyes of a provider that has `there` (base units).

    What was accepted before a slice became too large stays accepted.
    """
    status = resource_slice.get("status") or {}
    wanted = asked(resource_slice)
    denial = refused(wanted, there)
    conditions = [_AUTHENTICATED, denial or _accepted()]
    resources = status.get("resources") if denial else wanted
    answer: dict[str, Any] = {"conditions": settled(status.get("conditions"), conditions)}
    if resources:
        # A merge patch leaves what it does not name.
        answer["resources"] = {**dict.fromkeys(status.get("resources") or {}), **resources}
    return answer


def refused(wanted: Mapping[str, str], there: Mapping[str, float]) -> Condition | None:
    """Return why a slice cannot be accepted, None when it can."""
    for key, value in wanted.items():
        try:
            needed = _base(value)
        except ValueError as error:
            return Condition("Resources", "Denied", "ResourceSliceResourcesDenied", f"{key}: {error}")
        if needed > there.get(key, 0.0):
            message = f"asked for {key} {value}; the provider's own nodes have {_shown(key, there.get(key, 0.0))}"
            return Condition("Resources", "Denied", "ResourceSliceResourcesDenied", message)
    return None


def _accepted() -> Condition:
    return Condition("Resources", "Accepted", "ResourceSliceResourcesAccepted", "the provider has these resources")


def _base(value: Any) -> float:  # noqa: ANN401 - int or text, as quantities are
    return parse_cpu(value) / 1000


def _shown(key: str, amount: float) -> str:
    if key == "memory":
        return f"{parse_memory(amount) / 1024:g}Gi"
    return f"{amount:g}"
