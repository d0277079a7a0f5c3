"""What a loop is asked for: its times, its files, what is kept of it, and what is wrong with the options."""

import json
import math
from pathlib import Path
from unittest.mock import Mock

import pytest
import yaml
from click.testing import CliRunner

from serflab.cli.main import serflab_command
from serflab.cli.rebalance_controller import controller
from serflab.cli.rebalance_exporter import exporter
from serflab.errors import InputError, SerflabError
from serflab.lab import plan, state
from serflab.lab.inventory import STATE_ENV, Inventory, Serf
from serflab.rebalance import loop as runtime
from serflab.rebalance import preflight
from serflab.rebalance.emulator_settings import Settings
from serflab.rebalance.loop_files import takes_more, write_policy, write_prometheus
from serflab.rebalance.loop_programs import LoopPrograms
from serflab.rebalance.loop_settings import Loop, Times, load_loop, loop_directory
from serflab.rebalance.placement import check_room, node_body, nodes_for
from serflab.rebalance.policy_check import load_policy
from serflab.rebalance.scenario import VM, Node, Scenario
from serflab.rebalance.scenario_check import load_scenario

CHECKOUT = Path(__file__).resolve().parents[3]


def a_loop(tmp_path, **values):
    return Loop.on_its_own_serf(CHECKOUT, tmp_path / "lab", 21900, **{"nodes": 5, "algorithm": "cpu_focused"} | values)


@pytest.mark.parametrize("interval", [8, 10, 30, 60, 300])
def test_a_cycle_sees_what_the_one_before_did(interval):
    times = Times.of(interval)
    assert times.migration + 2 * times.scrape + times.window < interval
    assert times.window >= 3 * times.scrape


def test_the_largest_vm_migrates_in_the_time_for_migrations():
    times = Times.of(60)
    scenario = Scenario("s", [Node("a", vms=[VM("small", 0.1, 0.01), VM("large", 0.1, 0.5)])])
    # 64 GiB at KubeVirt's 64 MiB/s.
    assert 1024 / times.time_scale(scenario) == pytest.approx(times.migration)
    assert times.time_scale(Scenario("none", [])) == 1


def test_what_is_kept_is_read_again(tmp_path):
    loop = a_loop(tmp_path, since=12.5)
    loop.save()
    assert load_loop(tmp_path / "lab") == loop


def test_no_loop_and_one_that_cannot_be_read_are_told_apart(tmp_path):
    with pytest.raises(SerflabError, match="no rebalancing loop is up"):
        load_loop(tmp_path / "lab")
    loop = a_loop(tmp_path)
    loop.save()
    (loop.directory / "loop.json").write_text('{"checkout": 1')
    with pytest.raises(SerflabError, match=r"loop\.json cannot be read"):
        load_loop(tmp_path / "lab")


def test_its_own_prometheus_scrapes_and_averages_as_the_interval_allows(tmp_path):
    loop = a_loop(tmp_path, interval=36.0)
    assert write_prometheus(loop)
    assert not write_prometheus(loop)
    directory = loop.directory / "prometheus"
    assert takes_more(directory)
    exporter, descheduler = yaml.safe_load((directory / "scrape/rebalance.yml").read_text())["scrape_configs"]
    assert exporter["honor_labels"]
    assert exporter["scrape_interval"] == "3000ms"
    assert exporter["static_configs"] == [{"targets": ["127.0.0.1:8000"], "labels": {"serf": "rebalance"}}]
    assert descheduler["scheme"] == "https"
    rules = (directory / "rules/rebalance.yml").read_text()
    assert "[12000ms]" in rules
    assert yaml.safe_load(rules)["groups"][0]["interval"] == "3000ms"


def test_the_labs_prometheus_gets_files_beside_its_own_configuration(tmp_path):
    loop = a_loop(tmp_path, serf="serf1", central=True)
    write_prometheus(loop)
    directory = tmp_path / "lab" / "prometheus"
    assert sorted(str(path.relative_to(directory)) for path in directory.rglob("*.yml")) == [
        "rules/rebalance.yml",
        "scrape/rebalance.yml",
    ]
    assert not takes_more(directory)
    (directory / "prometheus.yml").write_text((CHECKOUT / "prometheus.yml").read_text())
    assert takes_more(directory)


def test_the_policy_asks_for_the_scores_of_this_loop(tmp_path):
    loop = a_loop(tmp_path, serf="serf3", target_threshold=7.0)
    assert write_policy(loop)
    assert not write_policy(loop)
    assert write_policy(loop.changed(algorithm="max_metric"))
    policy = load_policy(loop.policy)
    arguments = policy["profiles"][0]["pluginConfig"][1]["args"]
    assert arguments["targetThresholds"] == {"MetricResource": 7.0}
    assert arguments["metricsUtilization"]["prometheus"]["query"] == 'descheduler:node:max_metric:avg1m{serf="serf3"}'


def test_each_program_is_a_group_of_its_own(tmp_path):
    programs = dict.fromkeys(("prometheus", "descheduler"), Path("/bin/true"))
    own = LoopPrograms(a_loop(tmp_path), programs, 9.1)
    assert [program.full_name for program in own.for_supervisor()] == [
        f"{part}:{part}" for part in ("prometheus", "webhook", "controller", "exporter", "descheduler")
    ]
    assert "--time-scale=9.100" in own.command("controller")
    strategies = [
        [item for item in own.command(part) if item.startswith("--default-strategy")]
        for part in ("webhook", "controller")
    ]
    assert strategies[0] == strategies[1] != []
    assert f"--scenario={CHECKOUT}/sample_scenarios.json:hot-node" in own.command("exporter")
    assert "--play-only" in own.command("exporter")
    assert "--instance=rebalance" in own.command("exporter")
    assert "--feature-gates=EvictionsInBackground=true" in own.command("descheduler")
    central = LoopPrograms(a_loop(tmp_path, serf="serf1", central=True), programs, 1)
    assert "prometheus" not in central.parts()


def test_a_scenario_is_filled_up_with_empty_nodes():
    scenario = Scenario("s", [Node("kwok-node-2"), Node("big", cpu_cores=64)])
    assert [node.name for node in nodes_for(scenario, 4)] == ["kwok-node-2", "big", "kwok-node-1", "kwok-node-3"]
    assert len(nodes_for(scenario, None)) == 2
    with pytest.raises(SerflabError, match="has 2 nodes, more than 1"):
        nodes_for(scenario, 1)


def test_vms_that_cannot_start_on_their_node_are_told_beforehand():
    full = Node("full", cpu_cores=16, vms=[VM("vm-1", 0.3, 0.1), VM("vm-2", 0.2, 0.1)])
    check_room([full], "scenario.json")
    full.vms.append(VM("vm-3", 0.05, 0.81))
    many = Node("many", vms=[VM(f"small-{index}", 0.001, 0.001) for index in range(501)])
    with pytest.raises(InputError) as raised:
        check_room([full, many], "scenario.json")
    told = str(raised.value)
    assert "scenario.json: the VMs of full request 110.0% of its CPU and 101.0% of its memory: " in told
    assert "scenario.json: many has 501 VMs, more than the 500 pods that a node takes" in told
    full.vms[2].cpu_request, full.vms[2].memory_request = 0.0, 0.7
    with pytest.raises(InputError, match=r"request 100\.0% of its CPU: "):
        check_room([full], "scenario.json")  # a request is a millicore at least


def test_the_vms_of_each_sample_have_room_where_they_start():
    for name in ("balanced", "hot-node", "memory-heavy", "bursty", "large"):
        found = load_scenario(f"{CHECKOUT / 'sample_scenarios.json'}:{name}", CHECKOUT / "workload_templates")
        check_room(found.nodes, name)


def test_a_node_takes_part_and_takes_vms_only():
    body = node_body(Node("big", cpu_cores=64, memory_gib=256))
    assert body["metadata"]["labels"]["kubevirt.io/schedulable"] == "true"
    assert body["metadata"]["labels"]["type"] == "kwok"
    assert body["spec"]["taints"] == [{"key": "kwok.x-k8s.io/node", "value": "fake", "effect": "NoSchedule"}]
    assert body["status"]["capacity"] == {"cpu": "64", "memory": "256Gi", "pods": "500"}


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setenv(STATE_ENV, str(tmp_path / "lab"))

    def invoke(*arguments):
        return CliRunner().invoke(serflab_command, ["rebalance", *arguments])

    return invoke


def test_a_dry_run_says_what_would_be_done_and_does_nothing(run, tmp_path):
    done = run("up", "--dry-run", "--nodes", "7", "--interval", "30")
    assert done.exit_code == 0, done.output
    assert "scenario hot-node: 7 nodes, 22 VMs" in done.output
    assert "a cycle every 30 s: scrapes every 2.5 s, averages over 10 s, migrations up to 13.5 s" in done.output
    assert "\nideal_point_positive_distance, over the average by 10, under it by 0" in done.output
    assert not (tmp_path / "lab").exists()


OTHERS = {
    "max_total": 8,
    "max_per_node": 3,
    "eviction_limit": 1,
    "create_first": False,
    "exclude_source": False,
    "requests": "equal",
    "psi": "knee",
}


def test_a_loop_that_was_kept_before_there_were_these_settings_has_their_defaults(tmp_path):
    loop = a_loop(tmp_path)
    loop.save()
    file = loop.directory / "loop.json"
    kept = json.loads(file.read_text())
    file.write_text(json.dumps({key: value for key, value in kept.items() if key not in OTHERS}))
    assert load_loop(tmp_path / "lab") == loop
    loop.changed(**OTHERS).save()
    assert load_loop(tmp_path / "lab") == loop.changed(**OTHERS)


def test_the_defaults_of_a_loop_are_those_of_the_comparison(tmp_path):
    loop, offline = a_loop(tmp_path), Settings()
    assert all(getattr(loop, name) == getattr(offline, name) for name in OTHERS if name != "eviction_limit")
    write_policy(loop)
    arguments = load_policy(loop.policy)["profiles"][0]["pluginConfig"][1]["args"]
    assert arguments["evictionLimits"] == {"node": offline.eviction_limit}


@pytest.mark.parametrize(
    ("name", "concerned"),
    [
        ("max_total", {"controller", "policy"}),
        ("max_per_node", {"controller", "policy"}),
        ("eviction_limit", {"policy"}),
        ("create_first", {"controller"}),
        ("exclude_source", {"controller"}),
        ("requests", set()),
        ("psi", {"exporter"}),
    ],
)
def test_a_setting_changes_the_programs_that_it_concerns_and_no_other(tmp_path, name, concerned):
    programs = dict.fromkeys(("prometheus", "descheduler"), Path("/bin/true"))
    before = a_loop(tmp_path)
    write_policy(before)
    after = before.changed(**{name: OTHERS[name]})
    old, new = (LoopPrograms(loop, programs, 1) for loop in (before, after))
    changed = {part for part in new.parts() if new.command(part) != old.command(part)}
    assert changed | ({"policy"} if write_policy(after) else set()) == concerned


def test_limits_and_ways_reach_the_programs_as_these_take_them(tmp_path):
    programs = dict.fromkeys(("prometheus", "descheduler"), Path("/bin/true"))
    loop = a_loop(tmp_path, **OTHERS)
    write_policy(loop)
    policy = load_policy(loop.policy)
    assert (policy["maxNoOfPodsToEvictTotal"], policy["maxNoOfPodsToEvictPerNode"]) == (8, 3)
    assert policy["profiles"][0]["pluginConfig"][1]["args"]["evictionLimits"] == {"node": 1}
    own = LoopPrograms(loop, programs, 1)
    wanted = {"--max-migrations=8", "--max-outbound=3", "--strategy=delete-first", "--no-exclude-source"}
    assert wanted <= set(own.command("controller"))
    assert "--psi=knee" in own.command("exporter")
    for part, command in (("controller", controller), ("exporter", exporter)):
        # Commands keep the help option of the first context.
        command.make_context(part, list(own.command(part)[6:]), help_option_names=["-h", "--help"])


def test_what_is_set_is_shown_and_stays_until_another_up_changes_it_back(run, tmp_path):
    usual = (
        "\nup to 5 VMs on their way, 2 out of a node, 2 of a node begun in a cycle\n"
        "migrations: target pod first, to another node; requests proportional; pressure by expected-wait\n"
    )
    assert usual in run("up", "--dry-run").output
    options = ("--max-total", "8", "--max-per-node", "3", "--eviction-limit", "1", "--requests", "equal")
    done = run("up", "--dry-run", *options, "--psi", "knee", "--delete-first", "--allow-source")
    unusual = (
        "\nup to 8 VMs on their way, 3 out of a node, 1 of a node begun in a cycle\n"
        "migrations: source pod goes first, to any node; requests equal; pressure by knee\n"
    )
    assert unusual in done.output
    a_loop(tmp_path, **OTHERS).save()
    assert unusual in run("up", "--dry-run").output
    told = json.loads(run("status", "-o", "json").stdout)
    assert f"\n{told['limits']}\n{told['ways']}\n" == unusual
    back = ("--max-total", "5", "--max-per-node", "2", "--eviction-limit", "2", "--requests", "proportional")
    back += ("--psi", "expected-wait", "--create-first", "--exclude-source")
    assert usual in run("up", "--dry-run", *back).output


def test_a_switch_keeps_the_limits(tmp_path, monkeypatch):
    monkeypatch.setattr(runtime, "Supervisor", Mock())
    monkeypatch.setattr(runtime, "Watchman", Mock())
    loop = a_loop(tmp_path, algorithm="max_metric", **OTHERS)
    loop.save()
    runtime.switch(loop.changed(algorithm="cpu_focused"))
    kept = load_loop(tmp_path / "lab")
    assert {name: getattr(kept, name) for name in OTHERS} == OTHERS
    assert load_policy(loop.policy)["maxNoOfPodsToEvictTotal"] == 8


def test_limits_that_let_nothing_move_are_refused_all_at_once(run):
    done = run("up", "--dry-run", "--max-total", "0", "--max-per-node", "0", "--eviction-limit", "-1")
    assert isinstance(done.exception, InputError)
    assert [finding.file for finding in done.exception.findings] == [
        "--max-total",
        "--max-per-node",
        "--eviction-limit",
    ]


def test_all_vms_request_the_mean_of_what_they_would():
    vms = [VM("a", 0.1, 0.3), VM("b", 0.5, 0.2, cpu_request=0.2)]
    scenario = Scenario("s", [Node("n", vms=vms)], [VM("c", 0.3, 0.1)])
    equal = scenario.with_equal_requests()
    assert [vm.requests for vm in equal.vms()] == [pytest.approx((0.2, 0.2))] * 3
    assert [vm.load() for vm in equal.vms()] == [vm.load() for vm in scenario.vms()]
    assert vms[0].cpu_request is None
    assert equal.digest() != scenario.digest()  # so that a loop makes its VMs anew


@pytest.mark.parametrize("given", ["linear_amplified_ippd_k5", "descheduler:node:linear_amplified_ippd_k5:score"])
def test_an_algorithm_is_kept_by_its_name_whatever_it_was_called(run, tmp_path, given):
    name = "linear_amplified_ideal_point_positive_distance:k5"
    assert f"\n{name}, over the average" in run("up", "--dry-run", "--algorithm", given).output
    a_loop(tmp_path, algorithm=given).save()
    assert f"\n{name}, over the average" in run("up", "--dry-run").output
    assert f"switch to {name}, over" in run("switch", given, "--dry-run").output


def test_nodes_that_were_asked_for_are_those_of_one_scenario(run, tmp_path):
    loop = a_loop(tmp_path, nodes=7)
    loop.save()
    assert "scenario hot-node: 7 nodes" in run("up", "--dry-run").output
    balanced = f"{CHECKOUT}/sample_scenarios.json:balanced"
    assert "scenario balanced: 5 nodes" in run("up", "--dry-run", "--scenario", balanced).output
    assert "scenario balanced: 6 nodes" in run("up", "--dry-run", "--scenario", balanced, "--nodes", "6").output


def test_of_a_file_with_several_scenarios_the_first_is_taken_and_named(run):
    file = str(CHECKOUT / "sample_scenarios.json")
    done = run("up", "--dry-run", "--scenario", file)
    assert done.stderr == f"scenario balanced, the first of 5 in {file}; others: {file}:NAME\n"
    assert "\nscenario balanced: 5 nodes" in done.stdout
    assert run("up", "--dry-run", "--scenario", f"{file}:bursty").stderr == ""
    assert "\nscenario hot-node: " in run("up", "--dry-run").stdout


def test_the_ports_of_a_loop_that_is_up_stay(run, tmp_path):
    a_loop(tmp_path).save()
    assert "has its ports from 21900 on" in str(run("up", "--dry-run", "--port-base", "23000").exception)
    assert run("up", "--dry-run", "--port-base", "21900").exit_code == 0


def test_an_edited_scenario_is_another_one():
    def made(cpu):
        return Scenario("s", [Node("a", vms=[VM("vm-1", cpu, 0.1, series=((cpu, 0.1), (0.2, 0.1)))])])

    assert made(0.1).digest() == made(0.1).digest()
    assert made(0.1).digest() != made(0.3).digest()


def test_all_that_is_wrong_with_the_options_comes_at_once(run):
    done = run("up", "--algorithm", "weighted_averag", "--interval", "1")
    assert isinstance(done.exception, InputError)
    algorithm, interval = done.exception.findings
    assert "weighted_average" in algorithm.hint
    assert interval.file == "--interval"


def test_a_scenario_that_is_not_there_is_named_with_those_that_are(run):
    done = run("up", "--scenario", f"{CHECKOUT}/sample_scenarios.json:hot-nod")
    assert isinstance(done.exception, InputError)
    assert "hot-node" in str(done.exception)


@pytest.mark.parametrize("command", [("status",), ("watch",), ("explain",), ("switch", "cpu_focused")])
def test_commands_on_a_loop_say_when_there_is_none(run, command):
    assert "no rebalancing loop is up" in str(run(*command).exception)


def test_down_without_a_loop_is_fine(run):
    assert run("down").output == "no rebalancing loop is up\n"


def test_a_dry_run_of_down_and_of_switch_changes_nothing(run, tmp_path):
    loop = a_loop(tmp_path)
    loop.save()
    assert f"would stop 0 processes; {loop.directory} is removed" in run("down", "--dry-run").output
    assert "would switch to max_metric" in run("switch", "max_metric", "--dry-run").output
    assert load_loop(tmp_path / "lab") == loop


def test_a_loop_on_a_serf_of_a_lab_uses_the_labs_prometheus_where_it_can(run, tmp_path):
    lab = tmp_path / "lab"
    state.prepare(lab, 0)
    serf = Serf("serf1", lab / "serf1" / "kubeconfig", "https://127.0.0.1:1", "http://127.0.0.1:2", Path("c"), lab)
    Inventory("emulation", "local", Path("t"), (serf,), "http://127.0.0.1:9091", "http://127.0.0.1:8080").save(lab)
    assert "(its own)" in run("up", "--serf", "serf1", "--dry-run").output
    (lab / "prometheus").mkdir()
    (lab / "prometheus" / "prometheus.yml").write_text((CHECKOUT / "prometheus.yml").read_text())
    assert "Prometheus http://127.0.0.1:9091 (the lab's)" in run("up", "--serf", "serf1", "--dry-run").output
    assert "there is no serf 'serf7'" in str(run("up", "--serf", "serf7", "--dry-run").exception)


def test_status_without_programs_says_that_they_are_stopped_and_fails(run, tmp_path):
    a_loop(tmp_path).save()
    done = run("status", "-o", "json")
    told = json.loads(done.stdout)
    assert done.exit_code == 1
    assert not told["healthy"]
    assert {program["state"] for program in told["programs"]} == {"STOPPED"}
    assert any("the policy" in problem["where"] or "policy.yaml" in problem["where"] for problem in told["problems"])


def test_more_nodes_than_the_algorithm_can_compare_are_told_beforehand(run, tmp_path, monkeypatch):
    too_many = "pareto_front compares up to 512 nodes, found 513"
    told = str(run("up", "--dry-run", "--nodes", "513", "--algorithm", "pareto_front").exception)
    assert told.startswith(f"--algorithm: {too_many}\n  hint: take another algorithm")
    assert run("up", "--dry-run", "--nodes", "512", "--algorithm", "pareto_front").exit_code == 0

    loop = a_loop(tmp_path, nodes=513)
    monkeypatch.setattr(runtime.Supervisor, "stop", lambda *_: pytest.fail("the descheduler was stopped"))
    monkeypatch.setattr(runtime, "node_figures", lambda _loop: {str(number): {} for number in range(513)})
    with pytest.raises(InputError, match=too_many):
        runtime.switch(loop.changed(algorithm="pareto_front"))

    monkeypatch.setattr(preflight, "node_scores", lambda _loop: {})
    [problem] = preflight.Preflight(loop.changed(algorithm="pareto_front"))._samples(list(map(str, range(513))))
    assert problem.problem == too_many


def test_no_serf_may_have_the_name_of_the_loops_directory():
    assert loop_directory(Path("x")).name in plan._NAMES_OF_OURS


def test_a_switch_to_what_is_no_policy_stops_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(runtime.Supervisor, "stop", lambda *_: pytest.fail("the descheduler was stopped"))
    loop = a_loop(tmp_path)
    loop.save()
    with pytest.raises(InputError):
        runtime.switch(loop.changed(target_threshold=math.nan))
    assert load_loop(tmp_path / "lab") == loop


@pytest.mark.parametrize("option", ["--threshold", "--target-threshold"])
def test_nan_is_no_threshold(run, tmp_path, option):
    a_loop(tmp_path).save()
    assert "is not a number of points" in run("switch", "max_metric", option, "nan", "--dry-run").stderr


def test_a_loop_whose_file_cannot_be_read_goes_down_all_the_same(run, tmp_path):
    loop = a_loop(tmp_path)
    state.prepare(loop.directory.parent, 0)
    state.prepare(loop.directory, 0)
    (loop.directory / "loop.json").write_text('{"checkout": 1')
    done = run("down")
    assert done.exit_code == 0, done.exception
    assert "what the loop made in a serf of the lab, nodes and VMs, stays there" in done.output
    assert not loop.directory.exists()
