"""What would make the descheduler give up a cycle, or migrate past its limits: found before it does."""

from __future__ import annotations

import asyncio
import contextlib
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import psutil

from serflab.emulation.names import NODES_PATH, PODS_PATH, pod_path
from serflab.errors import InputError, SerflabError
from serflab.kube.client import ONCE, ApiError, with_query
from serflab.lab.supervisor import Supervisor
from serflab.rebalance import in_cluster
from serflab.rebalance.algorithms import check_size
from serflab.rebalance.descheduler import EVICTIONS_IN_BACKGROUND
from serflab.rebalance.eviction import DEFAULT_STRATEGY, is_migratable, strategy_of
from serflab.rebalance.launchers import SELECTOR, is_live, name_of, node_of, phase_of, vm_of
from serflab.rebalance.loop_files import EXPORTER_JOB
from serflab.rebalance.loop_programs import DESCHEDULER, full_name
from serflab.rebalance.loop_settings import NAMESPACE
from serflab.rebalance.names import EVICT_ONLY, EVICTION_IN_PROGRESS, KWOK_TYPE, MIGRATION_JOB, NODE_TYPE, SCHEDULABLE
from serflab.rebalance.placement import is_ready
from serflab.rebalance.policy_check import load_policy
from serflab.rebalance.questions import PrometheusError, api, is_up, node_scores
from serflab.rebalance.virtual_machines import list_vms

if TYPE_CHECKING:
    from collections.abc import Mapping

    from serflab.kube.client import ApiClient
    from serflab.rebalance.loop_settings import Loop

EVACUATION_TEXT: Final = "Eviction triggered evacuation"
"""What the descheduler looks for in a 429; without it, it takes the next pod, and the next."""
_ANSWER_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is in the descheduler's way: where it is, what it is, and what to do."""

    where: str
    problem: str
    hint: str = ""

    def __str__(self) -> str:
        """Return `WHERE: PROBLEM` and the hint on a line of its own."""
        text = f"{self.where}: {self.problem}"
        return f"{text}\n  hint: {self.hint}" if self.hint else text


@dataclass(frozen=True, slots=True)
class Preflight:
    """The checks of one loop."""

    loop: Loop

    def problems(self) -> list[Problem]:
        """Return everything that is in the way now; nothing when the next cycle can do its work."""
        found = [*self._policy(), *self._environment(), *self._gate()]
        try:
            nodes, of_cluster = asyncio.run(self._cluster())
        except (SerflabError, TimeoutError) as error:
            why = str(error) or f"no answer within {_ANSWER_SECONDS:g} s"
            return [*found, Problem("the API server", why, "`serflab rebalance up` repairs the loop")]
        return [*found, *of_cluster, *self._samples(nodes)]

    def _policy(self) -> list[Problem]:
        try:
            load_policy(self.loop.policy)
        except InputError as error:
            again = "`serflab rebalance up` writes it anew"
            return [Problem(f"{item.file}: {item.path}", item.problem, item.hint or again) for item in error.findings]
        return []

    def _environment(self) -> list[Problem]:
        error = in_cluster.is_possible(self.loop.pki / "ca.crt")
        return [] if error is None else [Problem("the descheduler's environment", error.message, error.hint)]

    def _gate(self) -> list[Problem]:
        """Look at the running descheduler, if it runs, for the gate that makes a 429 an eviction in the background."""
        try:
            pid = Supervisor(self.loop.directory).state(full_name(DESCHEDULER)).pid
            command = psutil.Process(pid).cmdline() if pid else []
        except (SerflabError, psutil.Error):
            return []
        if not command or any(f"{EVICTIONS_IN_BACKGROUND}=true" in word for word in command):
            return []
        hint = "every refused eviction is an error to it: all VMs of a hot node would migrate in one cycle"
        return [Problem("the descheduler", f"it runs without the feature gate {EVICTIONS_IN_BACKGROUND}", hint)]

    async def _cluster(self) -> tuple[list[str], list[Problem]]:
        """Return the names of the nodes that take part, and the problems that the API server tells of."""
        async with asyncio.timeout(_ANSWER_SECONDS), api(self.loop) as client:
            nodes = (await client.list(NODES_PATH))["items"]
            pods = (await client.list(PODS_PATH, params={"labelSelector": SELECTOR}))["items"]
            vms = {name_of(vm): vm for vm in await list_vms(client, NAMESPACE)}
            tried = next((pod for pod in pods if _can_be_tried(pod, vms)), None)
            problems = [*_node_problems(nodes), *_pod_problems(pods), *await _webhook_problems(client, tried)]
        return [node["metadata"]["name"] for node in nodes if _takes_part(node)], problems

    def _samples(self, nodes: list[str]) -> list[Problem]:
        try:
            scores = node_scores(self.loop)
        except PrometheusError as error:
            return [Problem(f"Prometheus at {self.loop.prometheus}", error.message, error.hint)]
        try:
            check_size(self.loop.algorithm, len(nodes))
        except InputError as error:
            return [Problem("the algorithm", item.problem, item.hint) for item in error.findings]
        return _sample_problems(scores, nodes, self._why_missing())

    def _why_missing(self) -> str:
        with contextlib.suppress(PrometheusError):
            if not is_up(self.loop, EXPORTER_JOB):
                return f"the exporter at {self.loop.exporter} is not scraped; `{self.loop.exporter}/health` tells more"
        return "a node has a score once all four of its inputs have been scraped"


def _sample_problems(scores: Mapping[str, float], nodes: list[str], why: str) -> list[Problem]:
    """Return what is wrong with the scores of these nodes; each of it ends the cycle without an eviction."""
    found = [Problem(f"node {node}", "Prometheus has no score of it", why) for node in nodes if node not in scores]
    for node, value in scores.items():
        if math.isnan(value):
            hint = "the descheduler would read it as an undefined number"
            found.append(Problem(f"node {node}", "its score is NaN", hint))
        elif not 0 <= value <= 1:
            found.append(Problem(f"node {node}", f"its score is {value:g}, outside of 0 to 1", "see the rules"))
    return found


def _takes_part(node: Mapping[str, Any]) -> bool:
    return (node["metadata"].get("labels") or {}).get(SCHEDULABLE) == "true" and is_ready(node)


def _node_problems(nodes: list[dict[str, Any]]) -> list[Problem]:
    found = []
    for node in nodes:
        name, labels = node["metadata"]["name"], node["metadata"].get("labels") or {}
        if labels.get(NODE_TYPE) == KWOK_TYPE and labels.get(SCHEDULABLE) != "true":
            hint = f"`kubectl label node {name} {SCHEDULABLE}=true`"
            found.append(Problem(f"node {name}", f"it has not the label {SCHEDULABLE}=true and is left out", hint))
        elif labels.get(SCHEDULABLE) == "true" and node["spec"].get("unschedulable"):
            found.append(Problem(f"node {name}", "it is cordoned: no VM can move to it", f"`kubectl uncordon {name}`"))
        elif labels.get(SCHEDULABLE) == "true" and not is_ready(node):
            found.append(
                Problem(f"node {name}", "it is not ready and is left out", "`kubectl describe node` tells why")
            )
    count = sum(map(_takes_part, nodes))
    if count < 2:
        hint = f"it moves VMs between nodes with the label {SCHEDULABLE}=true"
        found.append(Problem("nodes", f"{count} take part, the descheduler needs 2", hint))
    return found


def _pod_problems(pods: list[dict[str, Any]]) -> list[Problem]:
    without = [
        pod["metadata"]["name"]
        for pod in pods
        if is_live(pod) and EVICT_ONLY not in (pod["metadata"].get("annotations") or {})
    ]
    if not without:
        return []
    some = ", ".join(sorted(without)[:3])
    hint = "the descheduler would take each refused eviction for an error and try the next pod"
    return [Problem(f"pods {some}", f"{len(without)} have not the annotation {EVICT_ONLY}", hint)]


async def _webhook_problems(client: ApiClient, pod: Mapping[str, Any] | None) -> list[Problem]:
    """Ask for the eviction of a VM's pod, if there is one, as a dry run; the answer has to be KubeVirt's."""
    if pod is None:
        return []
    metadata = pod["metadata"]
    path = f"{pod_path(metadata['namespace'], metadata['name'])}/eviction"
    named = {"name": metadata["name"], "namespace": metadata["namespace"]}
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": named, "deleteOptions": {"dryRun": ["All"]}}
    hint = "is it running? `serflab rebalance status` tells, its log is webhook.log"
    try:
        await client.request("POST", with_query(path, {"dryRun": "All"}), body=body, retry=ONCE)
    except ApiError as error:
        if error.status == 404 or EVACUATION_TEXT in error.text:
            return []
        return [Problem("the eviction webhook", f"an eviction is answered {error.status}: {error.text}", hint)]
    return [Problem("the eviction webhook", "an eviction goes through and would end a VM: nobody intercepts it", hint)]


def _can_be_tried(pod: Mapping[str, Any], vms: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether a webhook that works has to answer the eviction of a pod by an evacuation; `vms` by name."""
    metadata, vm = pod["metadata"], vms.get(vm_of(pod))
    if vm is None or metadata["namespace"] != NAMESPACE or not is_migratable(vm):
        return False
    if strategy_of(vm, DEFAULT_STRATEGY) != DEFAULT_STRATEGY:
        return False
    moves = MIGRATION_JOB in (metadata.get("labels") or {}) or EVICTION_IN_PROGRESS in (
        metadata.get("annotations") or {}
    )
    runs = is_live(pod) and phase_of(pod) == "Running" and bool(node_of(pod))
    return runs and node_of(pod) == (vm.get("status") or {}).get("nodeName") and not moves
