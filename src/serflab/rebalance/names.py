"""Names that the parts of the loop agree on: those of KubeVirt, the descheduler and our own group."""

from __future__ import annotations

from typing import Final, Literal, get_args

GROUP: Final = "simulation.node-classifier.io"
VERSION: Final = "v1alpha1"
VM_KIND: Final = "VirtualMachine"
VM_PLURAL: Final = "virtualmachines"
MIGRATION_KIND: Final = "VirtualMachineInstanceMigration"
MIGRATION_PLURAL: Final = "virtualmachineinstancemigrations"
API_VERSION: Final = f"{GROUP}/{VERSION}"
VMS_PATH: Final = f"/apis/{API_VERSION}/{VM_PLURAL}"
"""VMs of all namespaces."""
MIGRATIONS_PATH: Final = f"/apis/{API_VERSION}/{MIGRATION_PLURAL}"
BUDGETS_PATH: Final = "/apis/policy/v1/poddisruptionbudgets"

POD_PREFIX: Final = "virt-launcher-"
"""A VM's pod is `virt-launcher-<vm>-<random>`."""

# Labels of a VM's pod.
DOMAIN: Final = "kubevirt.io/domain"
"""Label and annotation: the VM's name."""
VM_NAME: Final = "vm.kubevirt.io/name"
LAUNCHER: Final = "virt-launcher"
"""Value of the labels `app` and `kubevirt.io`."""
MIGRATION_JOB: Final = "kubevirt.io/migrationJobUID"
"""Label of the pod that a migration goes to: the uid of the migration."""
CREATED_BY: Final = "kubevirt.io/created-by"
"""Label: the uid of the VM."""

# Annotations of a VM's pod.
CPU_CONSUMPTION: Final = "kubevirt.io/vm-cpu-consumption"
"""What the VM uses of its node's CPU, a ratio."""
MEMORY_CONSUMPTION: Final = "kubevirt.io/vm-memory-consumption"
EVICT_ONLY: Final = "descheduler.alpha.kubernetes.io/request-evict-only"
"""Tells the descheduler that an eviction of the pod is only a request, which goes on in the background."""
EVICTION_IN_PROGRESS: Final = "descheduler.alpha.kubernetes.io/eviction-in-progress"
"""Set by the controller while the VM has to leave; the descheduler counts such pods as being evicted."""
DELETION_ALLOWED: Final = "simulation.node-classifier.io/deletion-allowed"
"""Set to "true" by who may delete the pod of a running VM, just before it does."""

# Annotations of a VM.
VM_CPU_CONSUMPTION: Final = f"{GROUP}/cpu-consumption"
VM_MEMORY_CONSUMPTION: Final = f"{GROUP}/memory-consumption"

# Of a migration.
VMI_LABEL: Final = "kubevirt.io/vmi-name"
"""Label: the VM."""
EVACUATION: Final = "kubevirt.io/evacuationMigration"
"""Annotation of a migration that an eviction has caused: the node to leave."""

# Labels of a node that takes part.
SCHEDULABLE: Final = "kubevirt.io/schedulable"
NODE_TYPE: Final = "type"
KWOK_TYPE: Final = "kwok"

NODE_CORES: Final = 32
NODE_MEMORY_GIB: Final = 128
NODE_PODS: Final = 500
"""How many pods a node takes. A kubelet's default is 110, which small VMs reach long before the node is out of CPU or
memory (five nodes would take 550 VMs). The loop is about load, so the number of pods is never what a node lacks."""


SAMPLES: Final = "sample_scenarios.json"
"""The scenarios that ship, in the checkout's top folder."""

PsiFormula = Literal["expected-wait", "knee", "none"]
"""How the pressure of a node is computed (`psi.py`)."""
PSI_FORMULAS: Final[tuple[PsiFormula, ...]] = get_args(PsiFormula)
DEFAULT_PSI_FORMULA: Final[PsiFormula] = "expected-wait"


def vm_path(namespace: str, name: str = "") -> str:
    """Return the path of a VM, or of all VMs of a namespace."""
    return _path(f"/apis/{API_VERSION}", namespace, VM_PLURAL, name)


def migration_path(namespace: str, name: str = "") -> str:
    """Return the path of a migration, or of all of a namespace."""
    return _path(f"/apis/{API_VERSION}", namespace, MIGRATION_PLURAL, name)


def budget_path(namespace: str, name: str = "") -> str:
    """Return the path of a PodDisruptionBudget, or of all of a namespace."""
    return _path("/apis/policy/v1", namespace, "poddisruptionbudgets", name)


def _path(api: str, namespace: str, plural: str, name: str) -> str:
    path = f"{api}/namespaces/{namespace}/{plural}"
    return f"{path}/{name}" if name else path
