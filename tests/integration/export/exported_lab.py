"""An exported lab on a cluster with one fake node, and a real serf beside it.

The pods of the lab are KWOK's: they run nothing. A command in one of them is run by KWOK on this machine instead, with
a KUBECONFIG that leads to the real serf; so what the viewer's pod does with the serfs can be done for real.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bare_serfs import CHECKOUT

if TYPE_CHECKING:
    from bare_serfs import BareSerf

NAMESPACE = "exported"
SERFS = ("serf1", "serf2", "serf3")
# The API server looks for a kubelet under its node's name first.
NODE = """
apiVersion: v1
kind: Node
metadata: {name: localhost, annotations: {kwok.x-k8s.io/node: fake}, labels: {kubernetes.io/hostname: localhost}}
status:
  capacity: &room {cpu: "64", memory: 256Gi, pods: "110", ephemeral-storage: 500Gi}
  allocatable: *room
"""
_PATIENCE = 60.0


def serflab(*arguments):
    """Run `serflab` and return what it prints."""
    program = Path(sys.executable).with_name("serflab")
    return subprocess.run([program, *arguments], cwd=CHECKOUT, check=True, capture_output=True, text=True).stdout


def within(check, what):
    """Wait until `check` answers something, and return that."""
    deadline = time.monotonic() + _PATIENCE
    while not (found := check()):
        assert time.monotonic() < deadline, f"not within {_PATIENCE:g} s: {what}"
        time.sleep(0.3)
    return found


@dataclass
class ExportedLab:
    """The manifests in `directory`, the cluster that they were applied to, and the real serf behind each fake one."""

    directory: Path
    host: BareSerf
    real: BareSerf
    inside: Path

    def get(self, *arguments):
        """Return the objects that `kubectl get` finds in the lab's namespace."""
        text = self.host.kubectl("get", "--namespace", NAMESPACE, *arguments, "-o", "json", check=False)
        return json.loads(text)["items"] if text else []

    def pods(self):
        """Return the phase of each pod by name."""
        return {pod["metadata"]["name"]: pod["status"]["phase"] for pod in self.get("pods")}

    def apply(self, *options):
        """Apply the manifests."""
        return self.host.kubectl("apply", "--server-side", *options, "-k", str(self.directory))


def run_commands_on_this_machine(host, environment):
    """Let KWOK run, with that environment, what is run in a container of the serfs' pods."""
    envs = [{"name": name, "value": value} for name, value in environment.items()]
    selector = {"matchNamespaces": [NAMESPACE]}
    execs = [{"containers": ["serf"], "local": {"envs": envs}}]
    rule = {
        "apiVersion": "kwok.x-k8s.io/v1alpha1",
        "kind": "ClusterExec",
        "metadata": {"name": "serfs"},
        "spec": {"selector": selector, "execs": execs},
    }
    file = host.kubeconfig.parent / "kwok.yaml"
    host.stop("kwok")
    file.write_text(f"{file.read_text()}\n---\n{json.dumps(rule)}\n")
    host.start("kwok")
