"""A virtual pod as the REST API and the registry tell it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from serflab.emulation.workload import read_workload
from serflab.offload.names import PROVIDER_UNREACHABLE
from serflab.offload.pod_status import restart_count
from serflab.offload.records import OVER
from serflab.offload.remote_pods import workload_of

if TYPE_CHECKING:
    from serflab.emulation.workload import Workload
    from serflab.offload.fleet import Fleet
    from serflab.offload.virtual_pods import VirtualPod

PENDING, TRANSFERRING, RUNNING = "Pending", "Transferring", "Running"
SUCCEEDED, FAILED, DELETING = "Succeeded", "Failed", "Deleting"
STATUSES = (PENDING, TRANSFERRING, RUNNING, SUCCEEDED, FAILED, DELETING)
UNSCHEDULABLE = "Unschedulable"


def document(fleet: Fleet, pod: VirtualPod) -> dict[str, Any]:
    """Return a virtual pod with the keys of the REST API (docs/api.md); times in epoch seconds."""
    now = time.time()
    source, shadow, remote = pod.source, pod.shadow, pod.remote
    namespace, name = pod.source_key
    status, reason, message = state(fleet, pod, now)
    workload = _workload(pod)
    shown = source or remote
    transfer = shadow.transfer if shadow and shadow.transfer and status == TRANSFERRING else None
    return {
        "id": pod.id,
        "origin": pod.origin_kind,
        "source_node": pod.consumer,
        "namespace": namespace,
        "source_pod_name": name,
        "dest_node": pod.provider,
        "dest_namespace": shadow.namespace if shadow else "",
        "dest_pod_name": shadow.name if shadow else name,
        "workload_template": (shadow or source).template if shadow or source else "",  # type: ignore[union-attr]
        "interval": workload.interval if workload else None,
        "loop": workload.loop if workload else None,
        "created_at": min(part.created for part in (source, shadow) if part) if source or shadow else None,
        "status": status,
        "reason": reason,
        "message": message,
        "ready": bool(shown and shown.ready and status == RUNNING),
        "pod_ip": str(shown.status.get("podIP") or "") if shown else "",
        "restarts": restart_count(shown.status) if shown else 0,
        "point": _point(workload, now) if status == RUNNING else None,
        "points": workload.series.length if workload else None,
        "transfer": transfer.document() if transfer else None,
    }


def state(fleet: Fleet, pod: VirtualPod, now: float) -> tuple[str, str, str]:
    """Return status, reason and message of a virtual pod at `now` (epoch seconds)."""
    source, shadow = pod.source, pod.shadow
    away = _away(fleet, pod)
    if source is not None and source.deleting:
        return DELETING, *away
    if shadow is not None and (shadow.handover or (shadow.transfer and shadow.transfer.under_way(now))):
        return TRANSFERRING, *away
    if source is None:
        return _without_source(fleet, pod, away)
    if source.phase not in OVER and away[0]:
        return source.phase, *away
    if source.phase == PENDING and source.unschedulable:
        return PENDING, UNSCHEDULABLE, source.unschedulable
    return source.phase, str(source.status.get("reason") or ""), str(source.status.get("message") or "")


def _without_source(fleet: Fleet, pod: VirtualPod, away: tuple[str, str]) -> tuple[str, str, str]:
    """Return the state of a pod that goes on without its consumer, or that goes because its source has gone."""
    if fleet.reachable(pod.consumer):
        return DELETING, *away
    message = f"{pod.consumer} does not answer"
    return (pod.remote.phase if pod.remote else PENDING), "ConsumerUnreachable", message


def _away(fleet: Fleet, pod: VirtualPod) -> tuple[str, str]:
    if fleet.reachable(pod.provider):
        return "", ""
    cluster = fleet.clusters.get(pod.provider)
    return PROVIDER_UNREACHABLE, f"{pod.provider} does not answer: {cluster.error if cluster else 'it is not up'}"


def _workload(pod: VirtualPod) -> Workload | None:
    if pod.shadow is not None:
        return workload_of(pod.shadow)
    body = pod.source.body if pod.source else None
    return read_workload(body["metadata"].get("annotations") or {}) if body else None


def _point(workload: Workload | None, now: float) -> int | None:
    clock = workload.clock if workload else None
    return clock.index(clock.tick_at(now)) if clock else None
