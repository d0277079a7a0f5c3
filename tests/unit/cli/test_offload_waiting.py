"""Waiting for an operation: progress, streams that break, time that is up, Ctrl-C."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading

import pytest
from viewer_stand_in import operation, refusal, transferring, virtual_pod

from serflab.cli import offload_waiting

CREATE = "/api/virtual-pods/create"
ARGUMENTS = ("create", "serf1", "serf2", "--template=burst")
EVENTS = "/api/operations/create.vp-001/events"


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(offload_waiting, "_POLL_SECONDS", 0.02)
    monkeypatch.setattr(offload_waiting, "_REFRESH_SECONDS", 0.02)


@pytest.fixture
def creation(viewer):
    """Let a creation go through these states, and its virtual pod be there."""

    def begin(*states):
        viewer.begin("POST", CREATE, states, virtual_pod=virtual_pod())
        viewer.hold(virtual_pod())

    return begin


PENDING = operation("create.vp-001", "Pending", message="Unschedulable")
DONE = operation("create.vp-001")


def asked(viewer):
    return [item.path for item in viewer.requests if item.path.startswith("/api/operations/")]


def test_each_state_is_told_on_stderr_once_and_the_result_on_stdout(offload, creation):
    creation(PENDING, PENDING, transferring("create.vp-001", 0.25), DONE)
    done = offload(*ARGUMENTS)
    assert done.status == 0
    assert [re.sub(r"in .*", "in …", line) for line in done.err.splitlines()] == [
        "create.vp-001 …",
        "create.vp-001: Pending: Unschedulable",
        "create.vp-001: Transferring",
        "create.vp-001: Succeeded",
        "create.vp-001: done in …",
    ]
    assert done.out.startswith("vp-001 ")


def test_it_is_followed_by_one_stream_of_events(offload, creation, viewer):
    creation(PENDING, transferring("create.vp-001", 0.25), DONE)
    offload(*ARGUMENTS)
    assert asked(viewer) == [EVENTS]


def test_what_has_ended_already_is_not_asked_for(offload, creation, viewer):
    creation(DONE)
    assert offload(*ARGUMENTS).status == 0
    assert asked(viewer) == []


def test_where_no_stream_is_served_it_is_asked_for_again(offload, creation, viewer):
    viewer.streams = False
    creation(PENDING, transferring("create.vp-001", 0.25), DONE)
    assert offload(*ARGUMENTS).status == 0
    assert asked(viewer).count("/api/operations/create.vp-001") == 3


def test_a_stream_that_breaks_is_opened_again(offload, creation, viewer):
    viewer.events = 1
    creation(PENDING, transferring("create.vp-001", 0.25), DONE)
    assert offload(*ARGUMENTS).status == 0
    assert asked(viewer) == [EVENTS] * 3


def test_a_manager_that_is_away_for_a_while_is_waited_for(offload, creation, viewer):
    viewer.outages = 5
    creation(PENDING, DONE)
    assert offload(*ARGUMENTS).status == 0


def test_a_failure_is_told_and_status_1(offload, creation):
    creation(PENDING, operation("create.vp-001", "Failed", message="OffloadingAborted: too late"))
    failed = offload(*ARGUMENTS)
    assert (failed.status, failed.out) == (1, "")
    assert failed.err.endswith(
        "error: create.vp-001: OffloadingAborted: too late\n  hint: `serflab offload list` shows how things are\n"
    )
    assert "done in" not in failed.err


def test_an_operation_that_nobody_knows_any_more_is_status_1(offload, creation, viewer):
    creation(PENDING)
    viewer.operations.clear()
    failed = offload(*ARGUMENTS)
    assert failed.status == 1
    assert "error: create.vp-001 cannot be followed: there is no operation" in failed.err


def test_a_deletion_that_nobody_knows_any_more_is_done(offload, viewer):
    viewer.hold(virtual_pod())
    viewer.begin("DELETE", "/api/virtual-pods/vp-001", [operation("delete.vp-001", "Running")])
    viewer.operations.clear()
    assert offload("delete", "vp-001").out == "vp-001 is deleted\n"


def test_when_the_time_is_up_it_is_status_3_and_says_how_to_go_on(offload, creation):
    creation(PENDING)
    late = offload(*ARGUMENTS, "--timeout=0.2")
    assert (late.status, late.out) == (3, "")
    assert late.err.endswith(
        "not done after 0.2 s: create.vp-001 is Pending: Unschedulable\n"
        "  it goes on; `serflab offload wait create.vp-001` waits for the end\n"
    )


def test_without_waiting_it_says_how_to_follow_it(offload, creation, viewer):
    creation(PENDING)
    begun = offload(*ARGUMENTS, "--no-wait")
    assert (begun.status, begun.err) == (0, "")
    assert begun.out == "create.vp-001: Pending; `serflab offload wait create.vp-001` waits for it\n"
    assert asked(viewer) == []


def test_the_path_of_the_operation_is_the_one_that_the_answer_gives(offload, creation, viewer):
    creation(PENDING, DONE)
    elsewhere = {"Location": f"{viewer.url}/api/operations/moved"}
    viewer.answers["POST", CREATE] = 202, {"operation": PENDING, "virtual_pod": virtual_pod()}, elsewhere
    viewer.operations["moved"] = [DONE]
    assert offload(*ARGUMENTS).status == 0
    assert asked(viewer) == ["/api/operations/moved/events"]


class TestWait:
    def test_for_one(self, offload, viewer):
        viewer.operations["drain.serf1.serf2"] = [
            operation("drain.serf1.serf2", "Running"),
            operation("drain.serf1.serf2"),
        ]
        done = offload("wait", "drain.serf1.serf2")
        assert (done.status, done.out) == (0, "drain.serf1.serf2: Succeeded\n")

    def test_for_all_that_are_under_way(self, offload, viewer):
        viewer.answers["GET", "/api/operations"] = 200, {"operations": [PENDING, operation("delete.vp-002", "Running")]}
        viewer.operations.update({"create.vp-001": [DONE], "delete.vp-002": [operation("delete.vp-002")]})
        assert offload("wait").out == "create.vp-001: Succeeded\ndelete.vp-002: Succeeded\n"

    def test_for_nothing(self, offload):
        done = offload("wait")
        assert (done.status, done.out) == (0, "nothing is under way\n")

    def test_for_what_is_unknown(self, offload):
        assert offload("wait", "create.vp-009").status == 2


class _Progress:
    def __init__(self):
        self.shares = []

    def say(self, text):
        """Nothing to keep."""

    def start(self, task):
        """Nothing to keep."""

    def finish(self, task):
        """Nothing to keep."""

    def advance(self, _task, done, total, unit):
        self.shares.append((done, total, unit))


def test_between_two_events_a_transfer_is_counted_on(monkeypatch):
    now = 0.0
    monkeypatch.setattr(offload_waiting.time, "monotonic", lambda: now)
    progress = _Progress()
    shown = offload_waiting._Shown(transferring("create.vp-001", 0.25, seconds=100), progress)
    now = 50.0
    shown.tick()
    now = 500.0
    shown.tick()
    assert progress.shares == [(25, 100, "%"), (75, 100, "%"), (100, 100, "%")]


def test_of_an_operation_without_a_transfer_no_share_is_shown():
    progress = _Progress()
    offload_waiting._Shown(PENDING, progress).tick()
    assert progress.shares == []


@pytest.fixture
def environment(viewer):
    """The environment of a process that talks to the stand-in."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("SERFLAB_")}
    return {**clean, "SERFLAB_URL": viewer.url, "COLUMNS": "120", "TERM": "xterm"}


PROGRAM = [sys.executable, "-m", "serflab", "offload", *ARGUMENTS]


def test_ctrl_c_says_that_it_goes_on(creation, viewer, environment):
    creation(PENDING)
    process = subprocess.Popen(PROGRAM, env=environment, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    while EVENTS not in asked(viewer):
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    assert err.endswith("interrupted\n  it goes on; `serflab offload wait create.vp-001` waits for the end\n")


def test_on_a_terminal_there_is_a_bar(creation, viewer, environment):
    viewer.pace = 0.5
    creation(PENDING, transferring("create.vp-001", 0.4), DONE)
    ours, theirs = os.openpty()
    process = subprocess.Popen(PROGRAM, env=environment, stderr=theirs, stdout=subprocess.PIPE, text=True)
    os.close(theirs)
    seen = bytearray()

    def read():
        while True:
            try:
                seen.extend(os.read(ours, 4096))
            except OSError:
                return

    reader = threading.Thread(target=read)
    reader.start()
    assert process.wait(timeout=60) == 0
    reader.join(60)
    os.close(ours)
    shown = re.sub(rb"\x1b\[[0-9;?]*[A-Za-z]", b"", bytes(seen)).decode()
    assert re.search(r"create\.vp-001 [━╸╺─ ]+ \s*(39|4\d)/100 %", shown)
    assert "create.vp-001: done in" in shown


def test_a_refusal_while_it_is_begun_leaves_nothing_to_wait_for(offload, viewer):
    viewer.answers["POST", CREATE] = refusal(409, "not_peered", "serf1 is not connected to serf2", "connect them")
    refused = offload(*ARGUMENTS)
    assert refused.err == "error: serf1 is not connected to serf2\n  hint: connect them\n"
    assert asked(viewer) == []
