"""Preflight reads the loop's policy and looks at the descheduler that runs; `up` ends when it finds something."""

import subprocess
import sys
from unittest.mock import MagicMock

import pytest
import yaml

from bare_serfs import CHECKOUT
from serflab.errors import SerflabError
from serflab.lab.supervisor import ProgramState
from serflab.rebalance import loop as runtime
from serflab.rebalance import preflight
from serflab.rebalance.loop_files import write_policy
from serflab.rebalance.loop_programs import DESCHEDULER, EXPORTER, full_name
from serflab.rebalance.loop_settings import Loop, load_loop
from serflab.rebalance.placement import nodes_for
from serflab.rebalance.preflight import Preflight, Problem
from serflab.rebalance.scenario_check import TEMPLATES, load_scenario


@pytest.fixture
def loop(tmp_path):
    loop = Loop.on_its_own_serf(CHECKOUT, tmp_path, 1000, interval=6.0)
    loop.directory.mkdir()
    return loop


def test_the_policy_that_the_loop_writes_is_none_of_the_problems(loop):
    write_policy(loop)
    assert Preflight(loop)._policy() == []


def test_a_policy_that_somebody_changed_is_told_with_the_field(loop):
    write_policy(loop)
    policy = yaml.safe_load(loop.policy.read_text())
    policy["profiles"][0]["pluginConfig"][1]["args"]["targetThresholds"]["MetricResource"] = 101
    loop.policy.write_text(yaml.safe_dump(policy))
    [problem] = Preflight(loop)._policy()
    assert problem.where.startswith(f"{loop.policy}: ")
    assert "targetThresholds" in problem.where
    assert "101" in problem.problem


def test_a_policy_that_is_gone_is_told_with_what_writes_it_anew(loop):
    [problem] = Preflight(loop)._policy()
    assert problem.where.startswith(str(loop.policy))
    assert "`serflab rebalance up` writes it anew" in str(problem)


@pytest.fixture
def descheduler(monkeypatch):
    """Return what starts a process with arguments that the supervisor calls the descheduler."""
    processes = []

    def start(*arguments):
        process = subprocess.Popen(
            [sys.executable, "-c", "input()", *arguments], stdin=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        processes.append(process)
        state_of(process.pid)
        return process

    def state_of(pid):
        def state(_supervisor, name):
            assert name == full_name(DESCHEDULER)
            return ProgramState("RUNNING", pid, "", 0)

        monkeypatch.setattr(preflight.Supervisor, "state", state)

    start.state_of = state_of
    yield start
    for process in processes:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("gates", ["EvictionsInBackground=true", "Other=false,EvictionsInBackground=true"])
def test_a_descheduler_with_the_gate_is_in_nobodys_way(loop, descheduler, gates):
    descheduler(f"--feature-gates={gates}")
    assert Preflight(loop)._gate() == []


@pytest.mark.parametrize("arguments", [[], ["--feature-gates=EvictionsInBackground=false"]])
def test_one_without_the_gate_is_told_with_what_it_would_do(loop, descheduler, arguments):
    descheduler(*arguments)
    [problem] = Preflight(loop)._gate()
    assert problem.where == "the descheduler"
    assert problem.problem == "it runs without the feature gate EvictionsInBackground"
    assert "all VMs of a hot node would migrate in one cycle" in problem.hint


def test_a_descheduler_that_does_not_run_has_no_gate_to_be_looked_at(loop, descheduler):
    ended = descheduler()
    ended.kill()
    ended.wait()
    assert Preflight(loop)._gate() == []
    descheduler.state_of(0)
    assert Preflight(loop)._gate() == []


def test_up_ends_with_all_that_preflight_finds_and_starts_no_descheduler(loop, monkeypatch):
    found = [Problem("node a", "its score is NaN", "see the rules"), Problem("nodes", "1 take part")]
    started, shut_down = [], []

    async def nothing(*_):
        return False

    for name in ("_prepare", "_start_serf", "_start_prometheus", "_await"):
        monkeypatch.setattr(runtime.LoopRuntime, name, lambda *_, **__: None)
    for name in ("_prepare_cluster", "_place"):
        monkeypatch.setattr(runtime.LoopRuntime, name, nothing)
    monkeypatch.setattr(runtime.LoopRuntime, "_start", lambda _self, part: bool(started.append(part)))
    monkeypatch.setattr(runtime.Preflight, "problems", lambda _self: found)
    monkeypatch.setattr(runtime.Supervisor, "shut_down", lambda _self: shut_down.append(True))
    monkeypatch.setattr(runtime, "_PREFLIGHT_SECONDS", -loop.times.window)
    loop.save()
    plan = load_scenario(loop.scenario, CHECKOUT / TEMPLATES)
    with pytest.raises(SerflabError) as caught:
        runtime.LoopRuntime(loop, plan, nodes_for(plan, None), {}, MagicMock()).up()
    assert caught.value.message.splitlines() == [
        "the descheduler would give up:",
        "node a: its score is NaN",
        "  hint: see the rules",
        "nodes: 1 take part",
    ]
    assert started[-1] == EXPORTER
    assert DESCHEDULER not in started
    assert shut_down
    assert load_loop(loop.directory.parent).failed == caught.value.message
