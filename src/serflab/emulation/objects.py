"""The Kubernetes objects of an emulation as bodies that are ready to be sent: namespaces, nodes and pods."""

from __future__ import annotations

import hashlib
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import orjson

from serflab.emulation.names import HOSTNAME, INSTANCE, KWOK_NODE, MANAGED_BY, MANAGER, SPEC, USAGE_CPU, USAGE_MEMORY
from serflab.traces.quantity import format_value

if TYPE_CHECKING:
    from collections.abc import Sequence

    from serflab.traces.model import AnnotationKeys, NodeSpec, PodTrace, Series

CpuRequest = Literal["mean", "max", "p95", "none"]
MemoryRequest = Literal["max", "mean", "none"]
Values = tuple[str, str, str, str]
"""The annotation values of cpu, memory, power and psi at one point."""

_IMAGE = "serflab/emulated:v1"
_DEFAULT_PODS = 110  # the kubelet's own default


@dataclass(frozen=True, slots=True)
class RequestPolicy:
    """How the requests of a pod follow from its series."""

    cpu: CpuRequest = "mean"
    memory: MemoryRequest = "max"


@dataclass(frozen=True, slots=True)
class Requests:
    """What a pod requests: millicores and Mi, rounded up; None: nothing."""

    cpu: int | None
    memory: int | None


def pod_requests(series: Series, policy: RequestPolicy) -> Requests:
    """Return the requests of a pod with this series."""
    cpu = {"mean": _mean, "max": max, "p95": _percentile_95, "none": None}[policy.cpu]
    memory = {"max": max, "mean": _mean, "none": None}[policy.memory]
    return Requests(
        cpu=math.ceil(cpu(series.cpu)) if cpu else None,
        memory=math.ceil(memory(series.memory)) if memory else None,
    )


def formatted(row: tuple[float, float, float, float]) -> Values:
    """Return the annotation values of one point of a series."""
    cpu, memory, power, psi = row
    return (
        format_value("cpu", cpu),
        format_value("memory", memory),
        format_value("power", power),
        format_value("psi", psi),
    )


def value_annotations(keys: AnnotationKeys, values: Values) -> dict[str, str]:
    """Return the annotations that show these values, KWOK's usage included (its quantities have the same notation)."""
    shown = dict(zip((keys.cpu, keys.memory, keys.power, keys.psi), values, strict=True))
    return {**shown, USAGE_CPU: values[0], USAGE_MEMORY: values[1]}


def instance_name(file: str) -> str:
    """Return the label value that stands for a config: its file's name, without what a label may not have."""
    name = re.sub(r"[^A-Za-z0-9_.-]", "-", Path(file).stem)[:63]
    return name.strip("-_.") or "emulation"


def namespace_body(name: str, instance: str) -> dict[str, Any]:
    """Return a namespace."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": _owner(instance)}}


def node_body(spec: NodeSpec, pods: int, instance: str) -> dict[str, Any]:
    """Return a node that KWOK keeps alive, with room for at least `pods` pods and as many again for those of others.

    The capacity is part of the first request, as with a kubelet that registers itself; KWOK adds conditions and
    addresses.
    """
    room = {
        "cpu": f"{spec.cpu_millicores:.0f}m",
        "memory": f"{spec.memory_mi * 1024:.0f}Ki",
        "pods": str(max(_DEFAULT_PODS, 2 * pods)),
    }
    labels = {
        **_owner(instance),
        "type": "kwok",
        "kubevirt.io/schedulable": "true",
        HOSTNAME: spec.name,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64",
        "node-role.kubernetes.io/agent": "",
    }
    body: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": spec.name, "labels": labels, "annotations": {KWOK_NODE: "fake"}},
        "spec": {"taints": [{"key": KWOK_NODE, "value": "fake", "effect": "NoSchedule"}]},
        "status": {"capacity": room, "allocatable": room},
    }
    return _with_digest(body)


@dataclass(frozen=True, slots=True)
class PodTemplate:
    """What all pods of a config have in common."""

    instance: str
    keys: AnnotationKeys
    policy: RequestPolicy

    def body(self, pod: PodTrace, node: str | None) -> dict[str, Any]:
        """Return a pod that the scheduler may bind to `node` only (None: to any emulated node).

        It shows the values of its first point from the start, but no timestamp and no time index: nothing was played
        yet.
        """
        spec = emulated_spec(pod.series, self.policy)
        if node is not None:
            spec["nodeSelector"] = {HOSTNAME: node}
        labels = {**_owner(self.instance), "app.kubernetes.io/name": _label(pod.name)}
        metadata = {"name": pod.name, "namespace": pod.namespace, "labels": labels}
        body = _with_digest({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
        body["metadata"]["annotations"] |= value_annotations(self.keys, formatted(pod.series.row(0)))
        return body


def emulated_spec(series: Series, policy: RequestPolicy) -> dict[str, Any]:
    """Return the spec of an emulated pod with this series, for any emulated node."""
    return {
        "containers": [{"name": "app", "image": _IMAGE, "resources": _resources(series, policy)}],
        "tolerations": [{"key": KWOK_NODE, "operator": "Equal", "value": "fake", "effect": "NoSchedule"}],
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 0,
    }


def _resources(series: Series, policy: RequestPolicy) -> dict[str, Any]:
    wanted = pod_requests(series, policy)
    requests = {}
    if wanted.cpu is not None:
        requests["cpu"] = f"{wanted.cpu}m"
    if wanted.memory is not None:
        requests["memory"] = f"{wanted.memory}Mi"
    return {"requests": requests} if requests else {}


def _owner(instance: str) -> dict[str, str]:
    return {MANAGED_BY: MANAGER, INSTANCE: instance}


def _label(name: str) -> str:
    # A pod's name may have 253 characters, a label's value 63.
    return name[:63].strip("-.")


def _with_digest(body: dict[str, Any]) -> dict[str, Any]:
    digest = hashlib.sha256(orjson.dumps(body, option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]
    body["metadata"].setdefault("annotations", {})[SPEC] = digest
    return body


def _mean(column: Sequence[float]) -> float:
    return math.fsum(column) / len(column)


def _percentile_95(column: Sequence[float]) -> float:
    """Return the 95th percentile by nearest rank."""
    return sorted(column)[math.ceil(0.95 * len(column)) - 1]
