"""Making bare serfs ready for a test of peerings: a node that KWOK plays, and nothing left by the test before."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from serflab.emulation.objects import node_body
from serflab.offload.crds import names
from serflab.traces.model import NodeSpec

if TYPE_CHECKING:
    from bare_serfs import BareSerf, BareSerfs

NODE = "emulation-node-1"
_SYSTEM = frozenset({"default", "kube-system", "kube-public", "kube-node-lease"})


def add_node(serf: BareSerf) -> None:
    """Give a serf a node that KWOK plays."""
    serf.kubectl("apply", "-f", "-", stdin=json.dumps(node_body(NodeSpec(NODE, 16_000, 60 * 1024), 0, "fleet")))
    serf.kubectl("wait", "--for=condition=Ready", f"node/{NODE}", "--timeout=60s")


def sweep(serfs: BareSerfs) -> None:
    """Bring the serfs back to how `add_node` left them; custom resources stay defined, but empty."""
    for serf in serfs:
        for component in ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok"):
            serf.start(component)
        while not serf.api_is_ready():
            pass
        _sweep(serf)


def _sweep(serf: BareSerf) -> None:
    defined = set(serf.kubectl("get", "crd", "-o", "name").split())
    for name in names():
        if f"customresourcedefinition.apiextensions.k8s.io/{name}" in defined:
            _remove_all(serf, name)
    serf.kubectl("delete", "pods", "--all", "-A", "--force", "--grace-period=0", "--wait=false")
    serf.kubectl("delete", "nodes", "--field-selector", f"metadata.name!={NODE}")
    serf.kubectl("uncordon", NODE)
    namespaces = set(_names(serf, "namespaces")) - _SYSTEM
    if namespaces:
        serf.kubectl("delete", "namespaces", *namespaces)
    serf.kubectl("label", "namespace", "default", "liqo.io/scheduling-enabled-", "liqo.io/pod-offloading-strategy-")


def _remove_all(serf: BareSerf, resource: str) -> None:
    places = 'jsonpath={range .items[*]}{.metadata.namespace} {.metadata.name}{"\\n"}{end}'
    found = serf.kubectl("get", resource, "-A", "-o", places)
    for line in found.splitlines():
        namespace, _, name = line.rpartition(" ")
        place = ("-n", namespace) if namespace else ()
        serf.kubectl("patch", resource, name, *place, "--type=merge", '-p={"metadata":{"finalizers":null}}')
        serf.kubectl("delete", resource, name, *place, "--ignore-not-found", "--wait=false")


def _names(serf: BareSerf, resource: str) -> list[str]:
    return serf.kubectl("get", resource, "-o", "jsonpath={.items[*].metadata.name}").split()
