"""What a consumer's virtual node does for the pods that the scheduler binds to it, as Liqo's virtual kubelet does.

A pod on a virtual node gets a ShadowPod in the provider; what becomes of it there, `serflab.offload.remote_pods` tells.
What stands against it is told in the pod's status, reason `OffloadingBackOff`, and tried again.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from serflab.emulation.names import REMOTE_ROLE, SHADOW_PODS_PATH, SOURCE_ROLE, VIRTUAL_POD_ID, pod_path
from serflab.emulation.workload import read_workload
from serflab.errors import SerflabError
from serflab.kube.client import METADATA, ApiError
from serflab.offload.bodies import ADOPTED, CREATED, Identity, ShadowState, shadow_pod
from serflab.offload.faults import reached
from serflab.offload.names import BACK_OFF, BYTES, HOME_POD, REMOTE_CLUSTER_LABEL, namespaced
from serflab.offload.namespaces import twin
from serflab.offload.peerings import peering
from serflab.offload.pod_status import refused
from serflab.offload.quota import refusal
from serflab.offload.records import OVER
from serflab.offload.requests import delete_pod, get_or_none, missing_is_fine
from serflab.offload.transfer import OUT, transfer_between

if TYPE_CHECKING:
    from serflab.kube.watch import Key
    from serflab.offload.cluster import Cluster
    from serflab.offload.fleet import Fleet
    from serflab.offload.records import PodRecord

_AGAIN_SECONDS = 2.0


async def reconcile_source(fleet: Fleet, consumer: str, key: Key) -> float | None:
    """Bring one pod of a consumer into line; return in how many seconds to look again, if at all."""
    if not fleet.current(consumer):
        return None
    cluster = fleet.cluster(consumer)
    pod = fleet.pod(consumer, *key) or (cluster.others.objects.get(key) if cluster.others else None)
    provider = provider_of(cluster, pod) if pod and pod.role != REMOTE_ROLE else ""
    if pod is None or not fleet.current(provider):
        return None
    if pod.deleting:
        await _finish_deletion(fleet, consumer, pod)
    elif not pod.id:
        await _adopt(fleet, consumer, provider, pod)
    elif pod.phase not in OVER and (consumer, *key) not in fleet.shadows_of:
        return await _offload(fleet, consumer, provider, pod)
    return None


def provider_of(cluster: Cluster, pod: PodRecord) -> str:
    """Return the provider behind the virtual node that a pod is bound to, empty when it is bound to none."""
    node = cluster.nodes.objects.get(("", pod.node)) if cluster.nodes and pod.node else None
    return str(node["metadata"]["labels"].get(REMOTE_CLUSTER_LABEL, "")) if node else ""


async def _finish_deletion(fleet: Fleet, consumer: str, pod: PodRecord) -> None:
    """End a pod that was deleted with a grace period: no kubelet will; first its ShadowPod has to be gone."""
    if (consumer, pod.namespace, pod.name) not in fleet.shadows_of:
        await delete_pod(fleet.client(consumer), pod.namespace, pod.name, pod.uid)


async def _adopt(fleet: Fleet, consumer: str, provider: str, pod: PodRecord) -> None:
    """Make a pod that somebody else has put onto the virtual node known by an id, like those that are created here."""
    identity = Identity(fleet.ids.take(), consumer, provider, pod.namespace, pod.name, kind=ADOPTED)
    patch = {"metadata": {"labels": {VIRTUAL_POD_ID: identity.id}, "annotations": identity.annotations(SOURCE_ROLE)}}
    with missing_is_fine():
        await fleet.client(consumer).patch(pod_path(pod.namespace, pod.name), patch)


async def _offload(fleet: Fleet, consumer: str, provider: str, pod: PodRecord) -> float | None:
    client = fleet.client(consumer)
    body = pod.body or await get_or_none(client, pod_path(pod.namespace, pod.name))
    if body is None:
        return None
    try:
        namespace = _may_go(fleet, consumer, provider, body)
    except SerflabError as error:
        await _refuse(fleet, consumer, pod, error.message)
        return _AGAIN_SECONDS
    shadow = _shadow_of(fleet, _identity(consumer, provider, pod, body), pod.uid, body, namespace)
    reached("create.shadow-pod")
    path = namespaced(SHADOW_PODS_PATH, namespace)
    try:
        await fleet.client(provider).create(path, shadow)
    except ApiError as error:
        if error.status != 409:
            raise
        return await _settle_conflict(fleet, consumer, provider, pod, f"{path}/{pod.name}")
    return None


def _may_go(fleet: Fleet, consumer: str, provider: str, body: dict[str, Any]) -> str:
    """Return the namespace in the provider where a pod may run; `SerflabError` says why it may not."""
    link = peering(fleet, consumer, provider)
    if link is None or link.removing or not link.established:
        raise SerflabError(f"the peering of {consumer} with {provider} is not established")
    own, name = body["metadata"]["namespace"], body["metadata"]["name"]
    namespace = twin(fleet, consumer, provider, own)
    reason = refusal(fleet, consumer, provider, body["spec"], f"{own}/{name}")
    if reason:
        raise SerflabError(reason)
    return namespace


def _identity(consumer: str, provider: str, pod: PodRecord, body: dict[str, Any]) -> Identity:
    annotations = body["metadata"].get("annotations") or {}
    return Identity(
        id=pod.id,
        consumer=consumer,
        provider=provider,
        namespace=pod.namespace,
        name=pod.name,
        kind=pod.origin_kind or CREATED,
        template=pod.template,
        bytes=int(annotations.get(BYTES) or 0),
    )


def _shadow_of(fleet: Fleet, identity: Identity, uid: str, body: dict[str, Any], namespace: str) -> dict[str, Any]:
    metadata = body["metadata"]
    annotations = metadata.get("annotations") or {}
    transfer = transfer_between(fleet, identity.consumer, identity.provider, identity.bytes, OUT)
    workload = read_workload(annotations)
    begins = transfer.ends if transfer else time.time()
    state = ShadowState(
        source_uid=uid,
        workload=workload.begun(begins) if workload else None,
        transfer=transfer,
        home=annotations.get(HOME_POD, ""),
    )
    return shadow_pod(identity, namespace, body["spec"], metadata.get("labels") or {}, state)


async def _settle_conflict(fleet: Fleet, consumer: str, provider: str, pod: PodRecord, path: str) -> float | None:
    """Find out whose the ShadowPod of that name is: this pod's (a crash, a watch that is behind), or one in the way."""
    there = await get_or_none(fleet.client(provider), path)
    if there is None:
        return 0.1
    if (there["metadata"].get("labels") or {}).get(VIRTUAL_POD_ID) != pod.id:
        await _refuse(fleet, consumer, pod, f"{provider} has another ShadowPod {pod.namespace}/{pod.name}")
    return _AGAIN_SECONDS


async def _refuse(fleet: Fleet, consumer: str, pod: PodRecord, message: str) -> None:
    status = refused(BACK_OFF, message)
    if any(pod.status.get(key) != value for key, value in status.items()):
        path = f"{pod_path(pod.namespace, pod.name)}/status"
        with missing_is_fine():
            await fleet.client(consumer).patch(path, {"status": status}, accept=METADATA)
