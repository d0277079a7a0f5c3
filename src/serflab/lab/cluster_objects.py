"""The slim records that the viewer keeps of a cluster's objects, one for each node, namespace and pod.

A whole pod is some 4 KB of JSON; what the page shows of it is below, and thousands of them stay in memory.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from serflab.traces.model import METRICS, AnnotationKeys
from serflab.traces.quantity import parse_cpu, parse_memory, parse_value

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

# Of peerings and virtual pods: those of `serflab.emulation.names`, which this room does not know, and of Liqo.
_VIRTUAL_POD_ID = "emulation.liqo.k8s.io/virtual-pod-id"
_VIRTUAL_POD_ROLE = "emulation.liqo.k8s.io/role"
_ROLES = ("source", "remote")
_NODE_TYPE = "liqo.io/type"
_VIRTUAL_NODE = "virtual-node"


@dataclass(frozen=True, slots=True)
class PodRecord:
    """A pod; requests in millicores and Mi, `usage` by metric name in the units of `serflab.traces.model`.

    `virtual` is the id of the virtual pod that it is a side of, and which: `source` or `remote`.
    """

    namespace: str
    name: str
    phase: str
    node: str
    created: str
    cpu_request: float
    memory_request: float
    usage: Mapping[str, float]
    reason: str = ""
    ready: bool = False
    restarts: int = 0
    virtual: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Condition:
    """What a Kubernetes node says of one of its sides: `status` is `True`, `False` or `Unknown`."""

    type: str
    status: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class NodeRecord:
    """A Kubernetes node; capacity in millicores, Mi and pods; a `virtual` one stands for another serf."""

    name: str
    ready: bool
    unschedulable: bool
    cpu: float
    memory: float
    pods: int
    created: str
    conditions: tuple[Condition, ...] = ()
    virtual: bool = False


@dataclass(frozen=True, slots=True)
class NamespaceRecord:
    """A namespace and its phase."""

    name: str
    phase: str
    created: str


def pod_record(keys: AnnotationKeys) -> Callable[[Mapping[str, Any]], PodRecord]:
    """Return the function that makes a record of a pod whose values are annotated below these keys."""

    def convert(pod: Mapping[str, Any]) -> PodRecord:
        metadata, spec, status = pod["metadata"], pod.get("spec", {}), pod.get("status", {})
        annotations = metadata.get("annotations") or {}
        cpu, memory = _requests(spec)
        return PodRecord(
            namespace=metadata["namespace"],
            name=metadata["name"],
            phase="Terminating" if metadata.get("deletionTimestamp") else status.get("phase", "Unknown"),
            node=spec.get("nodeName", ""),
            created=metadata.get("creationTimestamp", ""),
            cpu_request=cpu,
            memory_request=memory,
            usage=_usage(annotations, keys),
            reason=_reason(status),
            ready=_condition(status, "Ready"),
            restarts=sum(int(item.get("restartCount") or 0) for item in status.get("containerStatuses") or ()),
            virtual=_virtual(metadata.get("labels") or {}, annotations),
        )

    return convert


def node_record(node: Mapping[str, Any]) -> NodeRecord:
    """Make a record of a Kubernetes node."""
    metadata, status = node["metadata"], node.get("status", {})
    capacity = status.get("capacity") or {}
    return NodeRecord(
        name=metadata["name"],
        ready=_condition(status, "Ready"),
        unschedulable=bool(node.get("spec", {}).get("unschedulable")),
        cpu=_quantity(parse_cpu, capacity.get("cpu")),
        memory=_quantity(parse_memory, capacity.get("memory")),
        pods=int(_quantity(parse_cpu, capacity.get("pods")) / 1000),
        created=metadata.get("creationTimestamp", ""),
        conditions=tuple(
            Condition(*(str(item.get(key) or "") for key in ("type", "status", "reason", "message")))
            for item in status.get("conditions") or ()
        ),
        virtual=(metadata.get("labels") or {}).get(_NODE_TYPE) == _VIRTUAL_NODE,
    )


def namespace_record(namespace: Mapping[str, Any]) -> NamespaceRecord:
    """Make a record of a namespace."""
    metadata = namespace["metadata"]
    phase = namespace.get("status", {}).get("phase", "")
    return NamespaceRecord(metadata["name"], phase, metadata.get("creationTimestamp", ""))


def _virtual(labels: Mapping[str, str], annotations: Mapping[str, str]) -> tuple[str, str] | None:
    identity, role = labels.get(_VIRTUAL_POD_ID), annotations.get(_VIRTUAL_POD_ROLE)
    return (identity, role) if identity and role in _ROLES else None


def _condition(status: Mapping[str, Any], kind: str) -> bool:
    return any(item.get("type") == kind and item.get("status") == "True" for item in status.get("conditions") or ())


def _requests(spec: Mapping[str, Any]) -> tuple[float, float]:
    cpu = memory = 0.0
    for container in spec.get("containers") or ():
        requests = container.get("resources", {}).get("requests") or {}
        cpu += _quantity(parse_cpu, requests.get("cpu"))
        memory += _quantity(parse_memory, requests.get("memory"))
    return cpu, memory


def _usage(annotations: Mapping[str, str], keys: AnnotationKeys) -> dict[str, float]:
    usage = {}
    for metric in METRICS:
        text = annotations.get(getattr(keys, metric))
        if text is not None:
            value = _number(metric, text)
            if math.isfinite(value):
                usage[metric] = value
    return usage


def _number(metric: str, text: str) -> float:
    # People write annotations by hand as well: what cannot be read is shown as missing, not as a failure of the page.
    try:
        return parse_value(metric, text)
    except ValueError:
        return math.nan


def _quantity(parse: Callable[[str], float], text: str | None) -> float:
    try:
        return parse(text) if text else 0.0
    except ValueError:
        return 0.0


def _reason(status: Mapping[str, Any]) -> str:
    """Return why a pod is not running: its own reason, else that of its scheduling."""
    if status.get("phase") == "Running":
        return ""
    if status.get("reason"):
        return str(status["reason"])
    for condition in status.get("conditions") or ():
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            return str(condition.get("message") or condition.get("reason") or "")
    return ""
