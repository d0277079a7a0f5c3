"""The processes of a lab are known by the mark in their environment, and they all end."""

from __future__ import annotations

import os
import subprocess
import sys

import psutil
import pytest
from waiting import until

from serflab.lab.processes import LAB_ENV, end, lab_processes, memory_bytes

STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(1000)"
)


@pytest.fixture
def run():
    """Start a process with a mark; return it once it is up."""
    started = []

    def run(mark, command=("sh", "-c", "echo up; exec sleep 1000")):
        environment = os.environ | ({LAB_ENV: str(mark)} if mark else {})
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE)
        started.append(process)
        assert process.stdout.readline() == b"up\n"
        return process

    yield run
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


def pids(state_dir):
    return sorted(process.pid for process in lab_processes(state_dir))


def test_only_processes_with_the_mark_of_the_directory_belong_to_its_lab(run, tmp_path):
    ours, neighbour, below, unmarked = (
        run(mark) for mark in (tmp_path / "lab", tmp_path / "lab2", tmp_path / "lab" / "x", None)
    )
    assert pids(tmp_path / "lab") == [ours.pid]
    assert pids(tmp_path / "lab2") == [neighbour.pid]
    assert unmarked.pid not in pids(tmp_path / "lab" / "x") == [below.pid]
    assert pids(tmp_path) == []


def test_what_a_process_of_the_lab_starts_belongs_to_it_as_well(run, tmp_path):
    parent = run(tmp_path, ("sh", "-c", "sleep 1000 & echo up; wait"))
    (child,) = psutil.Process(parent.pid).children()
    assert pids(tmp_path) == sorted([parent.pid, child.pid])
    assert end(lab_processes(tmp_path), patience=30) == []


def test_a_process_that_has_ended_but_was_not_waited_for_does_not_count(run, tmp_path):
    process = run(tmp_path)
    os.kill(process.pid, 9)
    until(lambda: psutil.Process(process.pid).status() == psutil.STATUS_ZOMBIE)
    assert pids(tmp_path) == []


def test_processes_are_asked_to_end_before_they_are_killed(run, tmp_path):
    polite = "trap 'echo thanks; exit 0' TERM; echo up; while :; do sleep 0.05; done"
    process = run(tmp_path, ("sh", "-c", polite))
    assert end([psutil.Process(process.pid)], patience=30) == []
    assert process.stdout.read() == b"thanks\n"


def test_a_process_that_does_not_listen_is_killed(run, tmp_path):
    stubborn, polite = run(tmp_path, (sys.executable, "-c", STUBBORN)), run(tmp_path)
    assert end(lab_processes(tmp_path), patience=0.3) == []
    assert pids(tmp_path) == []
    assert not psutil.pid_exists(stubborn.pid)
    assert not psutil.pid_exists(polite.pid)


def test_a_process_that_is_gone_already_is_no_error(run, tmp_path):
    process = run(tmp_path)
    found = list(lab_processes(tmp_path))
    process.kill()
    process.wait()
    assert end(found, patience=1) == []
    assert memory_bytes(found) == 0


def test_memory_is_that_of_all_processes(run, tmp_path):
    one = [psutil.Process(run(tmp_path, (sys.executable, "-c", STUBBORN)).pid)]
    two = [*one, psutil.Process(run(tmp_path, (sys.executable, "-c", STUBBORN)).pid)]
    assert 1 << 20 < memory_bytes(one) < memory_bytes(two)
