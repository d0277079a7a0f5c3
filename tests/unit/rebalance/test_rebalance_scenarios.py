"""Scenarios: those that ship, reading them, and everything that can be wrong with one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from serflab.errors import InputError
from serflab.rebalance.names import SAMPLES
from serflab.rebalance.scenario import VM, Node, Scenario
from serflab.rebalance.scenario_check import (
    check_scenario,
    find_file,
    load_scenario,
    load_scenarios,
    names_to_choose,
)
from serflab.rebalance.scenario_generate import Recipe, generate
from serflab.traces.names import subdomain_problem

CHECKOUT = Path(__file__).resolve().parents[3]
UNQUOTED = "write the number without quotes and unit"
TEMPLATES = CHECKOUT / "workload_templates"


@pytest.fixture(scope="module")
def samples() -> dict[str, Scenario]:
    return load_scenarios(CHECKOUT / SAMPLES)


def findings(data: object) -> list[str]:
    with pytest.raises(InputError) as caught:
        check_scenario(data, "scenario.json", TEMPLATES)
    return [str(finding).removeprefix("scenario.json: ") for finding in caught.value.findings]


def test_the_five_that_ship(samples):
    assert list(samples) == ["balanced", "hot-node", "memory-heavy", "bursty", "large"]


def test_balanced_is_balanced_but_for_a_few_points(samples):
    nodes = samples["balanced"].nodes
    assert len(nodes) == 5
    for usage, mean in zip(zip(*(node.usage() for node in nodes), strict=True), (0.5, 0.45), strict=True):
        assert len({round(value, 4) for value in usage}) == 5
        assert sum(usage) / 5 == pytest.approx(mean)
        assert max(usage) - min(usage) == pytest.approx(0.03)


def test_the_hot_node_and_the_memory_heavy_ones_stand_out(samples):
    assert samples["hot-node"].nodes[0].usage()[0] > 3 * max(node.usage()[0] for node in samples["hot-node"].nodes[1:])
    memory = [node.usage()[1] for node in samples["memory-heavy"].nodes]
    assert min(memory[:2]) > 3 * max(memory[2:])


def test_bursty_loads_change_and_keep_their_mean(samples):
    vm = samples["bursty"].nodes[0].vms[0]
    loads = [vm.load(point)[0] for point in range(len(vm.series))]
    assert max(loads) > 2 * min(loads)
    assert sum(loads) / len(loads) == pytest.approx(vm.cpu_consumption)


def test_the_large_one_has_its_size_and_its_load(samples):
    nodes = samples["large"].nodes
    assert len(nodes) == 100
    assert sum(len(node.vms) for node in nodes) == 2000
    assert sum(node.usage()[0] for node in nodes) / 100 == pytest.approx(0.55, abs=1e-3)
    assert max(node.usage()[0] for node in nodes) > 2 * min(node.usage()[0] for node in nodes)


def test_a_recipe_makes_the_same_again_and_another_with_a_number():
    recipe = Recipe(nodes=7, vms=50, seed=3)
    assert generate(recipe) == generate(recipe)
    assert generate(recipe, again=1) != generate(recipe)
    assert {vm.id for node in generate(recipe, again=1) for vm in node.vms} == {f"vm-{i:02d}" for i in range(1, 51)}


def test_vms_that_use_more_than_their_node_has_request_what_it_has():
    nodes = generate(Recipe(nodes=10, vms=200, cpu=0.7, memory=0.4, imbalance=0.8))
    over = [node for node in nodes if node.usage()[0] > 1]
    assert 0 < len(over) < len(nodes)
    for node in over:
        assert 0.98 < sum(vm.requests[0] for vm in node.vms) <= 0.991
        assert {vm.requests[1] == vm.memory_consumption for vm in node.vms} == {node.usage()[1] <= 0.99}
    assert all(vm.cpu_request is None for node in nodes if node.usage()[0] < 0.99 for vm in node.vms)


def test_a_written_scenario_reads_back(samples):
    for scenario in samples.values():
        again = check_scenario(json.loads(json.dumps(scenario.document())), "again")
        assert [(node.name, len(node.vms)) for node in again.nodes] == [(n.name, len(n.vms)) for n in scenario.nodes]
        assert [vm.load(3) for vm in again.vms()] == [vm.load(3) for vm in scenario.vms()]


def test_one_scenario_without_a_name(tmp_path):
    file = tmp_path / "mine.json"
    file.write_text(
        json.dumps({"nodes": [{"name": "a", "vms": [{"id": "v", "cpu_consumption": 0.5, "memory_consumption": 1}]}]})
    )
    scenario = load_scenario(file)
    assert scenario.name == "mine"
    assert scenario.nodes == [Node("a", vms=[VM("v", 0.5, 1.0)])]


def test_a_file_with_several_needs_a_name_that_is_there():
    file = CHECKOUT / SAMPLES
    assert load_scenario(f"{file}:bursty").name == "bursty"
    with pytest.raises(InputError, match=r"several scenarios, which one\?\n  hint: it has balanced, hot-node"):
        load_scenario(file)
    with pytest.raises(InputError, match=r'no scenario "hotnode"\n  hint: did you mean "hot-node"'):
        load_scenario(f"{file}:hotnode")


def test_there_is_something_to_choose_in_a_file_with_several_unless_one_is_named(tmp_path):
    assert names_to_choose(CHECKOUT / SAMPLES) == ["balanced", "hot-node", "memory-heavy", "bursty", "large"]
    one = {"nodes": [{"name": "a"}]}
    for number, document in enumerate((one, {"scenarios": {"only": one}}, {"scenarios": []}, [])):
        file = tmp_path / f"{number}.json"
        file.write_text(json.dumps(document))
        assert names_to_choose(file) == []
    assert names_to_choose(f"{CHECKOUT / SAMPLES}:bursty") == []


def test_templates_beside_the_file_come_before_those_of_the_checkout(tmp_path):
    file, own = tmp_path / "mine.json", tmp_path / "workload_templates"
    vms = [{"id": name, "template": name} for name in ("mine", "web-diurnal")]
    file.write_text(json.dumps({"nodes": [{"name": "a", "vms": vms}]}))
    with pytest.raises(InputError, match='no workload template "mine"'):
        load_scenario(file, TEMPLATES)
    own.mkdir()
    web = (TEMPLATES / "web-diurnal.json").read_text()
    (own / "mine.json").write_text(web.replace("web-diurnal", "mine"))
    mine, shipped = load_scenario(file, TEMPLATES).vms()
    assert mine.series == shipped.series
    assert len(mine.series) > 1


@pytest.mark.parametrize("name", ["", ":bursty"])
def test_a_file_is_the_one_from_here_then_that_of_the_checkout(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    assert find_file(f"{SAMPLES}{name}", CHECKOUT) == f"{CHECKOUT / SAMPLES}{name}"
    assert find_file(f"no.json{name}", CHECKOUT) == f"{tmp_path / 'no.json'}{name}"
    (tmp_path / SAMPLES).write_text("{}")
    assert find_file(f"{SAMPLES}{name}", CHECKOUT) == f"{tmp_path / SAMPLES}{name}"


def test_where_a_vm_runs_is_no_part_of_a_scenario(caplog):
    vm = {"id": "v", "cpu_consumption": 0.5, "memory_consumption": 0.5}
    plain = check_scenario({"nodes": [{"name": "a"}], "vms": [vm]}, "body")
    told = check_scenario({"nodes": [{"name": "a"}], "vms": [{**vm, "scheduled_node": "b"}]}, "body")
    assert "$.vms[0].scheduled_node: unknown key, ignored" in caplog.text
    told.unplaced[0].scheduled_node = "a"
    assert told.digest() == plain.digest()


def test_requests_follow_consumption_unless_they_are_given():
    assert VM("a", 0.1, 0.2).requests == (0.1, 0.2)
    assert VM("a", 0.1, 0.2, cpu_request=0.3, memory_request=0.4).requests == (0.3, 0.4)


def test_usage_is_that_of_the_nodes_own_capacity():
    assert Node("small", cpu_cores=16, memory_gib=256, vms=[VM("a", 0.25, 0.5)]).usage() == (0.5, 0.25)


def test_all_findings_at_once():
    vm = {"id": "v", "cpu_consumption": 0.1, "memory_consumption": 0.1}
    data = {
        "step_seconds": 0,
        "nodes": [
            {"name": "Node_1", "cpu_cores": "32", "vms": [vm, {**vm, "cpu_consumption": -1}]},
            {"name": "b", "vms": [{"id": "x" * 50, "memory_consumption": 0.1}, {**vm, "id": "w", "template": "brust"}]},
            {"name": "b", "vms": [{**vm, "id": "t", "vcpus": 1.5, "time_series": [{"cpu": 1}]}]},
        ],
    }
    assert findings(data) == [
        "$.step_seconds: expected a number in seconds above 0, found 0",
        f"$.nodes[0].name: {subdomain_problem('Node_1')}\n  hint: 'node-1' would be accepted",
        f'$.nodes[0].cpu_cores: expected a number in cores, found "32"\n  hint: {UNQUOTED}',
        '$.nodes[0].vms[1].id: a second VM "v"\n  hint: the first one is $.nodes[0].vms[0]',
        "$.nodes[0].vms[1].cpu_consumption: expected a number in ratios of a node above 0, found -1",
        "$.nodes[1].vms[0].cpu_consumption: missing",
        "$.nodes[1].vms[0].id: too long: the VM's pod adds to it, so at most 43 characters; this one has 50",
        '$.nodes[1].vms[1].template: there is no workload template "brust"\n  hint: did you mean "burst"?',
        '$.nodes[2].name: a second node "b"',
        "$.nodes[2].vms[0].time_series[0].memory: missing",
        "$.nodes[2].vms[0].vcpus: expected a whole number of at least 1, found 1.5",
    ]


@pytest.mark.parametrize(
    ("data", "finding"),
    [
        ([], "$: expected an object, found an empty list"),
        ({}, '$: a scenario needs nodes\n  hint: write "nodes", or "generate" to have them made'),
        ({"nodes": []}, "$.nodes: expected a list with at least one element, found an empty list"),
        ({"generate": {"nodes": 3}}, "$.generate.vms: missing"),
        ({"generate": {"nodes": 0, "vms": 1}}, "$.generate.nodes: expected a whole number of at least 1, found 0"),
        (
            {"generate": {"nodes": 1, "vms": 1, "imbalance": 2}},
            "$.generate.imbalance: expected a number from 0 to 1, found 2",
        ),
        (
            {"generate": {"nodes": 1, "vms": 1}, "nodes": [{"name": "a"}]},
            "$.nodes: there is also a generate\n  hint: keep one of them",
        ),
        (
            {"nodes": [{"name": "a", "vms": {}}]},
            "$.nodes[0].vms: expected a list with at least one element, found an empty object",
        ),
    ],
)
def test_one_finding(data, finding):
    assert findings(data) == [finding]
