"""VMs as the managers take them."""

from __future__ import annotations

from types import SimpleNamespace


def simulated(name: str, cpu: float = 0.05, memory: float = 0.05) -> SimpleNamespace:
    """Return a VM that uses and requests this much of a node."""
    return SimpleNamespace(
        id=name, cpu_consumption=cpu, memory_consumption=memory, cpu_request=None, memory_request=None
    )
