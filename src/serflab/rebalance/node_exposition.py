"""The metrics of the nodes in the Prometheus text format.

`node` and `instance` are both the node's name: the descheduler finds a node by `instance`, which is why Prometheus has
to scrape this with `honor_labels: true`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from serflab.emulation.exposition import escaped, header

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from serflab.rebalance.node_load import NodeFigures

NODE_METRICS: Final = (
    ("node_cpu_usage_ratio", "CPU that the node's VMs want together, as a ratio of the node; above 1 is overload."),
    ("node_cpu_pressure_psi", "Share of time in which a vCPU on the node waits for a core."),
    ("node_memory_usage_ratio", "Memory that the node's VMs use together, as a ratio of the node."),
    ("node_memory_pressure_psi", "Share of time in which a VM on the node waits for memory."),
    ("node_vm_count", "VMs on the node; one that migrates counts on both of its nodes."),
)


def node_lines(figures: Mapping[str, NodeFigures]) -> Iterator[str]:
    """Yield the lines of all nodes, metric by metric; none at all without nodes."""
    if not figures:
        return
    labels = {name: f'{{node="{escaped(name)}",instance="{escaped(name)}"}} ' for name in figures}
    rows = [
        (labels[name], (node.cpu_usage, node.cpu_pressure, node.memory_usage, node.memory_pressure, node.vms))
        for name, node in figures.items()
    ]
    for column, (metric, meaning) in enumerate(NODE_METRICS):
        yield header(metric, meaning)
        for label, values in rows:
            yield f"{metric}{label}{values[column]!r}"
