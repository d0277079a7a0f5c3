"""The manifests in k8s/ as the tests read them."""

from __future__ import annotations

from typing import Any

import yaml

from bare_serfs import CHECKOUT

FOLDER = CHECKOUT / "k8s"
NEEDS_OPERATOR = "prometheus-rules.yaml"
"""It needs a definition that only the operator of Prometheus brings."""
IN_ORDER = (
    "namespaces.yaml",
    "virtualmachine-crd.yaml",
    "admission-policies.yaml",
    "kwok-nodes.yaml",
    "eviction-webhook.yaml",
    "vm-controller.yaml",
    "prometheus-rules-config.yaml",
    "prometheus.yaml",
    "metrics-exporter.yaml",
    "descheduler-policy.yaml",
    "descheduler.yaml",
    "example-vms.yaml",
)
"""As they are applied; the first two have to be there before the others are even checked."""
RIGHTS = {"ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"}

Body = dict[str, Any]


def bodies(name: str) -> list[Body]:
    """Return the objects of a file."""
    return list(yaml.safe_load_all((FOLDER / name).read_text(encoding="utf-8")))


def objects(kind: str) -> dict[str, Body]:
    """Return the objects of a kind by their names, of all files."""
    names = [*IN_ORDER, NEEDS_OPERATOR]
    return {body["metadata"]["name"]: body for name in names for body in bodies(name) if body["kind"] == kind}


def pod_spec(deployment: str) -> Body:
    """Return the spec of a Deployment's pods."""
    return objects("Deployment")[deployment]["spec"]["template"]["spec"]


def arguments(deployment: str) -> list[str]:
    """Return the arguments of the container of a Deployment."""
    (container,) = pod_spec(deployment)["containers"]
    return list(container["args"])
