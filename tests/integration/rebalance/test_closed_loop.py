"""The closed loop with the real descheduler, Prometheus and scheduler: what it proves, and that it can be told."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
from unheard import Silent

from bare_serfs import CHECKOUT, port_block
from serflab.emulation.names import pods_of
from serflab.errors import SerflabError
from serflab.lab.inventory import STATE_ENV
from serflab.lab.processes import lab_processes
from serflab.lab.supervisor import Supervisor
from serflab.lab.tools.pinned import LAB_TOOLS
from serflab.lab.tools.toolbox import Toolbox
from serflab.rebalance.algorithms import ALGORITHMS
from serflab.rebalance.explain import ended_cycles, explain
from serflab.rebalance.loop import down, switch
from serflab.rebalance.loop_files import DESCHEDULER_JOB
from serflab.rebalance.loop_programs import CONTROLLER, DESCHEDULER, EXPORTER, PROMETHEUS, WEBHOOK, full_name
from serflab.rebalance.loop_settings import NAMESPACE, OWN_SERF, Loop, load_loop
from serflab.rebalance.loop_status import loop_status, picture
from serflab.rebalance.names import EVICTION_IN_PROGRESS
from serflab.rebalance.preflight import Preflight
from serflab.rebalance.proof import Proof, Watcher, failure, running_vms, under_way
from serflab.rebalance.questions import api, is_up
from serflab.rebalance.virtual_machines import list_vms

KUBE_APISERVER = f"{OWN_SERF}:kube-apiserver"
KUBE_SCHEDULER = f"{OWN_SERF}:kube-scheduler"


def await_true(condition, what, seconds=120):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.2)


@pytest.fixture(scope="module")
def proof(tmp_path_factory):
    """The proof on a loop of the module's own; it is brought up by the first part that runs."""
    state_dir = tmp_path_factory.mktemp("loop") / "lab"
    base = port_block(0) + 20
    loop = Loop.on_its_own_serf(CHECKOUT, state_dir, base, interval=6.0, exporter_port=base + 15)
    toolbox = Toolbox(CHECKOUT)
    programs = {name: toolbox.path(name) for name in (*LAB_TOOLS, "descheduler")}
    try:
        yield Proof(loop, CHECKOUT / "sample_scenarios.json", programs, Silent())
    finally:
        down(state_dir, Silent())
        assert not list(lab_processes(loop.directory))
        assert not state_dir.exists()


@pytest.fixture
def loop(proof):
    """The loop as it is kept."""
    return load_loop(proof._loop.directory.parent)


def holds(proof, part):
    checks = [check for check in proof.report.checks if check.name.startswith(part)]
    assert checks
    assert [check for check in checks if not check.passed] == []


def serflab(loop, *arguments, check=True):
    done = subprocess.run(
        [Path(sys.executable).with_name("serflab"), "rebalance", *arguments],
        env={**os.environ, STATE_ENV: str(loop.directory.parent)},
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done


def test_in_a_balanced_cluster_nothing_moves_in_30_cycles(proof):
    proof.balanced(30)
    holds(proof, "balanced")


def test_a_hot_node_cools_down_within_the_limits(proof):
    proof.hot_node(12)
    holds(proof, "hot node")


def test_the_descheduler_completes_two_cycles_by_each_of_the_19_scores(proof):
    assert len(ALGORITHMS) == 19
    proof.every_algorithm()
    kept = load_loop(proof._loop.directory.parent)
    proof._up("hot-node", kept.changed(interval=proof._loop.interval))  # with the usual time between cycles again
    holds(proof, "every algorithm")


def test_the_last_cycle_is_explained_from_scores_to_classes(loop):
    switched = switch(loop.changed(algorithm="weighted_average"))
    await_true(lambda: ended_cycles(switched), "no cycle after a switch")
    found = explain(switched, ended_cycles(switched)[-1])
    assert found.algorithm == "weighted_average"
    assert len(found.nodes) == 5
    assert found.agrees
    for node in found.nodes:
        assert node.percent == int(node.score * 100)
    assert found.average == pytest.approx(sum(node.percent for node in found.nodes) / 5)
    assert (found.low, found.high) == (found.average, found.average + 10)
    told = json.loads(serflab(switched, "explain", "-o", "json").stdout)
    assert {"agrees", "nodes", "victims", "average"} <= set(told)


def test_status_and_watch_tell_the_same_loop(loop):
    now = loop_status(loop)
    assert {program.name for program in now.programs} >= {"etcd", "kwok", PROMETHEUS, WEBHOOK, EXPORTER, DESCHEDULER}
    assert now.problems == []
    seen = picture(loop)
    assert seen.problems == []
    assert sum(node.vms for node in seen.nodes) >= 22
    assert all(node.category for node in seen.nodes)
    lines = serflab(loop, "watch", "--count=1").stdout.splitlines()
    assert [line.split()[1] for line in lines[:5]] == [f"kwok-node-{number}" for number in range(1, 6)]


def test_a_second_up_changes_nothing_that_runs(loop):
    before = {name: state.pid for name, state in Supervisor(loop.directory).states().items()}
    serflab(loop, "up")
    assert {name: state.pid for name, state in Supervisor(loop.directory).states().items()} == before


def test_prometheus_scrapes_the_descheduler_too(loop):
    await_true(lambda: is_up(loop, DESCHEDULER_JOB), "the descheduler is not scraped")
    asked = {"query": f'{{__name__=~"descheduler_.+",job="{DESCHEDULER_JOB}"}}'}
    found = requests.get(f"{loop.prometheus}/api/v1/query", params=asked, timeout=10).json()["data"]["result"]
    assert "descheduler_build_info" in {item["metric"]["__name__"] for item in found}


@contextmanager
def stopped(loop, part):
    """Leave a part stopped."""
    supervisor = Supervisor(loop.directory)
    supervisor.stop(full_name(part))
    try:
        yield
    finally:
        supervisor.start(full_name(part))


@contextmanager
def frozen(loop, part):
    """Leave a part in a state in which it runs, and its port is open, but does not answer."""
    pid = Supervisor(loop.directory).state(full_name(part)).pid
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@pytest.mark.parametrize(
    ("away", "part", "told", "by_the_descheduler"),
    [
        (stopped, WEBHOOK, "the eviction webhook", "failed calling webhook"),
        (stopped, PROMETHEUS, "Prometheus at {loop.prometheus}: it does not answer", "connection refused"),
        (stopped, EXPORTER, "the exporter at {loop.exporter} is not scraped", "metric"),
        (frozen, EXPORTER, "the exporter at {loop.exporter} is not scraped", "metric"),
    ],
)
def test_while_a_part_is_away_nothing_is_evicted_and_preflight_says_so(loop, away, part, told, by_the_descheduler):
    with away(loop, part):
        await_true(lambda: problems_of(loop), f"nobody misses the {part}")
        await_true(lambda: rests(loop), "migrations that began before do not end")
        with Watcher(loop) as watcher:
            switched = switch(loop.changed(algorithm="max_metric", target_threshold=0.0))
            await_true(lambda: len(ended_cycles(switched)) >= 2, "no cycles")
        assert told.format(loop=loop) in problems_of(loop)
    cycles = ended_cycles(switched)
    assert [victim for cycle in cycles for victim in cycle.requested] == []
    assert all(by_the_descheduler in failure(cycle) for cycle in cycles), [failure(cycle) for cycle in cycles]
    assert watcher.seen.most == 0
    await_true(lambda: not Preflight(loop).problems(), f"the loop does not heal after the {part} is back")


def problems_of(loop):
    return "\n".join(map(str, Preflight(loop).problems()))


@pytest.mark.parametrize(
    "program",
    [CONTROLLER, WEBHOOK, PROMETHEUS, EXPORTER, DESCHEDULER, KUBE_APISERVER, KUBE_SCHEDULER],
)
def test_a_program_that_is_killed_in_migrations_comes_back_and_no_vm_is_lost_or_doubled(loop, program):
    supervisor = Supervisor(loop.directory)
    wanted = set(asyncio.run(running_vms(loop)))
    with Watcher(loop) as watcher:
        switch(loop.changed(algorithm="max_metric", target_threshold=0.0))
        await_true(lambda: nodes_of_marked_pods(loop), "nothing is evicted")
        for _ in range(3 if program == CONTROLLER else 1):
            kill(supervisor, program)
        supervisor.stop(full_name(DESCHEDULER))
        await_true(lambda: rests(loop), "migrations do not end")
    assert asyncio.run(running_vms(loop)) == dict.fromkeys(wanted, 1)
    assert watcher.seen.doubled == set()
    await_true(lambda: not Preflight(loop).problems(), f"the loop does not heal after a kill of {program}")


def rests(loop):
    """Whether nothing migrates; an API server that was killed may not answer yet."""
    try:
        return not asyncio.run(under_way(loop))
    except SerflabError:
        return False


def test_a_descheduler_that_is_killed_counts_the_evictions_that_go_on(loop):
    supervisor = Supervisor(loop.directory)
    wanted = set(asyncio.run(running_vms(loop)))
    switched = switch(loop.changed(algorithm="max_metric", target_threshold=0.0))

    def all_is_marked():
        return nodes_left(loop) and nodes_left(loop) == nodes_of_marked_pods(loop)

    def it_stays_so():
        """Stop the controller, after which what is under way stays so, unless a cycle has just begun."""
        await_true(all_is_marked, "nothing is evicted")
        supervisor.stop(full_name(CONTROLLER))
        if not all_is_marked():
            supervisor.start(full_name(CONTROLLER))
            return False
        return True

    await_true(it_stays_so, "a cycle always begins just then")
    done = len(ended_cycles(switched))
    kill(supervisor, DESCHEDULER)
    await_true(lambda: len(ended_cycles(switched)) > done, "no cycle after the kill")
    left = nodes_left(loop)
    supervisor.stop(full_name(DESCHEDULER))
    supervisor.start(full_name(CONTROLLER))
    await_true(lambda: not nodes_left(loop), "migrations do not end")
    assert 0 < left.total() <= 5
    assert max(left.values()) <= 2
    assert asyncio.run(running_vms(loop)) == dict.fromkeys(wanted, 1)


def test_when_a_node_vanishes_its_vms_run_elsewhere_and_cycles_go_on_with_the_others(loop, proof):
    wanted = set(asyncio.run(running_vms(loop)))
    kubectl = proof._programs["kubectl"]
    subprocess.run([kubectl, f"--kubeconfig={loop.kubeconfig}", "delete", "node", "kwok-node-5"], check=True)
    switched = switch(loop.changed(algorithm="cpu_focused", target_threshold=10.0))
    await_true(lambda: any(len(cycle.classes) == 4 for cycle in ended_cycles(switched)), "no cycle of four nodes")
    await_true(lambda: nodes_of_vms(loop) == {f"kwok-node-{number}" for number in range(1, 5)}, "VMs stay there")
    await_true(lambda: asyncio.run(running_vms(loop)) == dict.fromkeys(wanted, 1), "VMs are lost or doubled")


def kill(supervisor, program):
    """End a program as a crash would, and wait until the supervisor, which notices a moment later, has another one."""
    name = program if ":" in program else full_name(program)
    before = supervisor.state(name).pid
    os.kill(before, signal.SIGKILL)

    def runs_again():
        now = supervisor.state(name)
        return now.state == "RUNNING" and now.pid != before

    await_true(runs_again, f"{program} is not started again")


def asked(loop, question):
    """Return what the API server of the loop answers to a question."""

    async def ask():
        async with api(loop) as client:
            return await question(client)

    return asyncio.run(ask())


def statuses(loop):
    return [vm["status"] for vm in asked(loop, lambda client: list_vms(client, NAMESPACE))]


def nodes_of_vms(loop):
    return {status.get("nodeName") for status in statuses(loop)}


def nodes_left(loop):
    """Return how many VMs have to leave each node now."""
    return Counter(status["evacuationNodeName"] for status in statuses(loop) if status.get("evacuationNodeName"))


def nodes_of_marked_pods(loop):
    """Return how many pods of each node carry the mark by which a descheduler knows of evictions that go on."""
    pods = asked(loop, lambda client: client.list(pods_of(NAMESPACE)))["items"]
    marked = [pod for pod in pods if EVICTION_IN_PROGRESS in pod["metadata"].get("annotations", {})]
    return Counter(pod["spec"]["nodeName"] for pod in marked)
