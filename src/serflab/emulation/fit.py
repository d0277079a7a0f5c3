"""Whether the pods of a config fit their nodes, asked before anything is created."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from serflab.emulation.objects import pod_requests
from serflab.errors import Finding

if TYPE_CHECKING:
    from collections.abc import Iterable

    from serflab.emulation.objects import RequestPolicy
    from serflab.traces.model import EmulationConfig, NodeSpec, PodTrace

_HINT = "make the node larger, or let the pods request less: --cpu-request and --memory-request"


@dataclass(frozen=True, slots=True)
class _Need:
    """What pods request together (`largest` of all: one alone), in millicores and Mi."""

    cpu: int
    memory: int
    pods: int


def requests_that_do_not_fit(config: EmulationConfig, policy: RequestPolicy) -> list[Finding]:
    """Return a finding for everything that is requested beyond the capacity of the nodes.

    With a node of their own the pods' sum counts; in a pool each pod must fit one node and their sum all nodes together
    (that they can be packed is then still for the scheduler to find out).
    """
    if config.node_config.mode == "pool":
        return _pool_findings(config, policy)
    findings: list[Finding] = []
    for node in config.nodes:
        pods = [pod for pod in config.pods if config.node_for(pod.namespace) == node.name]
        need = _sum(pods, policy)
        place = f"node {node.name!r}"
        findings += _compare(config.file, place, need, node.cpu_millicores, node.memory_mi)
    return findings


def _pool_findings(config: EmulationConfig, policy: RequestPolicy) -> list[Finding]:
    findings: list[Finding] = []
    largest = max(config.nodes, key=_size)
    for index, pod in enumerate(config.pods):
        need = _sum([pod], policy)
        path = f"$.pods[{index}]"
        findings += _compare(
            config.file, "the largest node of the pool", need, largest.cpu_millicores, largest.memory_mi, path=path
        )
    cpu = sum(node.cpu_millicores for node in config.nodes)
    memory = sum(node.memory_mi for node in config.nodes)
    place = f"the pool of {len(config.nodes)} nodes"
    return findings + _compare(config.file, place, _sum(config.pods, policy), cpu, memory)


def _compare(  # noqa: PLR0913 - two amounts, and where they were found
    file: str, place: str, need: _Need, cpu: float, memory: float, *, path: str = "$.node_config"
) -> list[Finding]:
    who = "a pod requests" if need.pods == 1 else f"its {need.pods} pods request"
    findings = []
    for what, wanted, there, unit in (("CPU", need.cpu, cpu, "m"), ("memory", need.memory, memory, "Mi")):
        if wanted > there:
            findings.append(
                Finding(file, path, f"{place} has {there:.0f}{unit} of {what}, {who} {wanted}{unit}", _HINT)
            )
    return findings


def _sum(pods: Iterable[PodTrace], policy: RequestPolicy) -> _Need:
    requests = [pod_requests(pod.series, policy) for pod in pods]
    return _Need(
        cpu=sum(request.cpu or 0 for request in requests),
        memory=sum(request.memory or 0 for request in requests),
        pods=len(requests),
    )


def _size(node: NodeSpec) -> float:
    return node.cpu_millicores
