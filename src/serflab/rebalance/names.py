"""Names that the parts of the loop agree on: those of KubeVirt, the descheduler and our own group."""

from __future__ import annotations

from typing import Final

GROUP: Final = "simulation.node-classifier.io"
VERSION: Final = "v1alpha1"
VM_KIND: Final = "VirtualMachine"
VM_PLURAL: Final = "virtualmachines"
MIGRATION_KIND: Final = "VirtualMachineInstanceMigration"
MIGRATION_PLURAL: Final = "virtualmachineinstancemigrations"

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

# Annotations of a VM's pod.
CPU_CONSUMPTION: Final = "kubevirt.io/vm-cpu-consumption"
"""What the VM uses of its node's CPU, a ratio."""
MEMORY_CONSUMPTION: Final = "kubevirt.io/vm-memory-consumption"
EVICT_ONLY: Final = "descheduler.alpha.kubernetes.io/request-evict-only"
"""Tells the descheduler that an eviction of the pod is only a request, which goes on in the background."""
EVICTION_IN_PROGRESS: Final = "descheduler.alpha.kubernetes.io/eviction-in-progress"
DELETION_ALLOWED: Final = "simulation.node-classifier.io/deletion-allowed"
"""Set to "true" by who may delete the pod of a running VM, just before it does."""

# Labels of a node that takes part.
SCHEDULABLE: Final = "kubevirt.io/schedulable"
NODE_TYPE: Final = "type"
KWOK_TYPE: Final = "kwok"

NODE_CORES: Final = 32
NODE_MEMORY_GIB: Final = 128
