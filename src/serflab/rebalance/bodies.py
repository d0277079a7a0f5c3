"""The objects of a VM as request bodies: itself, its pod, its migrations and its PodDisruptionBudget."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from serflab.emulation.names import HOSTNAME, KWOK_NODE, MANAGED_BY, MANAGER, USAGE_CPU, USAGE_MEMORY
from serflab.rebalance.names import (
    API_VERSION,
    CPU_CONSUMPTION,
    CREATED_BY,
    DOMAIN,
    EVACUATION,
    EVICT_ONLY,
    LAUNCHER,
    MEMORY_CONSUMPTION,
    MIGRATION_JOB,
    MIGRATION_KIND,
    NODE_CORES,
    NODE_MEMORY_GIB,
    POD_PREFIX,
    SCHEDULABLE,
    VM_CPU_CONSUMPTION,
    VM_KIND,
    VM_MEMORY_CONSUMPTION,
    VM_NAME,
    VMI_LABEL,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

_IMAGE: Final = "serflab/virt-launcher:v1"
# Kubernetes' own letters for random names: none that make words or look alike.
_LETTERS: Final = "bcdfghjklmnpqrstvwxz2456789"
_LEAST_RATIO: Final = 1e-6


class SimulatedVM(Protocol):
    """What is asked of a VM here: its name, and what it uses as ratios of a node."""

    @property
    def id(self) -> str: ...  # noqa: D102
    @property
    def cpu_consumption(self) -> float: ...  # noqa: D102
    @property
    def memory_consumption(self) -> float: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Capacity:
    """What a ratio is a ratio of: the cores and the GiB of a node."""

    cores: float = NODE_CORES
    memory_gib: float = NODE_MEMORY_GIB

    def cpu(self, ratio: float) -> str:
        """Return a ratio of the cores as a quantity, in millicores, rounded up.

        >>> Capacity().cpu(0.15)
        '4800m'
        """
        return f"{rounded_up(ratio * self.cores * 1000)}m"

    def memory(self, ratio: float) -> str:
        """Return a ratio of the memory as a quantity, in Mi, rounded up.

        >>> Capacity(memory_gib=64).memory(0.25)
        '16384Mi'
        """
        return f"{rounded_up(ratio * self.memory_gib * 1024)}Mi"


DEFAULT_CAPACITY: Final = Capacity()


@dataclass(frozen=True, slots=True)
class Consumption:
    """What a VM uses, as the text of its ratios."""

    cpu: str
    memory: str

    def annotations(self, capacity: Capacity) -> dict[str, str]:
        """Return how its pod shows it, KWOK's own usage included."""
        return {
            CPU_CONSUMPTION: self.cpu,
            MEMORY_CONSUMPTION: self.memory,
            USAGE_CPU: capacity.cpu(float(self.cpu)),
            USAGE_MEMORY: capacity.memory(float(self.memory)),
        }


def ratio(value: float) -> str:
    """Return a ratio as its text, to six decimals; what is nothing becomes the least that is something.

    >>> ratio(0.15), ratio(1.0), ratio(0.0), ratio(1e-5)
    ('0.15', '1', '0.000001', '0.00001')
    """
    if not 0 <= value < math.inf:
        raise ValueError(f"expected a ratio from 0, found {value}")
    return f"{max(value, _LEAST_RATIO):.6f}".rstrip("0").rstrip(".")


def consumption_of(vm: SimulatedVM) -> Consumption:
    """Return what a VM uses as the text of its ratios."""
    return Consumption(ratio(vm.cpu_consumption), ratio(vm.memory_consumption))


def requests_of(vm: SimulatedVM) -> Consumption:
    """Return what its pod requests: `vm.requests`, a pair of ratios, where it has that, else what it uses."""
    cpu, memory = getattr(vm, "requests", (vm.cpu_consumption, vm.memory_consumption))
    return Consumption(ratio(cpu), ratio(memory))


def consumption(vm: Mapping[str, Any]) -> Consumption:
    """Return what a VirtualMachine uses."""
    resources = vm["spec"]["resources"]
    return Consumption(resources["cpu"], resources["memory"])


def suffix(*parts: str) -> str:
    """Return five letters as in the names of pods, always the same for these parts.

    Whoever was killed after it had asked for an object asks for the same one again, and there are never two.
    """
    number = int.from_bytes(hashlib.sha256("\n".join(parts).encode()).digest()[:8])
    return "".join(_LETTERS[number // len(_LETTERS) ** place % len(_LETTERS)] for place in range(5))


def pod_name(vm: str, *parts: str) -> str:
    """Return the name of a pod of a VM; its end follows from `parts`."""
    return f"{POD_PREFIX}{vm}-{suffix(*parts)}"


def vm_body(vm: SimulatedVM, namespace: str, *, running: bool = True) -> dict[str, Any]:
    """Return a VirtualMachine that uses what `vm` says.

    Its requests are written down where they are others, and where its use is going to change by a series.
    """
    uses, requests = consumption_of(vm), requests_of(vm)
    metadata = {
        "name": vm.id,
        "namespace": namespace,
        "labels": {MANAGED_BY: MANAGER},
        "annotations": {VM_CPU_CONSUMPTION: uses.cpu, VM_MEMORY_CONSUMPTION: uses.memory},
    }
    spec: dict[str, Any] = {"resources": {"cpu": uses.cpu, "memory": uses.memory}, "running": running}
    if requests != uses or getattr(vm, "series", None):
        spec["requests"] = {"cpu": requests.cpu, "memory": requests.memory}
    return {"apiVersion": API_VERSION, "kind": VM_KIND, "metadata": metadata, "spec": spec}


def owner_reference(vm: Mapping[str, Any]) -> dict[str, Any]:
    """Return the reference by which Kubernetes deletes an object together with its VM."""
    metadata = vm["metadata"]
    owner = {"apiVersion": API_VERSION, "kind": VM_KIND, "name": metadata["name"], "uid": metadata["uid"]}
    return {**owner, "controller": True, "blockOwnerDeletion": False}


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a pod may go: not to the nodes `without`, only to nodes with the labels `selector`."""

    without: tuple[str, ...] = ()
    selector: tuple[tuple[str, str], ...] = ()
    migration: str = ""
    """The uid of the migration whose target it is."""


ANYWHERE: Final = Placement()


@dataclass(frozen=True, slots=True)
class Launcher:
    """The pod of a VM: what it shows as used, and what it requests."""

    namespace: str
    vm: str
    uses: Consumption
    requests: Consumption
    capacity: Capacity = DEFAULT_CAPACITY

    def body(
        self, name: str, placement: Placement = ANYWHERE, owner: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Return the pod under this name; `owner` is its VirtualMachine, if there is one.

        The scheduler may place it on any node that takes part, as `placement` has it.
        """
        labels = {DOMAIN: self.vm, VM_NAME: self.vm, "app": LAUNCHER, "kubevirt.io": LAUNCHER, MANAGED_BY: MANAGER}
        metadata: dict[str, Any] = {"name": name, "namespace": self.namespace, "labels": labels}
        metadata["annotations"] = {DOMAIN: self.vm, EVICT_ONLY: "", **self.uses.annotations(self.capacity)}
        if owner:
            labels[CREATED_BY] = owner["metadata"]["uid"]
            metadata["ownerReferences"] = [owner_reference(owner)]
        if placement.migration:
            labels[MIGRATION_JOB] = placement.migration
        return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": self._spec(placement)}

    def _spec(self, placement: Placement) -> dict[str, Any]:
        cpu, memory = float(self.requests.cpu), float(self.requests.memory)
        requests = {"cpu": self.capacity.cpu(cpu), "memory": self.capacity.memory(memory)}
        spec: dict[str, Any] = {
            "containers": [{"name": "compute", "image": _IMAGE, "resources": {"requests": requests}}],
            "nodeSelector": {SCHEDULABLE: "true", **dict(placement.selector)},
            "tolerations": [{"key": KWOK_NODE, "operator": "Equal", "value": "fake", "effect": "NoSchedule"}],
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": 0,
        }
        if placement.without:
            elsewhere = {"key": HOSTNAME, "operator": "NotIn", "values": list(placement.without)}
            required = {"nodeSelectorTerms": [{"matchExpressions": [elsewhere]}]}
            spec["affinity"] = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}
        return spec


def launcher_of(
    vm: Mapping[str, Any], name: str, capacity: Capacity, placement: Placement = ANYWHERE
) -> dict[str, Any]:
    """Return the pod `name` of a VirtualMachine."""
    uses = consumption(vm)
    asked = vm["spec"].get("requests") or {}
    requests = Consumption(asked.get("cpu", uses.cpu), asked.get("memory", uses.memory))
    metadata = vm["metadata"]
    return Launcher(metadata["namespace"], metadata["name"], uses, requests, capacity).body(name, placement, vm)


def migration_body(
    vm: Mapping[str, Any], name: str, *, evacuates: str = "", node_selector: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Return a migration of a VirtualMachine; `evacuates` is the node that it has to leave, if it has to."""
    namespace, vm_name = vm["metadata"]["namespace"], vm["metadata"]["name"]
    metadata: dict[str, Any] = {
        "name": name,
        "namespace": namespace,
        "labels": {VMI_LABEL: vm_name, MANAGED_BY: MANAGER},
        "ownerReferences": [owner_reference(vm)],
    }
    if evacuates:
        metadata["annotations"] = {EVACUATION: evacuates}
    spec: dict[str, Any] = {"vmiName": vm_name}
    if node_selector:
        spec["addedNodeSelector"] = dict(node_selector)
    return {"apiVersion": API_VERSION, "kind": MIGRATION_KIND, "metadata": metadata, "spec": spec}


def budget_name(vm: str) -> str:
    """Return the name of a VM's PodDisruptionBudget."""
    return f"kubevirt-disruption-budget-{vm}"


def budget_body(vm: Mapping[str, Any], least: int) -> dict[str, Any]:
    """Return the PodDisruptionBudget that lets no pod of a VM be evicted while it has at most `least`."""
    metadata = {
        "name": budget_name(vm["metadata"]["name"]),
        "namespace": vm["metadata"]["namespace"],
        "labels": {MANAGED_BY: MANAGER},
        "ownerReferences": [owner_reference(vm)],
    }
    spec = {"minAvailable": least, "selector": {"matchLabels": {CREATED_BY: vm["metadata"]["uid"]}}}
    return {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": metadata, "spec": spec}


def rounded_up(value: float) -> int:
    """Return a request as a pod has it, in millicores or Mi: a whole number, 1 or more."""
    # What is a whole number but for the last bit of its double stays that number.
    return max(1, math.ceil(round(value, 6)))
