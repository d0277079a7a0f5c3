"""Holding a consumer to its slice: what its pods request in the provider, against the provider's Quota.

The modes are Liqo's: https://doc.liqo.io/en/stable/advanced/manual-peering.html (`--limits-enforcement`).
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from serflab.offload.names import quota_name, tenant_namespace
from serflab.offload.records import OVER, requested
from serflab.traces.quantity import parse_cpu, parse_memory

if TYPE_CHECKING:
    from collections.abc import Mapping

    from serflab.offload.cluster import Cluster
    from serflab.offload.fleet import Fleet

Amounts = dict[str, float]
"""`cpu` in millicores, `memory` in Mi, `pods`."""

_PROMISED_SECONDS = 5.0
_UNITS = {"cpu": "m", "memory": "Mi", "pods": ""}
# What was allowed a moment ago, by provider: (consumer, pod) to when and how much. The ShadowPods come into sight a bit
# later, and until then others must not be given the same room.
_promised: WeakKeyDictionary[Cluster, dict[tuple[str, str], tuple[float, Amounts]]] = WeakKeyDictionary()


def refusal(fleet: Fleet, consumer: str, provider: str, pod_spec: Mapping[str, Any], pod: str = "") -> str:
    """Return why a pod does not fit the consumer's Quota in the provider, empty when it does.

    `pod` is the pod's `namespace/name` in the consumer: with it, the room is kept for the pod for a moment.
    """
    cluster = fleet.cluster(provider)
    key = tenant_namespace(consumer), quota_name(consumer, provider)
    quota = cluster.quotas.objects.get(key) if cluster.quotas else None
    if quota is None:
        return f"{provider} has no Quota for {consumer} yet"
    spec = quota["spec"]
    if spec.get("cordoned"):
        return f"the Quota {key[1]} in {provider} is cordoned: it takes no more pods"
    mode = spec.get("limitsEnforcement") or "None"
    if mode == "None":
        return ""
    if mode == "Hard" and (missing := unstated(pod_spec)):
        return missing
    cpu, memory = requested(pod_spec)
    asked = {"cpu": cpu, "memory": memory, "pods": 1.0}
    reason = excess(spec.get("resources") or {}, _used(cluster, consumer, pod), asked, key[1])
    if not reason and pod:
        _promised.setdefault(cluster, {})[consumer, pod] = (time.monotonic(), asked)
    return reason


def unstated(pod_spec: Mapping[str, Any]) -> str:
    """Return which container states no request or limit, which a Hard quota asks for; empty when all do."""
    for container in pod_spec.get("containers") or ():
        resources = container.get("resources") or {}
        for part in ("requests", "limits"):
            for key in ("cpu", "memory"):
                # A limit counts as the request where none is given, as in Kubernetes.
                stated = resources.get(part) or {}
                if key not in stated and not (part == "requests" and key in (resources.get("limits") or {})):
                    return f"container {container.get('name')!r} states no {part}.{key}; the quota is Hard"
    return ""


def excess(limits: Mapping[str, Any], used: Amounts, asked: Amounts, name: str) -> str:
    """Return what would be more than the quota allows, with used, asked and limit; empty when nothing."""
    for key, amount in asked.items():
        if key not in limits:
            continue
        limit = parse_memory(limits[key]) if key == "memory" else parse_cpu(limits[key]) / (1 if key == "cpu" else 1000)
        if used[key] + amount > limit:
            unit = _UNITS[key]
            return (
                f"quota {name} exceeded: {key} used {used[key]:g}{unit}, asked {amount:g}{unit}, limit {limit:g}{unit}"
            )
    return ""


def _used(cluster: Cluster, consumer: str, pod: str) -> Amounts:
    used = {"cpu": 0.0, "memory": 0.0, "pods": 0.0}
    seen = set()
    for shadow in list(cluster.shadows.objects.values()) if cluster.shadows else ():
        if shadow.consumer == consumer and shadow.phase not in OVER:
            seen.add((consumer, f"{shadow.source_namespace}/{shadow.source_pod}"))
            _add(used, {"cpu": shadow.cpu, "memory": shadow.memory, "pods": 1.0})
    promised = _promised.get(cluster, {})
    for key, (when, amounts) in list(promised.items()):
        if key in seen or time.monotonic() - when > _PROMISED_SECONDS:
            del promised[key]
        elif key[0] == consumer and key[1] != pod:
            _add(used, amounts)
    return used


def _add(sums: Amounts, more: Amounts) -> None:
    for key, amount in more.items():
        sums[key] += amount
