"""The status of pods that no kubelet keeps: reflected from the remote pod, refused for now, or over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from serflab.emulation.marker import timestamp
from serflab.offload.records import condition

if TYPE_CHECKING:
    from collections.abc import Mapping

    from serflab.offload.records import PodRecord


def reflected(remote: PodRecord, source: PodRecord, restarts: int) -> dict[str, Any] | None:
    """Return the status that the source's pod takes over from the remote one, None when it shows it already.

    `restarts` is how often the remote pod was made anew, which counts as a restart of each container.
    """
    status = dict(remote.status)
    scheduled = condition(source.status, "PodScheduled")
    conditions = [item for item in status.get("conditions") or () if item.get("type") != "PodScheduled"]
    status["conditions"] = [*conditions, scheduled] if scheduled else conditions
    status["containerStatuses"] = [
        {**item, "restartCount": int(item.get("restartCount") or 0) + restarts}
        for item in status.get("containerStatuses") or ()
    ]
    for key in ("reason", "message"):
        status.setdefault(key, None)
    shown = source.status
    if all(_same(shown.get(key), status.get(key)) for key in ("phase", "reason", "podIP", "hostIP")) and (
        _essence(shown) == _essence(status)
    ):
        return None
    return status


def refused(reason: str, message: str) -> dict[str, Any]:
    """Return the status of a pod that could not be offloaded yet."""
    return {"phase": "Pending", "reason": reason, "message": message}


def succeeded(remote: PodRecord, now: float) -> dict[str, Any]:
    """Return the status of a pod whose series has come to its end, as of a job that is done."""
    ended = timestamp(now)
    containers = [
        {
            **item,
            "ready": False,
            "started": False,
            "state": {
                "terminated": {
                    "exitCode": 0,
                    "reason": "Completed",
                    "startedAt": remote.status.get("startTime") or ended,
                    "finishedAt": ended,
                }
            },
        }
        for item in remote.status.get("containerStatuses") or ()
    ]
    conditions = [
        {**item, "status": "False", "reason": "PodCompleted", "lastTransitionTime": ended}
        if item.get("type") in {"Ready", "ContainersReady"}
        else item
        for item in remote.status.get("conditions") or ()
    ]
    return {"phase": "Succeeded", "conditions": conditions, "containerStatuses": containers}


def restart_count(status: Mapping[str, Any]) -> int:
    """Return how often the containers of a pod were started again, together."""
    return sum(int(item.get("restartCount") or 0) for item in status.get("containerStatuses") or ())


def _same(one: object, other: object) -> bool:
    return (one or "") == (other or "")


def _essence(status: Mapping[str, Any]) -> tuple[object, ...]:
    conditions = {item["type"]: item.get("status") for item in status.get("conditions") or ()}
    return conditions, restart_count(status)
