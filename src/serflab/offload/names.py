"""The names of a peering's objects, as Liqo 1.x gives them, and those that are serflab's own.

Source: https://doc.liqo.io/en/stable/ and the API types of Liqo v1.
"""

from __future__ import annotations

from typing import Final

from serflab.emulation.names import VIRTUAL_PREFIX

FOREIGN_CLUSTERS: Final = "/apis/core.liqo.io/v1beta1/foreignclusters"
SLICES: Final = "/apis/authentication.liqo.io/v1beta1/resourceslices"
OFFLOADING_API: Final = "/apis/offloading.liqo.io/v1beta1"
VIRTUAL_NODES: Final = f"{OFFLOADING_API}/virtualnodes"
OFFLOADINGS: Final = f"{OFFLOADING_API}/namespaceoffloadings"
QUOTAS: Final = f"{OFFLOADING_API}/quotas"

TYPE_LABEL: Final = "liqo.io/type"
VIRTUAL_NODE_TYPE: Final = "virtual-node"
REMOTE_CLUSTER_LABEL: Final = "liqo.io/remote-cluster-id"
TENANT_LABEL: Final = "liqo.io/tenant-namespace"
ORIGIN: Final = "offloading.liqo.io/origin"
"""Label of what was brought to a provider: the cluster that it came from."""
DESTINATION: Final = "offloading.liqo.io/destination"
NOT_ALLOWED: Final = "virtual-node.liqo.io/not-allowed"
"""Key of the taint of virtual nodes, value `true`, effect NoExecute."""
NOT_READY_TAINT: Final = "node.kubernetes.io/not-ready"

QUOTA_MODE: Final = "serflab.io/quota"
"""Annotation of a ResourceSlice: how the provider enforces it, `None`, `Soft` or `Hard`."""
DRAIN: Final = "serflab.io/drain"
"""Annotation of a virtual node while it is drained, value `true`."""
WANTED: Final = "serflab.io/wanted"
"""Annotation, epoch seconds: when somebody last needed what is removed by itself once nobody does."""
ORIGINAL_NAME: Final = "liqo.io/original-name"
"""Annotation of a twin namespace: the name of the namespace in the consumer."""
SCHEDULING: Final = "liqo.io/scheduling-enabled"
"""Label of an offloaded namespace, value `true`, whose pods the admission policy sees."""
STRATEGY: Final = "serflab.io/pod-offloading-strategy"
"""Label of an offloaded namespace: `Remote`, `LocalAndRemote` or `Local`."""
SELECTED: Final = "serflab.io/selected-clusters"
"""Annotation of a namespace: the providers that its clusterSelector selects, with commas between them."""

OFFLOADING_NAME: Final = "offloading"
"""The name of the NamespaceOffloading of a namespace; Liqo knows no other."""
FINALIZER: Final = "serflab.io/offload"

BACK_OFF: Final = "OffloadingBackOff"
"""Reason of a pod that could not be offloaded yet, and is tried again."""
ABORTED: Final = "OffloadingAborted"
"""Reason of a pod whose offloading had begun and cannot go on."""
REMOTE_TERMINATED: Final = "RemotePodTerminated"
PROVIDER_UNREACHABLE: Final = "ProviderUnreachable"

TEMPLATE: Final = f"{VIRTUAL_PREFIX}workload-template"
ORIGIN_KIND: Final = f"{VIRTUAL_PREFIX}origin"
"""Annotation: `created`, `offloaded` or `adopted`."""
BYTES: Final = f"{VIRTUAL_PREFIX}transfer-bytes"
"""Annotation: the size of what a transfer has to carry, in bytes."""
SOURCE_NAMESPACE: Final = f"{VIRTUAL_PREFIX}source-namespace"
SOURCE_UID: Final = f"{VIRTUAL_PREFIX}source-uid"
"""Annotation of a ShadowPod: the uid of the pod in the source that it belongs to."""
HANDOVER: Final = f"{VIRTUAL_PREFIX}handover"
"""Annotation of a ShadowPod while its pod changes sides: `out` to the provider, `home` to the source."""
TRANSFER: Final = f"{VIRTUAL_PREFIX}transfer"
"""Annotation of a ShadowPod while a transfer lasts: JSON, see `serflab.offload.transfer`."""
HOME_POD: Final = f"{VIRTUAL_PREFIX}home-pod"
"""Annotation: the pod as it was before it was offloaded, JSON."""
RESTARTS: Final = f"{VIRTUAL_PREFIX}restarts"
"""Annotation of a ShadowPod: how often its pod was made anew."""

INSTANCE_OF_CREATED: Final = "virtual-pods"
"""The `app.kubernetes.io/instance` of pods that were created as virtual pods."""


def tenant_namespace(cluster: str) -> str:
    """Return the namespace that holds what a peering with `cluster` needs."""
    return f"liqo-tenant-{cluster}"


def slice_path(provider: str) -> str:
    """Return the path of the ResourceSlice, in the consumer, that asks `provider` for resources."""
    return f"{namespaced(SLICES, tenant_namespace(provider))}/{provider}"


def quota_name(consumer: str, provider: str) -> str:
    """Return the name of the Quota that holds `consumer` to its slice in the provider."""
    return f"{provider}-{consumer}"


def namespaced(collection: str, namespace: str) -> str:
    """Return the path of a collection in one namespace: `/apis/G/V/things` -> `/apis/G/V/namespaces/NS/things`."""
    group, _, resource = collection.rpartition("/")
    return f"{group}/namespaces/{namespace}/{resource}"
