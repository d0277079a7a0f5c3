"""The status of a VirtualMachine, as it follows from its pod: phase, node, and a condition for each phase."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from serflab.emulation.marker import timestamp
from serflab.rebalance.bodies import consumption
from serflab.rebalance.launchers import condition, has_ended, name_of, node_of, phase_of, unschedulable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from serflab.rebalance.launchers import Pod

PHASES: Final = ("Pending", "Scheduling", "Scheduled", "Running", "Failed")


def phase(pod: Pod | None) -> str:
    """Return the phase of a VM whose pod this is."""
    if pod is None:
        return "Pending"
    if has_ended(pod):
        return "Failed"
    if not node_of(pod):
        return "Scheduling"
    return "Running" if phase_of(pod) == "Running" else "Scheduled"


def status_of(vm: Mapping[str, Any], pod: Pod | None) -> dict[str, Any]:
    """Return the whole status that a VM is to have whose pod this is (None: it has none).

    What others have set (`evacuationNodeName`) stays. Applied as a merge patch, fields that are None go away.
    """
    before: dict[str, Any] = vm.get("status") or {}
    uses = consumption(vm)
    told = {
        "phase": phase(pod),
        "nodeName": node_of(pod) if pod else "",
        "podName": name_of(pod) if pod else "",
        "cpuConsumption": uses.cpu,
        "memoryConsumption": uses.memory,
        "createdAt": before.get("createdAt") or vm["metadata"]["creationTimestamp"],
        "conditions": _conditions(vm, pod),
    }
    requests = _requests(pod)
    if requests or "requests" in before:
        told["requests"] = requests
    return {**before, **told}


def _requests(pod: Pod | None) -> dict[str, str] | None:
    """Return the CPU and memory that a pod's container requests, as quantities; None if it requests none."""
    containers = (pod or {}).get("spec", {}).get("containers") or [{}]
    found = (containers[0].get("resources") or {}).get("requests") or {}
    return {name: found[name] for name in ("cpu", "memory") if name in found} or None


def _conditions(vm: Mapping[str, Any], pod: Pod | None) -> list[dict[str, str]]:
    """Return a condition `Phase<X>` for each phase that the VM has been in, true for the one that it is in.

    Those that were passed since the last look count too: the pod tells when they began. Conditions of others, such as
    `LiveMigratable`, stay.
    """
    known = {item["type"]: item for item in (vm.get("status") or {}).get("conditions") or ()}
    others = [item for kind, item in known.items() if kind.removeprefix("Phase") not in PHASES]
    now = phase(pod)
    began = _began(vm, pod)
    found = []
    for name in PHASES:
        kind = f"Phase{name}"
        old = known.get(kind)
        if name != now and name not in began and old is None:
            continue
        status = "True" if name == now else "False"
        if old is None or (old["status"] != status and status == "True"):
            old = {"lastTransitionTime": began.get(name) or timestamp(time.time())}
        found.append(
            {
                "type": kind,
                "status": status,
                "lastTransitionTime": old["lastTransitionTime"],
                "reason": f"TransitionedTo{name}",
                "message": _message(vm, pod, name) if name == now else f"VM was {name}",
            }
        )
    return [*found, *others]


def _began(vm: Mapping[str, Any], pod: Pod | None) -> dict[str, str]:
    """Return when the phases up to the present one began, as far as the pod tells."""
    began = {"Pending": str(vm["metadata"]["creationTimestamp"])}
    if pod is None:
        return began
    began["Scheduling"] = str(pod["metadata"]["creationTimestamp"])
    if node_of(pod):
        began["Scheduled"] = str(condition(pod, "PodScheduled").get("lastTransitionTime") or began["Scheduling"])
    if phase_of(pod) == "Running":
        began["Running"] = str((pod.get("status") or {}).get("startTime") or began["Scheduled"])
    return began


def _message(vm: Mapping[str, Any], pod: Pod | None, name: str) -> str:
    if pod is None:
        return "VM waits for its pod" if vm["spec"].get("running", True) else "VM is stopped: spec.running is false"
    if reason := unschedulable(pod):
        return reason
    return f"VM is {name} as pod {name_of(pod)}"


def changes(vm: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a status that are to change, as a merge patch: None for those that are to go."""
    before: Mapping[str, Any] = vm.get("status") or {}
    return {key: value for key, value in after.items() if before.get(key) != value}
