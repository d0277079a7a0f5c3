"""The proof is worth something only while somebody watches, and its evidence stays when it fails."""

import threading

import pytest
from click.testing import CliRunner

from serflab.cli import rebalance_prove
from serflab.cli.main import serflab_command
from serflab.errors import SerflabError
from serflab.lab import state
from serflab.rebalance import proof
from serflab.rebalance.cycles import BACKGROUND, UNDER, Cycle, Victim
from serflab.rebalance.proof import Check, Report, Watcher, failure, limits_are_reached


class Client:
    """An API server that answers each list by what `answer` returns or raises."""

    def __init__(self, answer):
        self.answer = answer
        self.asked = 0
        self.asked_once = threading.Event()
        self.asked_often = threading.Event()

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        return None

    async def list(self, *_, **__):
        self.asked += 1
        self.asked_once.set()
        if self.asked >= 6:
            self.asked_often.set()
        return {"items": self.answer()}


def watched(monkeypatch, answer):
    client = Client(answer)
    monkeypatch.setattr(proof, "api", lambda _loop: client)
    return client


def fails(error):
    def answer():
        raise error

    return answer


def test_looks_are_counted(monkeypatch):
    client = watched(monkeypatch, list)
    with Watcher(None) as watcher:
        assert client.asked_often.wait(10)
    assert watcher.seen.looks >= 3
    assert watcher.seen.failed == 0


def test_what_ends_the_watcher_is_raised_where_its_checks_are(monkeypatch):
    client = watched(monkeypatch, fails(ValueError("no such field")))
    with pytest.raises(ValueError, match="no such field"), Watcher(None):
        assert client.asked_once.wait(10)


def test_an_api_server_that_never_answers_is_asked_with_pauses_and_then_told(monkeypatch):
    pauses = []
    sleep = proof.asyncio.sleep

    async def noted(seconds):
        pauses.append(seconds)
        await sleep(0)

    monkeypatch.setattr(proof.asyncio, "sleep", noted)
    client = watched(monkeypatch, fails(SerflabError("connection refused")))
    with pytest.raises(SerflabError, match="migrations and pods: connection refused"), Watcher(None):
        assert client.asked_often.wait(10)
    assert len(pauses) == client.asked
    assert all(pauses)


def test_what_fails_otherwise_is_not_hidden_by_the_watcher(monkeypatch):
    watched(monkeypatch, fails(SerflabError("connection refused")))
    with pytest.raises(KeyError), Watcher(None):
        raise KeyError


def cycles_taking(*nodes_of_each):
    return [
        Cycle(1.0, victims=[Victim("default", f"p{number}", node, BACKGROUND) for number, node in enumerate(nodes)])
        for nodes in nodes_of_each
    ]


@pytest.mark.parametrize(
    ("nodes_of_each", "holds"),
    [
        (["aa", "a", ""], True),
        (["aabbc"], True),
        (["a", "a", "b"], False),  # what a policy without `evictionLimits` does
        (["aaa"], False),
        (["aabbcc"], False),
        ([""], False),
    ],
)
def test_the_limits_of_a_cycle_are_reached_and_kept(nodes_of_each, holds):
    assert limits_are_reached(cycles_taking(*nodes_of_each)).passed is holds


def test_a_cycle_with_a_refused_victim_or_without_classes_is_a_failure():
    classes = {"a": UNDER}
    assert failure(Cycle(1.0, ended=1.5, classes=classes)) == ""
    assert failure(Cycle(1.0, ended=1.5)) == "no classes"
    assert failure(Cycle(1.0, ended=1.5, classes=classes, errors=["p1: Cannot evict pod"])) == "p1: Cannot evict pod"
    assert failure(Cycle(1.0, ended=1.5, problems=["no score"])) == "no score"


@pytest.fixture
def prove(tmp_path, monkeypatch):
    monkeypatch.setattr(rebalance_prove.tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(rebalance_prove.Toolbox, "install", lambda *_: {})

    def invoke(end):
        class Stub:
            def __init__(self, loop, *_):
                self.loop = loop

            def run(self):
                state.prepare(self.loop.directory.parent, 0)
                state.prepare(self.loop.directory, 1)
                self.loop.logs.mkdir(exist_ok=True)
                (self.loop.logs / "descheduler.log").write_text("cycle 1\n")
                self.loop.policy.write_text("kind: DeschedulerPolicy\n")
                return end()

        monkeypatch.setattr(rebalance_prove, "Proof", Stub)
        return CliRunner().invoke(serflab_command, ["rebalance", "prove"])

    return invoke


def test_logs_of_a_proof_that_fails_are_kept_and_their_place_is_told(prove, tmp_path):
    done = prove(lambda: Report([Check("it rests", passed=False, seen="it does not")]))
    assert done.exit_code == 1
    [kept] = tmp_path.glob("serflab-proof-*")
    assert f"what its programs wrote is kept in {kept}" in done.stderr
    assert (kept / "logs/descheduler.log").read_text() == "cycle 1\n"
    assert (kept / "policy.yaml").exists()
    assert not (kept / "lab/rebalance").exists()


def test_they_are_kept_too_when_the_proof_cannot_go_on(prove, tmp_path):
    done = prove(fails(SerflabError("the descheduler ended 0 cycles, expected 30")))
    assert done.exit_code == 1
    [kept] = tmp_path.glob("serflab-proof-*/logs/descheduler.log")
    assert str(kept.parents[1]) in done.stderr


def test_nothing_is_left_of_a_proof_that_holds(prove, tmp_path):
    done = prove(lambda: Report([Check("it rests", passed=True, seen="2 cycles")]))
    assert done.exit_code == 0, done.output
    assert not list(tmp_path.glob("serflab-proof-*"))
