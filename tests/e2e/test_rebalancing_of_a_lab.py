"""A loop of rebalancing on a serf of a lab: beside its pods, with the lab's Prometheus, and gone without a trace."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import requests
from playwright.sync_api import expect
from running_lab import on_cluster, until
from test_viewer_accessibility import findings

from bare_serfs import port_block
from serflab.emulation.names import NODES_PATH, PODS_PATH
from serflab.lab.processes import lab_processes
from serflab.rebalance.loop_files import DESCHEDULER_JOB, EXPORTER_JOB
from serflab.rebalance.loop_settings import NAMESPACE, loop_directory
from serflab.rebalance.names import SCHEDULABLE, migration_path

if TYPE_CHECKING:
    from collections.abc import Iterator

    from visiting import Visit

    from serflab.kube.client import ApiClient

SCENARIO_NODES = [f"kwok-node-{number}" for number in range(1, 6)]
CRDS_PATH = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
OF_A_LOOP = (
    CRDS_PATH,
    "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations",
    "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies",
    "/apis/admissionregistration.k8s.io/v1/mutatingadmissionpolicies",
    "/apis/rbac.authorization.k8s.io/v1/clusterroles",
    "/apis/policy/v1/poddisruptionbudgets",
)


def inside(lab: Any, serf: str) -> dict[str, list[str]]:
    """Return the names of all nodes, pods and cluster-wide objects of a serf that a loop might leave behind."""

    async def ask(client: ApiClient) -> dict[str, list[str]]:
        found = {path: (await client.list(path))["items"] for path in (NODES_PATH, PODS_PATH, *OF_A_LOOP)}
        return {path: sorted(item["metadata"]["name"] for item in items) for path, items in found.items()}

    names: dict[str, list[str]] = on_cluster(lab, serf, ask)
    return names


def asked(lab: Any, path: str, **parameters: str) -> Any:
    """Return what the lab's Prometheus answers."""
    answer = requests.get(f"{lab.prometheus_url}/api/v1/{path}", params=parameters, timeout=20).json()
    assert answer["status"] == "success", answer
    return answer["data"]


def jobs(lab: Any, health: str = "") -> set[str]:
    """Return the jobs that have a target (of this health)."""
    targets = asked(lab, "targets", state="active")["activeTargets"]
    return {target["scrapePool"] for target in targets if health in {"", target["health"]}}


def rule_groups(lab: Any) -> set[str]:
    return {group["name"] for group in asked(lab, "rules")["groups"]}


@pytest.fixture(scope="module")
def untouched(
    lab: Any,
) -> dict[str, list[str]]:
    return inside(lab, lab.inventory.serfs[0].name)


@pytest.fixture(scope="module")
def loop(lab: Any, untouched: dict[str, list[str]]) -> Iterator[str]:
    """A loop on the first serf of the lab; the name of that serf."""
    assert untouched[PODS_PATH]
    serf: str = lab.inventory.serfs[0].name
    base = port_block(2) + 200
    ports = f"--port-base={base}", f"--exporter-port={base + 20}"
    try:
        said = lab.serflab("rebalance", "up", f"--serf={serf}", "--interval=16", *ports).stderr
        assert f"also of the loop, by the label {SCHEDULABLE}=true: {', '.join(untouched[NODES_PATH])}" in said
        yield serf
    finally:
        lab.serflab("rebalance", "down")


def test_vms_migrate_beside_the_pods_of_the_lab(lab: Any, loop: str, untouched: dict[str, list[str]]) -> None:
    async def succeeded(client: ApiClient) -> bool:
        found = (await client.list(migration_path(NAMESPACE)))["items"]
        return any((item.get("status") or {}).get("phase") == "Succeeded" for item in found)

    until(lambda: on_cluster(lab, loop, succeeded))
    assert set(untouched[PODS_PATH]) < set(inside(lab, loop)[PODS_PATH])
    assert lab.status()["healthy"]


def test_the_prometheus_of_the_lab_scores_all_nodes_and_scrapes_the_programs(
    lab: Any, loop: str, untouched: dict[str, list[str]]
) -> None:
    assert loop
    until(lambda: {EXPORTER_JOB, DESCHEDULER_JOB} <= jobs(lab, "up"))
    assert "descheduler" in rule_groups(lab)
    scored = asked(lab, "query", query="descheduler:node:cpu_focused:avg1m")["result"]
    assert {series["metric"]["instance"] for series in scored} == {*untouched[NODES_PATH], *SCENARIO_NODES}
    assert asked(lab, "query", query=f'descheduler_build_info{{job="{DESCHEDULER_JOB}"}}')["result"]


def test_its_page_is_a_tab_of_the_serf(visit: Visit, loop: str, untouched: dict[str, list[str]]) -> None:
    page = visit.open(f"#node={loop}&tab=rebalancing")
    expect(page.locator("#panel h2")).to_have_text(loop)
    expect(page.locator(".loop-node")).to_have_count(len(untouched[NODES_PATH]) + len(SCENARIO_NODES))
    tabs = page.get_by_role("tab").all_inner_texts()
    assert {"Overview", "Rebalancing"} < set(tabs)
    assert findings(page) == []


def test_down_takes_away_all_of_it_and_nothing_else(lab: Any, loop: str, untouched: dict[str, list[str]]) -> None:
    assert "taking the loop out" in lab.serflab("rebalance", "down").stderr

    # Kubernetes' garbage collector takes budgets and pods after their VMs.
    until(lambda: inside(lab, loop) == untouched)
    until(lambda: not {EXPORTER_JOB, DESCHEDULER_JOB} & jobs(lab))
    until(lambda: "descheduler" not in rule_groups(lab))
    assert not loop_directory(lab.state_dir).exists()
    assert not list(lab_processes(loop_directory(lab.state_dir)))
    assert lab.status()["healthy"]
