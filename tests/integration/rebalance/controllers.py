"""The VM controller as a process of a test's own, and what a test asks of the VMs that it runs."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from waiting_for import eventually

if TYPE_CHECKING:
    from bare_serfs import BareSerf


@dataclass
class VMs:
    """VMs of one namespace, and the controller that runs them."""

    serf: BareSerf
    namespace: str
    log: Path
    options: tuple[str, ...] = ()
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    def start(self, *options: str) -> None:
        """Start the controller; options given once stay."""
        self.options = options or self.options
        program = [Path(sys.executable).with_name("serflab"), "rebalance", "controller"]
        command = [*program, f"--kubeconfig={self.serf.kubeconfig}", f"--namespace={self.namespace}", *self.options]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, stderr=log)

    def kill(self) -> None:
        """End the controller as a crash would."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """Ask the controller to end and return its exit status."""
        self.process.terminate()
        return self.process.wait(10)

    def kubectl(self, *arguments: str, **options: Any) -> str:
        """Run kubectl in the namespace."""
        return self.serf.kubectl("-n", self.namespace, *arguments, **options)

    def create(self, *names: str, cpu: str = "0.05", memory: str = "0.05", **spec: Any) -> None:
        """Make VMs."""
        for name in names:
            body = {
                "apiVersion": "simulation.node-classifier.io/v1alpha1",
                "kind": "VirtualMachine",
                "metadata": {"name": name},
                "spec": {"resources": {"cpu": cpu, "memory": memory}, **spec},
            }
            self.kubectl("create", "-f", "-", stdin=json.dumps(body))

    def patch(self, name: str, spec: dict[str, Any]) -> None:
        """Change the spec of a VM."""
        self.kubectl("patch", "vm", name, "--type=merge", "-p", json.dumps({"spec": spec}))

    def evict(self, name: str, node: str = "") -> str:
        """Mark a VM as the webhook does, by default to leave the node that it is on, and return that node."""
        leaves = node or self.status(name)["nodeName"]
        patch = json.dumps({"status": {"evacuationNodeName": leaves}})
        self.kubectl("patch", "vm", name, "--subresource=status", "--type=merge", "-p", patch)
        return leaves

    def get(self, kind: str, name: str = "", *selectors: str) -> Any:
        """Return the object of that name, or the items of that kind."""
        found = json.loads(self.kubectl("get", kind, *([name] if name else []), *selectors, "-o", "json"))
        return found if name else found["items"]

    def status(self, name: str) -> dict[str, Any]:
        """Return the status of a VM."""
        return self.get("vm", name).get("status") or {}

    def pods(self, name: str) -> list[dict[str, Any]]:
        """Return the pods of a VM."""
        return self.get("pod", "", f"--selector=vm.kubevirt.io/name={name}")

    def migrations(self, phase: str = "") -> list[dict[str, Any]]:
        """Return the migrations, the oldest first; with `phase` those that are in it."""
        found = sorted(self.get("vmim"), key=lambda item: item["metadata"]["creationTimestamp"])
        return [item for item in found if not phase or (item.get("status") or {}).get("phase") == phase]

    def wait_running(self, *names: str) -> None:
        """Wait until the VMs run and their statuses say so."""
        for name in names:
            eventually(lambda name=name: self.status(name).get("phase") == "Running")

    def wait_moved(self, name: str, node: str) -> None:
        """Wait until a VM runs elsewhere, nothing of its migration is left, and nothing is under way."""
        eventually(lambda: self.is_settled(name) and self.status(name)["nodeName"] != node)

    def is_settled(self, name: str) -> bool:
        """Whether a VM runs in exactly one pod, as its status says, and is not on its way."""
        status, pods = self.status(name), self.pods(name)
        return (
            status.get("phase") == "Running"
            and not status.get("evacuationNodeName")
            and [pod["metadata"]["name"] for pod in pods] == [status["podName"]]
            and pods[0]["spec"]["nodeName"] == status["nodeName"]
            and pods[0]["status"]["phase"] == "Running"
        )

    def events(self, kind: str, name: str) -> set[str]:
        """Return the reasons of the Events of an object."""
        selector = f"--field-selector=involvedObject.kind={kind},involvedObject.name={name}"
        return {event["reason"] for event in self.get("events", "", selector)}
