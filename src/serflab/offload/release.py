"""Letting go of virtual pods: a created one is deleted, an offloaded one goes home."""

from __future__ import annotations

from typing import TYPE_CHECKING

from serflab.emulation.names import SHADOW_PODS_PATH
from serflab.offload.bodies import OFFLOADED
from serflab.offload.faults import reached
from serflab.offload.names import HANDOVER, TRANSFER, namespaced
from serflab.offload.remote_pods import remove_shadow
from serflab.offload.requests import delete_pod, missing_is_fine
from serflab.offload.transfer import HOME, OUT, transfer_between

if TYPE_CHECKING:
    from serflab.offload.fleet import Fleet
    from serflab.offload.virtual_pods import VirtualPod

DELETE = "delete"
BRING_BACK = "bring-back"


def action(pod: VirtualPod) -> str:
    """Return what becomes of a virtual pod when it is let go: `bring-back` for an offloaded one, else `delete`."""
    return BRING_BACK if pod.origin_kind == OFFLOADED else DELETE


async def release(fleet: Fleet, pod: VirtualPod) -> None:
    """Begin to let a virtual pod go; done again it changes nothing. `SerflabError` while its clusters do not answer.

    An offloaded pod cannot go home while the provider does not answer: its state is there.
    """
    if action(pod) == DELETE:
        await delete(fleet, pod)
    else:
        await bring_back(fleet, pod)


async def delete(fleet: Fleet, pod: VirtualPod) -> None:
    """Delete a virtual pod where it can be reached; what is left over there goes once it answers."""
    if pod.source is not None and not pod.source.deleting:
        reached("delete.source-pod")
        client = fleet.client(pod.consumer)
        await delete_pod(client, pod.source.namespace, pod.source.name, pod.source.uid)
    if pod.shadow is not None and fleet.reachable(pod.provider):
        await remove_shadow(fleet, pod.shadow, pod.remote)


async def bring_back(fleet: Fleet, pod: VirtualPod) -> None:
    """Begin the way home; a pod that is only leaving stays where it is."""
    shadow = pod.shadow
    client = fleet.client(pod.provider)
    if shadow is None or shadow.handover == HOME:
        return
    annotations: dict[str, str | None] = {HANDOVER: HOME, TRANSFER: None}
    transfer = transfer_between(fleet, pod.consumer, pod.provider, shadow.bytes, HOME)
    if transfer and shadow.handover != OUT:
        annotations[TRANSFER] = transfer.annotation()
    reached("bring-back.begin")
    with missing_is_fine():
        path = f"{namespaced(SHADOW_PODS_PATH, shadow.namespace)}/{shadow.name}"
        await client.patch(path, {"metadata": {"annotations": annotations, "resourceVersion": shadow.version}})
