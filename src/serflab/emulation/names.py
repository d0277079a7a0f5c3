"""The names by which the objects of an emulation are known: labels, annotations, taint and the replay's Lease."""

from __future__ import annotations

from typing import Final

MANAGED_BY: Final = "app.kubernetes.io/managed-by"
MANAGER: Final = "serflab"
INSTANCE: Final = "app.kubernetes.io/instance"
"""Label with the name of the config that an object was made from."""

SPEC: Final = "emulation.metrics.k8s.io/spec"
"""Annotation with a digest of what an object was made as, so that a changed config is noticed."""

KWOK_NODE: Final = "kwok.x-k8s.io/node"
HOSTNAME: Final = "kubernetes.io/hostname"
USAGE_CPU: Final = "kwok.x-k8s.io/usage-cpu"
USAGE_MEMORY: Final = "kwok.x-k8s.io/usage-memory"

LEASE_NAMESPACE: Final = "kube-system"
LEASE_NAME: Final = "serflab-replay"
LEASES_PATH: Final = f"/apis/coordination.k8s.io/v1/namespaces/{LEASE_NAMESPACE}/leases"
LEASE_PATH: Final = f"{LEASES_PATH}/{LEASE_NAME}"
REPLAY_PREFIX: Final = "emulation.metrics.k8s.io/replay-"

VIRTUAL_PREFIX: Final = "emulation.liqo.k8s.io/"
VIRTUAL: Final = f"{VIRTUAL_PREFIX}is-virtual"
"""Annotation, "true" on both pods of a virtual pod: the one in the source and the remote one."""
ROLE: Final = f"{VIRTUAL_PREFIX}role"
"""Annotation: `source` or `remote`."""
VIRTUAL_POD_ID: Final = f"{VIRTUAL_PREFIX}virtual-pod-id"
"""Label and annotation: the virtual pod's id, such as `vp-001`."""
SOURCE_NODE: Final = f"{VIRTUAL_PREFIX}source-node"
SOURCE_POD: Final = f"{VIRTUAL_PREFIX}source-pod"
DESTINATION_NODE: Final = f"{VIRTUAL_PREFIX}destination-node"
DESTINATION_POD: Final = f"{VIRTUAL_PREFIX}destination-pod"
SERIES: Final = f"{VIRTUAL_PREFIX}series"
CLOCK: Final = f"{VIRTUAL_PREFIX}clock"
SOURCE_ROLE: Final = "source"
REMOTE_ROLE: Final = "remote"

SHADOW_PODS_PATH: Final = "/apis/offloading.liqo.io/v1beta1/shadowpods"
"""Liqo's ShadowPods: on a serf that runs pods of others, each describes one of them (`serflab.emulation.workload`)."""
SHADOW_PODS_CRD: Final = "shadowpods.offloading.liqo.io"

NODE_TYPE: Final = "liqo.io/type"
VIRTUAL_NODE: Final = "virtual-node"
"""Value of that label on a node that stands for another serf."""

PODS_PATH: Final = "/api/v1/pods"
NODES_PATH: Final = "/api/v1/nodes"
NAMESPACES_PATH: Final = "/api/v1/namespaces"


def pods_of(namespace: str) -> str:
    """Return the path of the pods of a namespace."""
    return f"{NAMESPACES_PATH}/{namespace}/pods"


def pod_path(namespace: str, name: str) -> str:
    """Return the path of a pod."""
    return f"{NAMESPACES_PATH}/{namespace}/pods/{name}"
