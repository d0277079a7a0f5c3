"""What the exported objects have in common: labels, security, ports, pieces of pods."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import serflab

if TYPE_CHECKING:
    from collections.abc import Iterable

Body = dict[str, Any]

SERF, PROMETHEUS, VIEWER = "serf", "prometheus", "viewer"
GROUP_LABEL = "serflab.group"
SERF_LABEL = "serflab.serf"
DIGEST = "serflab.config-digest"
"""An annotation of pods that changes with their files, so that a changed file replaces them."""
# Not plain `serflab`: by that value create_resources.py knows what it made itself.
MANAGER = "serflab-export"

# Also for `latest`, so that an image that was loaded onto the nodes is found there.
PULL_POLICY = "IfNotPresent"
API_PORT, EXPORTER_PORT, PROMETHEUS_PORT, VIEWER_PORT = 6443, 9090, 9091, 8080
# The user of the image; the volumes are made its own by `fsGroup`.
USER = 10001


@dataclass(frozen=True, slots=True)
class Names:
    """The lab's name and its namespace."""

    lab: str
    namespace: str

    def selector(self, component: str) -> dict[str, str]:
        """Return the labels by which the pods of a component are found; they never change."""
        return {
            "app.kubernetes.io/name": "serflab",
            "app.kubernetes.io/instance": self.lab,
            "app.kubernetes.io/component": component,
        }

    def labels(self, component: str) -> dict[str, str]:
        """Return the labels of a component's objects."""
        return {
            **self.selector(component),
            "app.kubernetes.io/part-of": "serflab",
            "app.kubernetes.io/version": serflab.__version__,
            "app.kubernetes.io/managed-by": MANAGER,
        }

    def object(self, api_version: str, kind: str, name: str, component: str, **more: object) -> Body:
        """Return an object of the namespace; `more` are the fields after its metadata."""
        metadata = {"name": name, "namespace": self.namespace, "labels": self.labels(component)}
        return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **more}

    def service(self, name: str, component: str, selector: dict[str, str], ports: dict[str, int]) -> Body:
        """Return a Service with a port of each name; the pods' ports have the same names."""
        listed = [
            {"name": port, "port": number, "targetPort": port, "protocol": "TCP"} for port, number in ports.items()
        ]
        return self.object("v1", "Service", name, component, spec={"selector": selector, "ports": listed})

    def account(self, name: str, component: str, rules: list[Body]) -> list[Body]:
        """Return a ServiceAccount with a Role of those rules."""
        subject = {"kind": "ServiceAccount", "name": name, "namespace": self.namespace}
        reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name}
        rbac = "rbac.authorization.k8s.io/v1"
        return [
            self.object("v1", "ServiceAccount", name, component, automountServiceAccountToken=False),
            self.object(rbac, "Role", name, component, rules=rules),
            self.object(rbac, "RoleBinding", name, component, roleRef=reference, subjects=[subject]),
        ]


def digest(texts: Iterable[str]) -> str:
    """Return what changes when one of the texts does."""
    return hashlib.sha256("".join(texts).encode()).hexdigest()[:16]


def pod_security(user: int = USER) -> Body:
    """Return the securityContext of a pod: with `container_security`, what Pod Security `restricted` asks for."""
    return {
        "runAsNonRoot": True,
        "runAsUser": user,
        "runAsGroup": user,
        "fsGroup": user,
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def container_security() -> Body:
    """Return the securityContext of every container."""
    return {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def container_ports(ports: dict[str, int]) -> list[Body]:
    """Return the ports of a container by name."""
    return [{"name": name, "containerPort": number, "protocol": "TCP"} for name, number in ports.items()]


def environment(values: dict[str, str]) -> list[Body]:
    """Return environment variables."""
    return [{"name": name, "value": value} for name, value in values.items()]


def http_probe(path: str, port: str, period: int, failures: int) -> Body:
    """Return a probe that asks for a path every `period` seconds and gives up after that many failures."""
    return {"httpGet": {"path": path, "port": port}, "periodSeconds": period, "failureThreshold": failures}


def config_map_volume(name: str, config_map: str) -> Body:
    """Return a volume that shows a ConfigMap."""
    return {"name": name, "configMap": {"name": config_map}}


def mounts(places: dict[str, str], *, read_only: Iterable[str] = ()) -> list[Body]:
    """Return the mounts of volumes by name."""
    listed: list[Body] = []
    for name, path in places.items():
        listed.append({"name": name, "mountPath": path} | ({"readOnly": True} if name in read_only else {}))
    return listed
