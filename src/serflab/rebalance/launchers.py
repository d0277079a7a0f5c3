"""The virt-launcher pods of VMs: what they tell, which of several is the VM's, and how one is deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from serflab.emulation.names import pod_path
from serflab.kube.client import ApiError
from serflab.rebalance.names import DELETION_ALLOWED, DOMAIN, LAUNCHER, MIGRATION_JOB

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from serflab.kube.client import ApiClient

SELECTOR: Final = f"kubevirt.io={LAUNCHER}"
Pod = dict[str, Any]
_ENDED = frozenset({"Succeeded", "Failed"})


def name_of(item: Mapping[str, Any]) -> str:
    """Return the name of an object."""
    return str(item["metadata"]["name"])


def node_of(pod: Mapping[str, Any]) -> str:
    """Return the node that a pod is bound to, empty while it is not."""
    return str(pod["spec"].get("nodeName") or "")


def phase_of(pod: Mapping[str, Any]) -> str:
    """Return the phase of a pod."""
    return str((pod.get("status") or {}).get("phase") or "Pending")


def vm_of(pod: Mapping[str, Any]) -> str:
    """Return the name of the VM that a pod is of, empty for any other pod."""
    return str((pod["metadata"].get("labels") or {}).get(DOMAIN) or "")


def owner_uid(item: Mapping[str, Any]) -> str:
    """Return the uid of the object that controls this one."""
    owners = item["metadata"].get("ownerReferences") or ()
    return next((str(owner["uid"]) for owner in owners if owner.get("controller")), "")


def migration_of(pod: Mapping[str, Any]) -> str:
    """Return the uid of the migration that a pod was made for, empty for a pod that was made otherwise."""
    return str((pod["metadata"].get("labels") or {}).get(MIGRATION_JOB) or "")


def is_live(pod: Mapping[str, Any]) -> bool:
    """Whether a pod runs or may come to run: it has not ended and is not on its way out."""
    return "deletionTimestamp" not in pod["metadata"] and phase_of(pod) not in _ENDED


def has_ended(pod: Mapping[str, Any]) -> bool:
    """Whether a pod has ended by itself, and is still there."""
    return "deletionTimestamp" not in pod["metadata"] and phase_of(pod) in _ENDED


def condition(pod: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    """Return a condition of a pod, empty when it has none of that type."""
    conditions: list[Mapping[str, Any]] = (pod.get("status") or {}).get("conditions") or []
    return next((item for item in conditions if item.get("type") == kind), {})


def unschedulable(pod: Mapping[str, Any]) -> str:
    """Return why the scheduler finds no node for a pod, empty when it has one or has not looked yet."""
    told = condition(pod, "PodScheduled")
    return str(told.get("message") or "no node fits") if told.get("reason") == "Unschedulable" else ""


def current(pods: Iterable[Pod], named: str = "") -> Pod | None:
    """Return which of the live pods of a VM is the VM: the one that its status names, else the one that is furthest.

    The order of the pods does not matter: whoever asks gets the same answer.
    """
    return max(
        pods,
        key=lambda pod: (
            name_of(pod) == named,
            phase_of(pod) == "Running",
            bool(node_of(pod)),
            not migration_of(pod),
            name_of(pod),
        ),
        default=None,
    )


async def delete(client: ApiClient, pod: Mapping[str, Any]) -> None:
    """Delete this pod, and no other of its name, also where a policy protects the pods of running VMs.

    One that is gone already is fine.
    """
    metadata = pod["metadata"]
    path = pod_path(metadata["namespace"], metadata["name"])
    allowed = {"metadata": {"uid": metadata["uid"], "annotations": {DELETION_ALLOWED: "true"}}}
    options = {
        "kind": "DeleteOptions",
        "apiVersion": "v1",
        "gracePeriodSeconds": 0,
        "preconditions": {"uid": metadata["uid"]},
    }
    try:
        await client.patch(path, allowed)
        await client.request("DELETE", path, body=options)
    except ApiError as error:
        if not is_another(error):
            raise


def is_another(error: ApiError) -> bool:
    """Whether a write that named a uid was refused because that object is gone, whatever has its name by now."""
    causes = (error.body.get("details") or {}).get("causes") or ()
    return error.status in {404, 409} or any(cause.get("field") == "metadata.uid" for cause in causes)
