"""The four measures of the lab and the series in Prometheus that hold them: of a serf, the real machine and a pod."""

from __future__ import annotations

from dataclasses import dataclass

from serflab.lab.prometheus_query import matcher


@dataclass(frozen=True, slots=True)
class Metric:
    """One measure: `rule` is its recording rule by serf, `aggregation` makes the same of the series of its nodes."""

    name: str
    rule: str
    node: str
    real: str
    pod: str
    aggregation: str
    node_unit: str
    pod_unit: str

    def of_serfs(self, **labels: str) -> str:
        """Return the query for the emulated value by serf.

        A Prometheus without serflab's rules has the nodes' series; their average is exact for nodes of one size.
        """
        selector = matcher(**labels)
        return f"sum by (serf) ({self.rule}{selector}) or {self.aggregation} by (serf) ({self.node}{selector})"

    def of_real_machine(self, **labels: str) -> str:
        """Return the query for what the real machine measured at the same point of the trace."""
        return f"avg by (serf) ({self.real}{matcher(**labels)})"

    def of_pod(self, **labels: str) -> str:
        """Return the query for one pod, or for each pod that the labels select, wherever it ran."""
        return f"max by (namespace, pod) ({self.pod}{matcher(**labels)})"


METRICS = {
    metric.name: metric
    for metric in (
        Metric(
            name="cpu",
            rule="serflab:serf_cpu:percent",
            node="emulation_node_cpu_percent",
            real="real_node_cpu_percent",
            pod="emulation_pod_cpu_millicores",
            aggregation="avg",
            node_unit="percent",
            pod_unit="millicores",
        ),
        Metric(
            name="memory",
            rule="serflab:serf_memory:percent",
            node="emulation_node_memory_percent",
            real="real_node_memory_percent",
            pod="emulation_pod_memory_mi",
            aggregation="avg",
            node_unit="percent",
            pod_unit="Mi",
        ),
        Metric(
            name="psi",
            rule="serflab:serf_psi:percent",
            node="emulation_node_psi_percent",
            real="real_node_psi_percent",
            pod="emulation_pod_psi_percent",
            aggregation="max",
            node_unit="percent",
            pod_unit="percent",
        ),
        Metric(
            name="power",
            rule="serflab:serf_power:watts",
            node="emulation_node_power_watts",
            real="real_node_power_watts",
            pod="emulation_pod_power_watts",
            aggregation="sum",
            node_unit="watts",
            pod_unit="watts",
        ),
    )
}
