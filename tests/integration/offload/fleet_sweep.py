"""Making bare serfs ready for a test of peerings: a node that KWOK plays, and nothing left by the test before."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from serflab.emulation.objects import node_body
from serflab.offload.crds import names
from serflab.offload.names import SCHEDULING, STRATEGY
from serflab.traces.model import NodeSpec

if TYPE_CHECKING:
    from bare_serfs import BareSerf, BareSerfs

NODE = "emulation-node-1"
_OTHERS = ("pods", "nodes", "namespaces", "mutatingadmissionpolicies", "mutatingadmissionpolicybindings")
_SYSTEM = frozenset({"default", "kube-system", "kube-public", "kube-node-lease"})


def add_node(serf: BareSerf) -> None:
    """Give a serf a node that KWOK plays."""
    serf.kubectl("apply", "-f", "-", stdin=json.dumps(node_body(NodeSpec(NODE, 16_000, 60 * 1024), 0, "fleet")))
    serf.kubectl("wait", "--for=condition=Ready", f"node/{NODE}", "--timeout=60s")


def sweep(serfs: BareSerfs) -> None:
    """Bring the serfs back to how `add_node` left them; custom resources stay defined, but empty."""
    with ThreadPoolExecutor() as pool:
        list(pool.map(_sweep, serfs))


def _sweep(serf: BareSerf) -> None:
    for component in ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok"):
        serf.start(component)
    while not serf.api_is_ready():
        time.sleep(0.1)
    defined = {name.partition("/")[2] for name in serf.kubectl("get", "crd", "-o", "name").split()}
    kinds = [name for name in names() if name in defined]
    found = json.loads(serf.kubectl("get", ",".join([*kinds, *_OTHERS]), "-A", "-o", "json"))["items"]
    for item in found:
        if item["kind"] != "Namespace" and item["metadata"]["name"] != NODE:
            _remove(serf, item)
        elif item.get("spec", {}).get("unschedulable"):
            serf.kubectl("uncordon", NODE)
    found = [item for item in found if item["kind"] == "Namespace"]
    surplus = [item["metadata"]["name"] for item in found if item["metadata"]["name"] not in _SYSTEM]
    if surplus:
        serf.kubectl("delete", "namespaces", *surplus)
    for item in found:
        marks = [f"{key}-" for key in (SCHEDULING, STRATEGY) if key in item["metadata"].get("labels", {})]
        if marks and item["metadata"]["name"] in _SYSTEM:
            serf.kubectl("label", "namespace", item["metadata"]["name"], *marks)


def _remove(serf: BareSerf, item: dict) -> None:
    metadata, (group, _, version) = item["metadata"], item["apiVersion"].rpartition("/")
    kind = f"{item['kind']}.{version}.{group}" if group else item["kind"]
    place = ("-n", metadata["namespace"]) if "namespace" in metadata else ()
    if metadata.get("finalizers"):
        patch = '-p={"metadata":{"finalizers":null}}'
        serf.kubectl("patch", kind, metadata["name"], *place, "--type=merge", patch, check=False)
    at_once = ("--force", "--grace-period=0") if item["kind"] == "Pod" else ()
    serf.kubectl("delete", kind, metadata["name"], *place, *at_once, "--ignore-not-found", "--wait=false")
