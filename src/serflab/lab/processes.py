"""The processes of a lab, found by the mark in their environment, so that no stale pid file can mislead anybody."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

LAB_ENV = "SERFLAB_LAB"
"""Set to the state directory in the environment of every process of a lab."""


def lab_processes(state_dir: Path) -> Iterator[psutil.Process]:
    """Yield the running processes of the lab in that state directory."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get(LAB_ENV) == str(state_dir) and process.status() != psutil.STATUS_ZOMBIE:
                yield process


def end(processes: Iterable[psutil.Process], patience: float) -> list[psutil.Process]:
    """Ask the processes to end, kill those that have not after `patience` seconds; return what is left even so."""
    found = list(processes)
    for process in found:
        with contextlib.suppress(psutil.Error):
            process.terminate()
    _, alive = psutil.wait_procs(found, timeout=patience)
    for process in alive:
        with contextlib.suppress(psutil.Error):
            process.kill()
    _, alive = psutil.wait_procs(alive, timeout=5)
    return alive


def memory_bytes(processes: Iterable[psutil.Process]) -> int:
    """Return the memory of the processes, shared pages counted once (proportional set size)."""
    total = 0
    for process in processes:
        with contextlib.suppress(psutil.Error):
            total += process.memory_full_info().pss
    return total
