"""supervisord as the lab uses it: a real one, with tiny programs."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import sys

import psutil
import pytest
from waiting import until

from serflab.errors import SerflabError
from serflab.lab.processes import LAB_ENV, end, lab_processes
from serflab.lab.supervisor import Program, Supervisor


class SmallLab:
    """A state directory with a supervisor and programs that say that they are up and then do nothing."""

    def __init__(self, state_dir):
        self.state_dir = state_dir
        state_dir.mkdir(parents=True, exist_ok=True)
        self.supervisor = Supervisor(state_dir)

    def program(self, group, name, command=("sh", "-c", "echo up; exec sleep 1000"), **more):
        return Program(group, name, tuple(command), self.log(group, name), self.state_dir, **more)

    def log(self, group, name):
        return self.state_dir / f"{group}-{name}.log"

    def start(self, *names):
        """Start programs and wait until they are really up: a process can miss a signal before."""
        for name in names:
            self.supervisor.start(name)
        for name in names:
            until(lambda name=name: "up" in self.log(*name.split(":")).read_text(), name)

    def pid(self, name):
        return self.supervisor.state(name).pid

    def supervisor_pid(self):
        return int((self.state_dir / "supervisor" / "supervisord.pid").read_text())

    def clear(self):
        end(lab_processes(self.state_dir), patience=0.5)
        self.supervisor.shut_down()


@pytest.fixture
def lab(tmp_path):
    made = SmallLab(tmp_path / "lab")
    yield made
    made.clear()


def test_programs_are_known_but_not_started_until_they_are_asked_for(lab):
    assert not lab.supervisor.is_running()
    lab.supervisor.configure([lab.program("serf1", "etcd"), lab.program("serf1", "kwok"), lab.program("serf2", "etcd")])
    assert lab.supervisor.is_running()
    states = {name: state.state for name, state in lab.supervisor.states().items()}
    assert states == {"serf1:etcd": "STOPPED", "serf1:kwok": "STOPPED", "serf2:etcd": "STOPPED"}
    assert lab.supervisor.start("serf1:etcd") is True
    assert lab.supervisor.start("serf1:etcd") is False
    until(lambda: lab.supervisor.state("serf1:etcd").state == "RUNNING")
    assert psutil.pid_exists(lab.pid("serf1:etcd"))
    assert lab.supervisor.state("serf2:etcd").state == "STOPPED"


def test_a_program_that_is_killed_is_started_again(lab):
    lab.supervisor.configure([lab.program("serf1", "etcd")])
    lab.supervisor.start("serf1:etcd")
    until(lambda: lab.supervisor.state("serf1:etcd").state == "RUNNING")
    before = lab.pid("serf1:etcd")
    os.kill(before, signal.SIGKILL)
    until(lambda: lab.pid("serf1:etcd") not in {0, before})


def test_a_program_that_may_end_is_left_alone_after_its_end_and_started_again_after_a_failure(lab):
    stays = ("sh", "-c", "trap 'exit 0' TERM; echo up; while :; do sleep 0.05; done")
    lab.supervisor.configure([lab.program("serf1", "replay", stays, may_end=True)])
    lab.start("serf1:replay")
    until(lambda: lab.supervisor.state("serf1:replay").state == "RUNNING")
    killed = lab.pid("serf1:replay")
    os.kill(killed, signal.SIGKILL)
    until(lambda: lab.pid("serf1:replay") not in {0, killed})
    until(lambda: lab.log("serf1", "replay").read_text().count("up") == 2)
    until(lambda: lab.supervisor.state("serf1:replay").state == "RUNNING")
    os.kill(lab.pid("serf1:replay"), signal.SIGTERM)
    until(lambda: lab.supervisor.state("serf1:replay").state == "EXITED")


def test_a_program_that_needs_nothing_else_starts_with_the_supervisor(lab):
    once = lab.program("serf1", "start", ("sh", "-c", "echo up"), may_end=True, at_once=True)
    lab.supervisor.configure([once, lab.program("serf1", "etcd")])
    until(lambda: lab.supervisor.state("serf1:start").state == "EXITED")
    assert lab.log("serf1", "start").read_text() == "up\n"
    assert lab.supervisor.state("serf1:etcd").state == "STOPPED"


def test_a_program_that_keeps_ending_is_tried_again_and_its_state_says_so(lab):
    lab.supervisor.configure([lab.program("serf1", "etcd", ("sh", "-c", "echo no disk; exit 3"))])
    lab.supervisor.start("serf1:etcd")
    until(lambda: lab.supervisor.state("serf1:etcd").state == "BACKOFF")
    until(lambda: lab.log("serf1", "etcd").read_text().count("no disk") >= 2)


def test_a_program_that_is_not_there_cannot_be_started(lab):
    lab.supervisor.configure([lab.program("serf1", "etcd", ("/nowhere/etcd",))])
    with pytest.raises(SerflabError, match=r"supervisord could not start serf1:etcd: .*/nowhere/etcd"):
        lab.supervisor.start("serf1:etcd")


def test_what_is_stopped_stays_stopped_and_stopping_it_again_is_no_error(lab):
    lab.supervisor.configure([lab.program("serf1", "etcd"), lab.program("serf1", "kwok")])
    lab.start("serf1:etcd", "serf1:kwok")
    lab.supervisor.stop("serf1:etcd")
    lab.supervisor.stop("serf1:etcd")
    lab.supervisor.stop("nobody:etcd")
    assert {name: state.pid > 0 for name, state in lab.supervisor.states().items()} == {
        "serf1:etcd": False,
        "serf1:kwok": True,
    }
    lab.supervisor.stop("serf1:*")
    assert lab.supervisor.state("serf1:kwok").state == "STOPPED"


def test_a_new_configuration_touches_only_the_groups_that_changed(lab):
    changing, going = lab.program("changing", "etcd"), lab.program("going", "etcd")
    lab.supervisor.configure([lab.program("staying", "etcd"), changing, going])
    lab.start("staying:etcd", "changing:etcd", "going:etcd")
    old = {name: state.pid for name, state in lab.supervisor.states().items()}

    changed = dataclasses.replace(changing, command=("sh", "-c", "echo changed; exec sleep 2000"))
    lab.supervisor.configure([lab.program("staying", "etcd"), changed, lab.program("new", "etcd")])

    pids = {name: state.pid for name, state in lab.supervisor.states().items()}
    assert pids == {"staying:etcd": old["staying:etcd"], "changing:etcd": 0, "new:etcd": 0}
    assert not psutil.pid_exists(old["changing:etcd"])
    assert not psutil.pid_exists(old["going:etcd"])
    lab.supervisor.start("changing:etcd")
    until(lambda: "changed" in lab.log("changing", "etcd").read_text())


def test_the_same_configuration_again_changes_nothing(lab):
    programs = [lab.program("serf1", "etcd", env={"A": "1", "B": "2"}), lab.program("serf1", "kwok")]
    lab.supervisor.configure(programs)
    lab.start("serf1:etcd", "serf1:kwok")
    before = {name: state.pid for name, state in lab.supervisor.states().items()}
    lab.supervisor.configure(programs)
    assert {name: state.pid for name, state in lab.supervisor.states().items()} == before


def test_shutting_down_ends_everything(lab):
    lab.supervisor.configure([lab.program("serf1", "etcd"), lab.program("serf2", "etcd")])
    lab.start("serf1:etcd", "serf2:etcd")
    running = list(lab_processes(lab.state_dir))
    assert len(running) == 3
    lab.supervisor.shut_down()
    until(lambda: not list(lab_processes(lab.state_dir)))
    lab.supervisor.shut_down()


def test_without_supervisord_there_are_no_states(lab):
    with pytest.raises(SerflabError) as caught:
        lab.supervisor.states()
    assert "the lab's supervisor does not answer on " in caught.value.message
    assert caught.value.hint == "`serflab up` starts it"


def test_a_killed_supervisord_leaves_nothing_that_keeps_the_next_one_from_starting(lab):
    lab.supervisor.configure([lab.program("serf1", "etcd")])
    dead = psutil.Process(lab.supervisor_pid())
    dead.kill()
    until(lambda: not dead.is_running())
    assert not lab.supervisor.is_running()
    lab.supervisor.configure([lab.program("serf1", "etcd")])
    lab.start("serf1:etcd")


def test_a_supervisord_that_is_shutting_down_says_so_and_is_waited_for(lab):
    lab.supervisor.configure([lab.program("serf1", "stubborn", stop_signal="CONT")])
    lab.start("serf1:stubborn")
    stubborn = lab.pid("serf1:stubborn")
    os.kill(lab.supervisor_pid(), signal.SIGTERM)

    def refused():
        try:
            lab.supervisor.states()
        except SerflabError as error:
            return str(error)
        return ""

    hint = "try again in a few seconds"
    assert until(refused) == f"the lab's supervisor is shutting down\n  hint: {hint}"
    assert lab.supervisor.is_running()
    os.kill(stubborn, signal.SIGKILL)
    lab.supervisor.shut_down()
    until(lambda: not list(lab_processes(lab.state_dir)))


def test_a_configuration_that_supervisord_refuses_is_reported_in_its_words(lab):
    with pytest.raises(SerflabError) as caught:
        lab.supervisor.configure([lab.program("serf1", "etcd", stop_signal="NOPE")])
    assert "supervisord did not start: " in caught.value.message
    assert "NOPE" in caught.value.message
    assert str(lab.supervisor.log) in caught.value.hint
    assert not list(lab_processes(lab.state_dir))


REPORT = """
import json, os, sys
print(json.dumps([sys.argv[1:], os.getcwd(), os.environ["WORD"], os.environ["SERFLAB_LAB"]]))
"""
WORDS = ["100%", "%(here)s", "a b", "it's", '"', "", "#1", "a;b", "$HOME", "\\n", "grün", "a,b=c"]


def test_words_of_every_kind_reach_a_program_as_they_are(tmp_path):
    lab = SmallLab(tmp_path / "50% of it's my lab, größer=;#1")
    value = "50% of it's, a=b#c;"
    script = tmp_path / "report.py"
    script.write_text(REPORT)
    program = lab.program("serf1", "report", (sys.executable, str(script), *WORDS), env={"WORD": value})
    try:
        lab.supervisor.configure([program])
        lab.supervisor.start("serf1:report")
        line = until(lambda: [line for line in program.log.read_text().splitlines() if line.endswith("]")])[0]
        assert json.loads(line) == [WORDS, str(lab.state_dir), value, str(lab.state_dir)]
    finally:
        lab.clear()


@pytest.mark.parametrize("word", ["lab #1", "a ;b", "two\nlines"])
def test_a_word_that_the_configuration_cannot_hold_is_refused(lab, word):
    with pytest.raises(SerflabError, match="supervisord's configuration cannot hold") as caught:
        lab.supervisor.configure([lab.program("serf1", "etcd", ("echo", word))])
    assert "SERFLAB_STATE" in caught.value.hint
    assert not lab.supervisor.is_running()


@pytest.mark.parametrize("value", ['a "b"', "b'", " c", "d #e"])
def test_a_variable_that_the_configuration_cannot_hold_is_refused(lab, value):
    with pytest.raises(SerflabError, match="supervisord's configuration cannot hold"):
        lab.supervisor.configure([lab.program("serf1", "etcd", env={"WORD": value})])


def test_a_state_directory_deeper_than_a_socket_path_may_be(tmp_path):
    lab = SmallLab(tmp_path / ("deep" * 30) / "lab")
    try:
        lab.supervisor.configure([lab.program("serf1", "etcd")])
        lab.start("serf1:etcd")
        assert Supervisor(lab.state_dir).is_running()
        socket = next(
            connection.laddr
            for connection in psutil.Process(lab.supervisor_pid()).net_connections("unix")
            if connection.laddr
        )
        directory = os.path.dirname(socket)  # noqa: PTH120
        assert os.stat(directory).st_mode & 0o777 == 0o700  # noqa: PTH116
    finally:
        lab.clear()
    assert not os.path.exists(directory)  # noqa: PTH110


def test_every_process_of_the_lab_carries_its_mark(lab):
    lab.supervisor.configure([lab.program("serf1", "etcd", env={"OWN": "1"})])
    lab.start("serf1:etcd")
    environment = psutil.Process(lab.pid("serf1:etcd")).environ()
    assert environment[LAB_ENV] == str(lab.state_dir)
    assert environment["OWN"] == "1"
