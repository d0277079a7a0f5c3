"""The hand-over of an emulated pod from its serf to another one and back: make before break.

A ShadowPod with the annotation `handover` says which side is to have the pod. `out`: once the transfer is over the
remote pod runs first, then the local pod goes, then the virtual pod of the same name takes its place. `home`: the
virtual pod goes, the local pod comes, and once it runs ShadowPod and remote pod go. Whoever comes in between, after a
crash, looks at what is there and does the next step.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

import orjson

from serflab.emulation.names import MANAGED_BY, MANAGER, SHADOW_PODS_PATH, VIRTUAL, VIRTUAL_POD_ID, pod_path, pods_of
from serflab.kube.client import ApiError
from serflab.lab.cluster_view import annotation_keys
from serflab.offload.bodies import identity_of, returned_pod, virtual_pod_of
from serflab.offload.faults import reached
from serflab.offload.names import HANDOVER, SOURCE_UID, TRANSFER, namespaced
from serflab.offload.remote_pods import keep_running, remove_shadow, workload_of
from serflab.offload.requests import delete_pod, get_or_none, missing_is_fine
from serflab.offload.transfer import OUT

if TYPE_CHECKING:
    from serflab.kube.client import ApiClient
    from serflab.offload.fleet import Fleet
    from serflab.offload.records import PodRecord, ShadowRecord

log = logging.getLogger(__name__)

_AGAIN_SECONDS = 0.3
# While a transfer lasts: is the pod still wanted?
_LOOK_SECONDS = 1.0


async def hand_over(fleet: Fleet, shadow: ShadowRecord, remote: PodRecord | None) -> float | None:
    """Do the next step; return in how many seconds to look again, if at all."""
    now = time.time()
    under_way = shadow.transfer is not None and shadow.transfer.under_way(now)
    if shadow.handover == OUT and not under_way and (remote is None or remote.phase != "Running"):
        return await keep_running(fleet, shadow, remote)
    if not fleet.current(shadow.consumer):
        return _LOOK_SECONDS
    client = fleet.client(shadow.consumer)
    there = await get_or_none(client, pod_path(shadow.source_namespace, shadow.source_pod))
    if under_way and shadow.transfer:
        if there is None or not _is_of(there, shadow):
            # Deleted while on its way: nobody wants it any more, on either side.
            await remove_shadow(fleet, shadow, remote)
            return None
        return min(_LOOK_SECONDS, shadow.transfer.ends - now)
    if shadow.handover == OUT:
        return await _out(fleet, shadow, remote, client, there)
    return await _home(fleet, shadow, remote, client, there)


async def _out(
    fleet: Fleet, shadow: ShadowRecord, remote: PodRecord | None, client: ApiClient, there: dict[str, Any] | None
) -> float | None:
    if there is not None and _is_virtual(there):
        if _id(there) != shadow.id:
            await remove_shadow(fleet, shadow, remote)
            return None
        await _settle(fleet, shadow, there["metadata"]["uid"])
        return None
    if there is not None:
        if not _is_emulated(there):
            log.warning("%s: somebody else's pod has taken the name %s; given up", shadow.id, shadow.source_pod)
            await remove_shadow(fleet, shadow, remote)
            return None
        reached("offload.delete-local-pod")
        await delete_pod(client, shadow.source_namespace, shadow.source_pod, there["metadata"]["uid"])
    reached("offload.create-virtual-pod")
    keys = annotation_keys(fleet.cluster(shadow.consumer).serf.config)
    body = virtual_pod_of(identity_of(shadow), shadow, keys)
    created = await _create(client, shadow, body)
    if created is None:
        return _AGAIN_SECONDS
    reached("offload.settle")
    await _settle(fleet, shadow, created["metadata"]["uid"])
    return None


async def _home(
    fleet: Fleet, shadow: ShadowRecord, remote: PodRecord | None, client: ApiClient, there: dict[str, Any] | None
) -> float | None:
    if there is not None and not _is_virtual(there):
        if there["status"].get("phase") != "Running":
            return _AGAIN_SECONDS
        reached("bring-back.remove-shadow-pod")
        await remove_shadow(fleet, shadow, remote)
        return None
    if there is not None:
        if _id(there) != shadow.id:
            await remove_shadow(fleet, shadow, remote)
            return None
        reached("bring-back.delete-virtual-pod")
        await delete_pod(client, shadow.source_namespace, shadow.source_pod, there["metadata"]["uid"])
    reached("bring-back.create-local-pod")
    workload = workload_of(shadow)
    home = orjson.loads(shadow.home)
    keys = annotation_keys(fleet.cluster(shadow.consumer).serf.config)
    body = returned_pod(home, workload, keys, time.time())
    await _create(client, shadow, body)
    return _AGAIN_SECONDS


async def _settle(fleet: Fleet, shadow: ShadowRecord, uid: str) -> None:
    """Make the ShadowPod that of the virtual pod: the hand-over is complete."""
    annotations = {HANDOVER: None, TRANSFER: None, SOURCE_UID: uid}
    # Only as it was seen: it may have been called home meanwhile.
    patch = {"metadata": {"annotations": annotations, "resourceVersion": shadow.version}}
    path = f"{namespaced(SHADOW_PODS_PATH, shadow.namespace)}/{shadow.name}"
    with missing_is_fine():
        await fleet.client(shadow.provider).patch(path, patch)


async def _create(client: ApiClient, shadow: ShadowRecord, body: dict[str, Any]) -> dict[str, Any] | None:
    try:
        return await client.create(pods_of(shadow.source_namespace), body)
    except ApiError as error:
        if error.status != 409:
            raise
        return None


def _is_of(there: dict[str, Any], shadow: ShadowRecord) -> bool:
    """Whether this is the pod that the transfer is about, local or virtual."""
    metadata = there["metadata"]
    return "deletionTimestamp" not in metadata and (metadata["uid"] == shadow.source_uid or _id(there) == shadow.id)


def _is_virtual(pod: dict[str, Any]) -> bool:
    return (pod["metadata"].get("annotations") or {}).get(VIRTUAL) == "true"


def _id(pod: dict[str, Any]) -> str:
    return str((pod["metadata"].get("labels") or {}).get(VIRTUAL_POD_ID, ""))


def _is_emulated(pod: dict[str, Any]) -> bool:
    return (pod["metadata"].get("labels") or {}).get(MANAGED_BY) == MANAGER
