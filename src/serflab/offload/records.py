"""What the manager keeps of the pods and ShadowPods that it watches: slim, for there may be ten thousand of each."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import orjson

from serflab.emulation.names import (
    CLOCK,
    DESTINATION_NODE,
    REMOTE_ROLE,
    ROLE,
    SERIES,
    SOURCE_NODE,
    SOURCE_POD,
    VIRTUAL,
    VIRTUAL_POD_ID,
)
from serflab.offload.names import (
    BYTES,
    DESTINATION,
    HANDOVER,
    HOME_POD,
    ORIGIN,
    ORIGIN_KIND,
    RESTARTS,
    SOURCE_NAMESPACE,
    SOURCE_UID,
    TEMPLATE,
    TRANSFER,
)
from serflab.offload.transfer import Transfer, read_transfer
from serflab.traces.quantity import parse_cpu, parse_memory

if TYPE_CHECKING:
    from collections.abc import Mapping

_KEPT_STATUS = (
    "phase",
    "reason",
    "message",
    "podIP",
    "podIPs",
    "hostIP",
    "startTime",
    "conditions",
    "containerStatuses",
)
OVER = frozenset({"Succeeded", "Failed"})


@dataclass(frozen=True, slots=True)
class PodRecord:
    """A pod that has to do with offloading; `id` is empty for one of somebody else that is not adopted yet.

    `status` holds the parts of the pod's status that are reflected. `body` is the whole pod while it is Pending, None
    later. `role` is `source`, `remote` or empty; `serf` names, for a source, the provider that it was meant for.
    """

    namespace: str
    name: str
    uid: str
    id: str
    role: str
    virtual: bool
    node: str
    created: float
    deleting: bool
    status: Mapping[str, Any]
    provider: str = ""
    origin_kind: str = ""
    template: str = ""
    body: dict[str, Any] | None = None

    @property
    def phase(self) -> str:
        """Return the pod's phase."""
        return str(self.status.get("phase") or "Pending")

    @property
    def ready(self) -> bool:
        """Whether the pod's condition Ready is True."""
        return condition(self.status, "Ready").get("status") == "True"

    @property
    def unschedulable(self) -> str:
        """Return what the scheduler says against the pod, empty when nothing."""
        scheduled = condition(self.status, "PodScheduled")
        return str(scheduled.get("message") or "") if scheduled.get("status") == "False" else ""


@dataclass(frozen=True, slots=True)
class ShadowRecord:
    """A ShadowPod: what the provider holds of a virtual pod.

    `pod` is the pod's spec as JSON; `series` and `clock` are the annotations of `serflab.emulation.workload`;
    `handover` is `out`, `home` or empty; `cpu` (millicores) and `memory` (Mi) are what the pod requests.
    """

    namespace: str
    name: str
    uid: str
    id: str
    consumer: str
    provider: str
    source_namespace: str
    source_pod: str
    source_uid: str
    origin_kind: str
    template: str
    created: float
    deleting: bool
    handover: str
    transfer: Transfer | None
    restarts: int
    phase: str
    cpu: float
    memory: float
    pod: bytes
    series: str
    clock: str
    home: str
    labels: Mapping[str, str]
    version: str
    bytes: int = 0


def pod_record(pod: dict[str, Any]) -> PodRecord:
    """Make the record of a pod."""
    metadata, status = pod["metadata"], pod.get("status") or {}
    annotations, labels = metadata.get("annotations") or {}, metadata.get("labels") or {}
    kept = {key: status[key] for key in _KEPT_STATUS if key in status}
    role = annotations.get(ROLE, "")
    return PodRecord(
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=metadata["uid"],
        id=labels.get(VIRTUAL_POD_ID, ""),
        role=sys.intern(role),
        virtual=annotations.get(VIRTUAL) == "true",
        node=sys.intern(pod["spec"].get("nodeName") or ""),
        created=epoch(metadata.get("creationTimestamp")),
        deleting="deletionTimestamp" in metadata,
        status=kept,
        provider=sys.intern(annotations.get(DESTINATION_NODE, "")),
        origin_kind=sys.intern(annotations.get(ORIGIN_KIND, "")),
        template=sys.intern(annotations.get(TEMPLATE, "")),
        body=pod if kept.get("phase", "Pending") == "Pending" and role != REMOTE_ROLE else None,
    )


def shadow_record(shadow: dict[str, Any]) -> ShadowRecord:
    """Make the record of a ShadowPod."""
    metadata = shadow["metadata"]
    annotations, labels = metadata.get("annotations") or {}, metadata.get("labels") or {}
    spec = (shadow.get("spec") or {}).get("pod") or {}
    cpu, memory = requested(spec)
    return ShadowRecord(
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=metadata["uid"],
        id=labels.get(VIRTUAL_POD_ID, ""),
        consumer=sys.intern(labels.get(ORIGIN) or annotations.get(SOURCE_NODE, "")),
        provider=sys.intern(labels.get(DESTINATION) or annotations.get(DESTINATION_NODE, "")),
        source_namespace=sys.intern(annotations.get(SOURCE_NAMESPACE, "")),
        source_pod=annotations.get(SOURCE_POD, ""),
        source_uid=annotations.get(SOURCE_UID, ""),
        origin_kind=sys.intern(annotations.get(ORIGIN_KIND, "")),
        template=sys.intern(annotations.get(TEMPLATE, "")),
        created=epoch(metadata.get("creationTimestamp")),
        deleting="deletionTimestamp" in metadata,
        handover=sys.intern(annotations.get(HANDOVER, "")),
        transfer=read_transfer(annotations.get(TRANSFER, "")),
        restarts=_whole(annotations.get(RESTARTS)),
        phase=str((shadow.get("status") or {}).get("phase") or "Unknown"),
        cpu=cpu,
        memory=memory,
        pod=orjson.dumps(spec),
        series=sys.intern(annotations.get(SERIES, "")),
        clock=sys.intern(annotations.get(CLOCK, "")),
        home=annotations.get(HOME_POD, ""),
        labels=labels,
        version=metadata["resourceVersion"],
        bytes=_whole(annotations.get(BYTES)),
    )


def condition(status: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    """Return the condition of that type, empty when there is none."""
    for item in status.get("conditions") or ():
        if item.get("type") == kind:
            found: Mapping[str, Any] = item
            return found
    return {}


def requested(spec: Mapping[str, Any]) -> tuple[float, float]:
    """Return what the containers of a pod's spec request together: millicores and Mi."""
    cpu = memory = 0.0
    for container in spec.get("containers") or ():
        requests = (container.get("resources") or {}).get("requests") or {}
        cpu += parse_cpu(requests.get("cpu") or 0)
        memory += parse_memory(requests.get("memory") or 0)
    return cpu, memory


def epoch(text: str | None) -> float:
    """Return a time of Kubernetes (RFC 3339) as epoch seconds, 0 for none."""
    return datetime.fromisoformat(text).timestamp() if text else 0.0


def _whole(text: str | None) -> int:
    return int(text) if text and text.isdigit() else 0
