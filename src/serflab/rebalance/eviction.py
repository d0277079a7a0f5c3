"""What becomes of the eviction of a VM's pod: the answer that KubeVirt's webhook would give, in its words.

The messages are a protocol: the descheduler knows by `Eviction triggered evacuation` that an eviction goes on in the
background. It must not be told when to ask again. Behaviour: KubeVirt's pod-eviction-admitter,
https://github.com/kubevirt/kubevirt/blob/main/docs/handling-eviction-requests.md
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

from serflab.rebalance.launchers import name_of, node_of, phase_of
from serflab.rebalance.names import DOMAIN, LAUNCHER

if TYPE_CHECKING:
    from collections.abc import Mapping

Strategy = Literal["None", "LiveMigrate", "LiveMigrateIfPossible", "External"]
STRATEGIES: Final[tuple[Strategy, ...]] = get_args(Strategy)
DEFAULT_STRATEGY: Final[Strategy] = "LiveMigrate"

REQUESTED_BY: Final = "requested-by"
"""Annotation of an eviction: who asks for it."""
_ENDED: Final = frozenset({"Succeeded", "Failed"})


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer to an eviction: refused with a message unless `allowed`; the VM has to leave the node `mark`."""

    allowed: bool
    message: str = ""
    mark: str = ""


ALLOWED: Final = Verdict(allowed=True)


def denied(message: str) -> Verdict:
    """Return the refusal with this message."""
    return Verdict(allowed=False, message=message)


def vm_of_launcher(pod: Mapping[str, Any]) -> str:
    """Return the VM whose pod is to be evicted, empty when the pod is none of a VM's or has ended."""
    metadata = pod["metadata"]
    if (metadata.get("labels") or {}).get("kubevirt.io") != LAUNCHER or phase_of(pod) in _ENDED:
        return ""
    return str((metadata.get("annotations") or {}).get(DOMAIN) or "")


def judge(pod: Mapping[str, Any], vm: Mapping[str, Any], default: Strategy = DEFAULT_STRATEGY) -> Verdict:
    """Return what becomes of the eviction of a VM's pod; `default` is the strategy of VMs without one."""
    strategy = strategy_of(vm, default)
    name, migratable = name_of(vm), is_migratable(vm)
    if strategy == "LiveMigrate" and not migratable:
        return denied(f"VMI {name} is configured with an eviction strategy but is not live-migratable")
    if strategy == "None" or (strategy == "LiveMigrateIfPossible" and not migratable):
        return ALLOWED
    status = vm.get("status") or {}
    triggered = f'Eviction triggered evacuation of VMI "{vm["metadata"]["namespace"]}/{name}"'
    if status.get("evacuationNodeName"):
        return denied(f"Evacuation in progress: {triggered}")
    if (status.get("nodeName") or "") != node_of(pod):
        return denied("Eviction request for target Pod")
    if not node_of(pod):
        return ALLOWED  # nothing runs there yet that could migrate, and its VM gets another pod
    return Verdict(allowed=False, message=triggered, mark=node_of(pod))


def strategy_of(vm: Mapping[str, Any], default: Strategy) -> Strategy:
    """Return what an eviction of a VM does; `default` is the strategy of VMs without one."""
    chosen: Strategy = vm["spec"].get("evictionStrategy") or default
    return chosen


def is_migratable(vm: Mapping[str, Any]) -> bool:
    """Whether a VM can migrate: unless a condition `LiveMigratable` of it says that it cannot."""
    conditions = (vm.get("status") or {}).get("conditions") or ()
    return not any(item.get("type") == "LiveMigratable" and item.get("status") == "False" for item in conditions)


def is_dry_run(request: Mapping[str, Any]) -> bool:
    """Whether an AdmissionRequest is about a dry run, as its query or the eviction's own options say."""
    options = (request.get("object") or {}).get("deleteOptions") or {}
    return bool(request.get("dryRun")) or "All" in (options.get("dryRun") or ())


def requested_by(request: Mapping[str, Any]) -> str:
    """Return who asks for an eviction, as it says itself, else the user."""
    annotations = ((request.get("object") or {}).get("metadata") or {}).get("annotations") or {}
    return str(annotations.get(REQUESTED_BY) or (request.get("userInfo") or {}).get("username") or "somebody")
