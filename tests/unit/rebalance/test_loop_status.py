"""What is said of a loop that is not up, and of one that comes up: one line with the reason, and how to go on."""

import json

import pytest
from click.testing import CliRunner

from serflab.cli.main import serflab_command
from serflab.errors import SerflabError
from serflab.lab.inventory import STATE_ENV
from serflab.lab.supervisor import ProgramState, Supervisor
from serflab.rebalance.loop import LoopRuntime
from serflab.rebalance.loop_settings import Loop, load_loop
from serflab.rebalance.loop_status import awaited, picture
from serflab.rebalance.scenario import Scenario

PARTS = ("prometheus", "webhook", "controller", "exporter", "descheduler")


@pytest.fixture
def loop(tmp_path, monkeypatch):
    monkeypatch.setenv(STATE_ENV, str(tmp_path / "lab"))
    nobody = {"exporter_port": 1, "prometheus": "http://127.0.0.1:1"}
    kept = Loop.on_its_own_serf(tmp_path, tmp_path / "lab", 1, scenario="scenarios.json", **nobody)
    kept.save()
    return kept


def runs(monkeypatch, **states):
    def told(_self):
        # supervisord tells them by name, not in the order in which they start.
        known = {name: f"{name}:{name}" for name in sorted(PARTS)} | {"etcd": "rebalance:etcd"}
        return {full: ProgramState(states.get(name, "RUNNING"), 7, "", 1) for name, full in known.items()}

    monkeypatch.setattr(Supervisor, "states", told)


class Silent:
    def __getattr__(self, _name):
        return lambda *_: None


def test_a_loop_that_does_not_come_up_tells_why_and_where_its_logs_are(loop, monkeypatch):
    def fails(_self, *, was_running):
        assert not was_running
        loop.save()
        raise SerflabError("the descheduler would give up:\nnode a: no score")

    monkeypatch.setattr(LoopRuntime, "_prepare", fails)
    programs = dict.fromkeys(("etcd", "prometheus", "descheduler"), loop.directory)
    asked = loop.changed(failed="of the time before")
    with pytest.raises(SerflabError, match="would give up"):
        LoopRuntime(asked, Scenario("s", []), [], programs, Silent()).up()
    assert load_loop(loop.directory.parent).failed == "the descheduler would give up:\nnode a: no score"

    done = CliRunner().invoke(serflab_command, ["rebalance", "status"])
    assert done.exit_code == 1
    line, hint = done.output.strip().splitlines()
    assert line == (
        "the loop did not come up: the descheduler would give up: node a: no score; "
        f"its logs are in {loop.directory / 'logs'}"
    )
    assert "`serflab rebalance up` tries again" in hint


def test_an_up_that_was_interrupted_is_told_as_such(loop, monkeypatch):
    def interrupted(_self, *, was_running):
        assert not was_running
        raise KeyboardInterrupt

    monkeypatch.setattr(LoopRuntime, "_prepare", interrupted)
    programs = dict.fromkeys(("etcd", "prometheus", "descheduler"), loop.directory)
    with pytest.raises(KeyboardInterrupt):
        LoopRuntime(loop, Scenario("s", []), [], programs, Silent()).up()
    assert awaited(load_loop(loop.directory.parent)).startswith(
        "the loop did not come up: it was interrupted; its logs"
    )


def test_a_loop_whose_supervisor_has_gone_is_told_in_one_line(loop):
    done = CliRunner().invoke(serflab_command, ["rebalance", "status"])
    assert done.output.startswith("no program of the loop runs; its logs are in ")
    told = json.loads(CliRunner().invoke(serflab_command, ["rebalance", "status", "-o", "json"]).output)
    assert not told["healthy"]
    assert [program["state"] for program in told["programs"]] == ["STOPPED"] * 5
    assert told["stopped"].startswith("no program of the loop runs")
    assert awaited(loop) == told["stopped"]


def test_while_a_loop_comes_up_one_line_tells_what_is_awaited(loop, monkeypatch):
    runs(monkeypatch, webhook="STARTING", exporter="STOPPED", descheduler="STOPPED")
    line = "the loop comes up, still to start: webhook, exporter, descheduler"
    assert picture(loop).problems == [line]
    runs(monkeypatch, etcd="STARTING", **dict.fromkeys(PARTS, "STOPPED"))
    assert awaited(loop).endswith("still to start: etcd, prometheus, webhook, controller, exporter, descheduler")
    runs(monkeypatch, descheduler="STOPPED")
    assert "once every node has a score" in awaited(loop)
    runs(monkeypatch, controller="BACKOFF", descheduler="STOPPED")
    assert awaited(loop).startswith("controller: started again and again; its log is in ")
    runs(monkeypatch)
    assert awaited(loop) == ""
    assert len(picture(loop).problems) == 3
