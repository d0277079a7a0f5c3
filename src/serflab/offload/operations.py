"""Operations to follow: what became of a call, worked out from what the clusters hold now.

An operation is named by what was asked for (`create.vp-001`, `connect.serf1.serf2`), so it can be asked for after any
restart, as long as its subject can tell.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from serflab.kube.refusal import Refusal
from serflab.offload.ids import is_id
from serflab.offload.names import ABORTED
from serflab.offload.peering_commands import operation as peering_operation
from serflab.offload.peerings import peerings
from serflab.offload.release import BRING_BACK
from serflab.offload.transfer import HOME, OUT
from serflab.offload.virtual_pod_commands import find
from serflab.offload.virtual_pod_documents import DELETING, FAILED, PENDING, RUNNING, SUCCEEDED, TRANSFERRING, state
from serflab.offload.virtual_pods import virtual_pods

if TYPE_CHECKING:
    from serflab.offload.fleet import Fleet
    from serflab.offload.virtual_pods import VirtualPod

CREATE, OFFLOAD, DELETE = "create", "offload", "delete"
_OF_PODS: Final = (CREATE, OFFLOAD, BRING_BACK, DELETE)
_OF_PEERINGS: Final = ("connect", "disconnect", "drain")
OVER: Final = frozenset({SUCCEEDED, FAILED})


def operation(fleet: Fleet, name: str) -> dict[str, Any]:
    """Return the operation of that name with the keys of the REST API; `Refusal` when there is none."""
    kind, _, target = name.partition(".")
    if kind in _OF_PEERINGS:
        consumer, _, provider = target.partition(".")
        return peering_operation(fleet, kind, consumer, provider)
    if kind in _OF_PODS and is_id(target):
        pod = find(fleet, target)
        if pod is not None or kind in {DELETE, BRING_BACK}:
            return of_pod(fleet, kind, target, pod)
    raise Refusal(404, "unknown_operation", f"there is no operation {name!r}", hint="what it was about may be gone")


def under_way(fleet: Fleet) -> list[dict[str, Any]]:
    """Return the operations that are not over."""
    found = [of_pod(fleet, _kind(fleet, pod), pod.id, pod) for pod in virtual_pods(fleet)]
    for link in peerings(fleet):
        kind = "disconnect" if link.removing else "drain" if link.draining else "connect"
        found.append(peering_operation(fleet, kind, link.consumer, link.provider))
    return [item for item in found if item["state"] not in OVER]


def of_pod(fleet: Fleet, kind: str, target: str, pod: VirtualPod | None) -> dict[str, Any]:
    """Return an operation on a virtual pod; `pod` is None when it is not, or no longer, there."""
    now = time.time()
    status, reason, message = state(fleet, pod, now) if pod else _without_pod(fleet)
    transfer = pod.shadow.transfer if pod and pod.shadow and status == TRANSFERRING else None
    told = _state(kind, pod, status) if pod else status
    if reason == ABORTED:
        told = FAILED
    progress = 1.0 if told == SUCCEEDED else None
    if transfer:
        progress = min(1.0, max(0.0, (now - transfer.started) / transfer.seconds)) if transfer.seconds else 1.0
    return {
        "id": f"{kind}.{target}",
        "kind": kind,
        "target": target,
        "state": told,
        "message": message or reason or _words(kind, target, told),
        "progress": progress,
        "started": transfer.started if transfer else None,
        "ends": transfer.ends if transfer else None,
    }


def _without_pod(fleet: Fleet) -> tuple[str, str, str]:
    """Return what is to be said of a pod that is nowhere: it is gone, unless some serf was not read yet."""
    if fleet.unread:
        return PENDING, "", f"not read yet: {', '.join(fleet.unread)}"
    return SUCCEEDED, "", ""


def _state(kind: str, pod: VirtualPod, status: str) -> str:
    if kind == DELETE:
        return RUNNING
    if kind == BRING_BACK:
        if pod.shadow is None or pod.shadow.handover != HOME:
            return FAILED if status not in {TRANSFERRING, DELETING} else RUNNING
        return TRANSFERRING
    if status == RUNNING:
        return SUCCEEDED
    return FAILED if status == DELETING else status


def _kind(fleet: Fleet, pod: VirtualPod) -> str:
    if pod.shadow is not None and pod.shadow.handover == HOME:
        return BRING_BACK
    if state(fleet, pod, time.time())[0] == DELETING:
        return DELETE
    if pod.shadow is not None and pod.shadow.handover == OUT:
        return OFFLOAD
    return CREATE


def _words(kind: str, target: str, told: str) -> str:
    done = {CREATE: "runs", OFFLOAD: "is offloaded and runs", BRING_BACK: "is back", DELETE: "is gone"}
    return f"{target} {done[kind]}" if told == SUCCEEDED else ""
