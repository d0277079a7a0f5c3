"""What a provider does for the pods of others: each ShadowPod has its remote pod, and its consumer is told how it is.

Everything is decided from what the clusters hold now, so that the manager may be killed between any two steps. A
consumer that does not answer changes nothing: its pods go on. A ShadowPod goes only when the consumer itself, asked for
this one pod, says that it is gone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from serflab.emulation.names import REMOTE_ROLE, SHADOW_PODS_PATH, pod_path
from serflab.kube.client import METADATA, ApiError
from serflab.offload.handover import hand_over
from serflab.offload.names import namespaced
from serflab.offload.remote_pods import keep_running, remove_shadow
from serflab.offload.requests import delete_pod

if TYPE_CHECKING:
    from serflab.kube.watch import Key
    from serflab.offload.fleet import Fleet
    from serflab.offload.records import PodRecord, ShadowRecord


async def reconcile_shadow(fleet: Fleet, provider: str, key: Key) -> float | None:
    """Bring one ShadowPod (or what is left of it) into line; return in how many seconds to look again, if at all."""
    if not fleet.current(provider):
        return None
    shadow = fleet.shadow(provider, key)
    remote = fleet.pod(provider, *key)
    if shadow is None:
        if remote is not None and remote.role == REMOTE_ROLE and not remote.deleting:
            await _remove_orphan(fleet, provider, remote)
        return None
    if shadow.deleting or not shadow.id:
        return None
    if shadow.handover:
        return await hand_over(fleet, shadow, remote)
    if fleet.current(shadow.consumer) and await _source_is_gone(fleet, shadow):
        await remove_shadow(fleet, shadow, remote)
        return None
    return await keep_running(fleet, shadow, remote)


async def _source_is_gone(fleet: Fleet, shadow: ShadowRecord) -> bool:
    source = fleet.pod(shadow.consumer, shadow.source_namespace, shadow.source_pod)
    if source is not None and source.uid == shadow.source_uid and not source.deleting:
        return False
    # The watch may be behind; before anything is deleted the consumer itself is asked.
    try:
        path = pod_path(shadow.source_namespace, shadow.source_pod)
        there = await fleet.client(shadow.consumer).get(path, accept=METADATA)
    except ApiError as error:
        if error.status != 404:
            raise
        return True
    metadata = there["metadata"]
    return metadata["uid"] != shadow.source_uid or "deletionTimestamp" in metadata


async def _remove_orphan(fleet: Fleet, provider: str, remote: PodRecord) -> None:
    client = fleet.client(provider)
    path = f"{namespaced(SHADOW_PODS_PATH, remote.namespace)}/{remote.name}"
    try:
        await client.get(path, accept=METADATA)
    except ApiError as error:
        if error.status != 404:
            raise
        await delete_pod(client, remote.namespace, remote.name, remote.uid)
