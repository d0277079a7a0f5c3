"""Emulated pods of a config on a bare serf, and a replay's marker, without the programs that a lab runs for them."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

from fleet_sweep import NODE

from serflab.emulation.marker import Marker
from serflab.emulation.names import LEASE_NAME, LEASE_NAMESPACE
from serflab.emulation.objects import PodTemplate, RequestPolicy, instance_name
from serflab.traces.check import load_config

if TYPE_CHECKING:
    from bare_serfs import BareSerf


def config_of(serf: BareSerf):
    """Return the emulation config that the serf's entry in the inventory names."""
    return load_config(serf.entry.config)


def make_local_pods(serf: BareSerf, count: int) -> list[tuple[str, str]]:
    """Make the first pods of the config on the serf, wait until they run, and return namespace and name of each."""
    config = config_of(serf)
    template = PodTemplate(instance_name(config.file), config.annotation_keys, RequestPolicy())
    traces = config.pods[:count]
    for namespace in sorted({trace.namespace for trace in traces}):
        serf.kubectl("create", "namespace", namespace, check=False)
        serf.kubectl("wait", "--for=create", "serviceaccount/default", "-n", namespace, "--timeout=60s")
    bodies = [template.body(trace, NODE) for trace in traces]
    listed = json.dumps({"apiVersion": "v1", "kind": "List", "items": bodies})
    serf.kubectl("create", "-f", "-", stdin=listed)
    for trace in traces:
        serf.kubectl("wait", "--for=condition=Ready", f"pod/{trace.name}", "-n", trace.namespace, "--timeout=60s")
    return [(trace.namespace, trace.name) for trace in traces]


def mark_replay(serf: BareSerf, *, interval: float = 5.0, start: float | None = None) -> Marker:
    """Write the marker of a replay, as if one had played on the serf since `start` (epoch seconds)."""
    marker = Marker(
        fingerprint=config_of(serf).fingerprint,
        start=time.time() if start is None else start,
        interval=interval,
        loop=True,
        phase=0,
        mode="annotations",
        holder="",
        renewed=time.time(),
        duration=1,
    )
    serf.kubectl("delete", "lease", LEASE_NAME, "-n", LEASE_NAMESPACE, "--ignore-not-found")
    serf.kubectl("create", "-f", "-", stdin=json.dumps(marker.body()))
    return marker


def pod_of(serf: BareSerf, namespace: str, name: str) -> dict:
    """Return a pod, empty when there is none."""
    found = serf.kubectl("get", "pod", name, "-n", namespace, "-o", "json", "--ignore-not-found")
    return json.loads(found) if found else {}


def pods_in(serf: BareSerf, namespace: str) -> list[str]:
    """Return the names of the pods in a namespace."""
    return serf.kubectl("get", "pods", "-n", namespace, "-o", "jsonpath={.items[*].metadata.name}").split()
