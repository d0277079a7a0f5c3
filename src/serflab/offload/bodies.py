"""The Kubernetes objects of a virtual pod as bodies that are ready to be sent.

A virtual pod is up to three objects: the pod in the source, which the scheduler binds to the virtual node; the
ShadowPod in the provider, which says what is to run there; and the remote pod that the provider's nodes run.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import orjson

from serflab.emulation.marker import timestamp
from serflab.emulation.names import (
    CLOCK,
    DESTINATION_NODE,
    DESTINATION_POD,
    INSTANCE,
    KWOK_NODE,
    MANAGED_BY,
    MANAGER,
    REMOTE_ROLE,
    ROLE,
    SERIES,
    SOURCE_NODE,
    SOURCE_POD,
    SOURCE_ROLE,
    USAGE_CPU,
    USAGE_MEMORY,
    VIRTUAL,
    VIRTUAL_POD_ID,
    VIRTUAL_PREFIX,
)
from serflab.emulation.objects import RequestPolicy, emulated_spec, formatted, value_annotations
from serflab.emulation.workload import Workload, workload_annotations
from serflab.offload.names import (
    BYTES,
    DESTINATION,
    HANDOVER,
    HOME_POD,
    INSTANCE_OF_CREATED,
    NOT_ALLOWED,
    ORIGIN,
    ORIGIN_KIND,
    REMOTE_CLUSTER_LABEL,
    SOURCE_NAMESPACE,
    SOURCE_UID,
    TEMPLATE,
    TRANSFER,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from serflab.offload.records import ShadowRecord
    from serflab.offload.transfer import Transfer
    from serflab.traces.model import AnnotationKeys

CREATED: Final = "created"
OFFLOADED: Final = "offloaded"
ADOPTED: Final = "adopted"

_FAKE = {"key": KWOK_NODE, "operator": "Equal", "value": "fake", "effect": "NoSchedule"}
_ALLOWED = {"key": NOT_ALLOWED, "operator": "Equal", "value": "true", "effect": "NoExecute"}
# What the API server of the source fills in, and the one of the destination will fill in again.
_FILLED_IN = (
    *("nodeName", "nodeSelector", "affinity", "serviceAccount", "serviceAccountName", "schedulingGates"),
    *("priority", "preemptionPolicy", "priorityClassName", "runtimeClassName", "imagePullSecrets"),
)
_TOKEN_VOLUME = "kube-api-access-"  # noqa: S105  the name of a volume
_OWN_LABELS = frozenset({VIRTUAL_POD_ID, MANAGED_BY, INSTANCE, ORIGIN, DESTINATION})


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a virtual pod is: its id, the two serfs, namespace and name at either end, and how it came to be."""

    id: str
    consumer: str
    provider: str
    namespace: str
    name: str
    kind: str = CREATED
    template: str = ""
    bytes: int = 0

    def annotations(self, role: str) -> dict[str, str]:
        """Return the annotations that tell it."""
        return {
            VIRTUAL: "true",
            ROLE: role,
            VIRTUAL_POD_ID: self.id,
            SOURCE_NODE: self.consumer,
            SOURCE_POD: self.name,
            DESTINATION_NODE: self.provider,
            DESTINATION_POD: self.name,
            ORIGIN_KIND: self.kind,
            TEMPLATE: self.template,
            BYTES: str(self.bytes),
        }


# The source


def created_pod(identity: Identity, workload: Workload) -> dict[str, Any]:
    """Return the pod that is created in the source for a workload of its own."""
    spec = emulated_spec(workload.series, RequestPolicy())
    labels = {
        MANAGED_BY: MANAGER,
        INSTANCE: INSTANCE_OF_CREATED,
        VIRTUAL_POD_ID: identity.id,
        "app.kubernetes.io/name": identity.name[:63].strip("-."),
    }
    annotations = {**identity.annotations(SOURCE_ROLE), **workload_annotations(workload)}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": identity.name,
            "namespace": identity.namespace,
            "labels": labels,
            "annotations": annotations,
        },
        "spec": _for_virtual_node(spec, identity.provider),
    }


def home_pod(pod: dict[str, Any]) -> dict[str, Any]:
    """Return what has to be known of a local pod to make it anew: its labels, annotations and spec."""
    metadata, spec = pod["metadata"], copy.deepcopy(pod["spec"])
    for key in ("nodeName", "serviceAccount", "priority", "preemptionPolicy"):
        spec.pop(key, None)
    return {
        "metadata": {
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            "labels": metadata.get("labels") or {},
            "annotations": metadata.get("annotations") or {},
        },
        "spec": spec,
    }


def virtual_pod_of(identity: Identity, shadow: ShadowRecord, keys: AnnotationKeys) -> dict[str, Any]:
    """Return the virtual pod that takes the place of a local one: the same name, without its values.

    It carries what is needed to make its ShadowPod, and one day the local pod, anew.
    """
    home = orjson.loads(shadow.home)
    metadata = home["metadata"]
    values = {*vars_of(keys), USAGE_CPU, USAGE_MEMORY}
    annotations = {key: value for key, value in metadata["annotations"].items() if key not in values}
    spec = {key: value for key, value in home["spec"].items() if key != "nodeSelector"}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": identity.name,
            "namespace": identity.namespace,
            "labels": {**metadata["labels"], VIRTUAL_POD_ID: identity.id},
            "annotations": {
                **annotations,
                **identity.annotations(SOURCE_ROLE),
                SERIES: shadow.series,
                CLOCK: shadow.clock,
                HOME_POD: shadow.home,
            },
        },
        "spec": _for_virtual_node(spec, identity.provider),
    }


def returned_pod(
    home: Mapping[str, Any], workload: Workload | None, keys: AnnotationKeys, now: float
) -> dict[str, Any]:
    """Return the local pod that takes its place again, with the values of the point that is due at `now`."""
    metadata = home["metadata"]
    annotations = {**metadata["annotations"], **(current_values(workload, keys, now) if workload else {})}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {**metadata, "annotations": annotations},
        "spec": home["spec"],
    }


def current_values(workload: Workload, keys: AnnotationKeys, now: float) -> dict[str, str]:
    """Return the annotations that show the point of a workload that is due at `now`, as a replay writes them."""
    clock = workload.clock
    tick = max(0, clock.tick_at(now)) if clock else 0
    index = clock.index(tick) if clock else workload.phase
    shown = value_annotations(keys, formatted(workload.series.row(index)))
    due = clock.due(tick) if clock else now
    return {**shown, keys.timestamp: timestamp(due), keys.time_index: str(index)}


def vars_of(keys: AnnotationKeys) -> tuple[str, ...]:
    """Return all annotation keys under which a pod's current point is shown."""
    return keys.cpu, keys.memory, keys.power, keys.psi, keys.timestamp, keys.time_index


def _for_virtual_node(spec: Mapping[str, Any], provider: str) -> dict[str, Any]:
    tolerations = [item for item in spec.get("tolerations") or () if item.get("key") != NOT_ALLOWED]
    return {**spec, "tolerations": [*tolerations, _ALLOWED], "nodeSelector": {REMOTE_CLUSTER_LABEL: provider}}


# The destination


def remote_spec(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return the spec of a source's pod as the provider is to run it: on its own emulated nodes."""
    remote = {key: copy.deepcopy(value) for key, value in spec.items() if key not in _FILLED_IN}
    volumes = [item for item in remote.pop("volumes", ()) if not item["name"].startswith(_TOKEN_VOLUME)]
    if volumes:
        remote["volumes"] = volumes
    for container in (*remote.get("containers", ()), *remote.get("initContainers", ())):
        mounts = [item for item in container.pop("volumeMounts", ()) if not item["name"].startswith(_TOKEN_VOLUME)]
        if mounts:
            container["volumeMounts"] = mounts
    kept = [item for item in remote.get("tolerations", ()) if item.get("key") not in {NOT_ALLOWED, KWOK_NODE}]
    return {**remote, "tolerations": [*kept, _FAKE]}


@dataclass(frozen=True, slots=True)
class ShadowState:
    """What a new ShadowPod has beyond its identity: whose it is, its workload and how it gets there."""

    source_uid: str
    workload: Workload | None
    transfer: Transfer | None = None
    handover: str = ""
    home: str = ""


def shadow_pod(
    identity: Identity, namespace: str, spec: Mapping[str, Any], labels: Mapping[str, str], state: ShadowState
) -> dict[str, Any]:
    """Return the ShadowPod, in the twin namespace of the provider, for a pod with this spec and these labels."""
    annotations = {
        **identity.annotations(REMOTE_ROLE),
        SOURCE_NAMESPACE: identity.namespace,
        SOURCE_UID: state.source_uid,
    }
    if state.workload:
        annotations |= workload_annotations(state.workload)
    if state.transfer:
        annotations[TRANSFER] = state.transfer.annotation()
    if state.handover:
        annotations[HANDOVER] = state.handover
    if state.home:
        annotations[HOME_POD] = state.home
    own = {key: value for key, value in labels.items() if key not in _OWN_LABELS and not key.startswith(VIRTUAL_PREFIX)}
    metadata = {
        "name": identity.name,
        "namespace": namespace,
        "labels": {**own, **_brought(identity)},
        "annotations": annotations,
    }
    return {
        "apiVersion": "offloading.liqo.io/v1beta1",
        "kind": "ShadowPod",
        "metadata": metadata,
        "spec": {"pod": remote_spec(spec)},
    }


def remote_pod(shadow: ShadowRecord, values: Mapping[str, str]) -> dict[str, Any]:
    """Return the pod that the provider runs for a ShadowPod, showing `values`."""
    identity = identity_of(shadow)
    owner = {
        "apiVersion": "offloading.liqo.io/v1beta1",
        "kind": "ShadowPod",
        "name": shadow.name,
        "uid": shadow.uid,
        "controller": True,
    }
    metadata = {
        "name": shadow.name,
        "namespace": shadow.namespace,
        "labels": dict(shadow.labels),
        "annotations": {**identity.annotations(REMOTE_ROLE), SOURCE_NAMESPACE: identity.namespace, **values},
        "ownerReferences": [owner],
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": orjson.loads(shadow.pod)}


def identity_of(shadow: ShadowRecord) -> Identity:
    """Return the identity that a ShadowPod carries."""
    return Identity(
        id=shadow.id,
        consumer=shadow.consumer,
        provider=shadow.provider,
        namespace=shadow.source_namespace,
        name=shadow.source_pod,
        kind=shadow.origin_kind,
        template=shadow.template,
        bytes=shadow.bytes,
    )


def _brought(identity: Identity) -> dict[str, str]:
    return {
        MANAGED_BY: MANAGER,
        INSTANCE: INSTANCE_OF_CREATED,
        VIRTUAL_POD_ID: identity.id,
        ORIGIN: identity.consumer,
        DESTINATION: identity.provider,
    }
