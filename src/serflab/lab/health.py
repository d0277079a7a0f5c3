"""Waiting until a supervised program does its work."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import requests

from serflab.errors import SerflabError
from serflab.lab.loopback import session

if TYPE_CHECKING:
    from pathlib import Path

    from serflab.lab.supervisor import Supervisor

READY_SECONDS = 120.0
_POLL_SECONDS = 0.1
_LOG_LINES_IN_ERROR = 8
_CRASHES_BEFORE_GIVING_UP = 4


class CancelledError(SerflabError):
    """Something else failed or the user gave up; the one who waited has nothing to say of its own."""

    def __init__(self) -> None:
        super().__init__("cancelled")


@dataclass(frozen=True, slots=True)
class Watchman:
    """Waits for programs of a supervisor; setting `cancelled` ends every wait."""

    supervisor: Supervisor
    cancelled: threading.Event = field(default_factory=threading.Event)

    def await_ready(self, name: str, url: str, log: Path, authority: str | bool = True) -> None:
        """Wait until `url` answers 200, checking its certificate against the file `authority`.

        Raises `SerflabError`, with the last lines of the log, when the program `group:name` keeps ending or is not
        ready in time, and `CancelledError`.
        """
        deadline, crashes, last_pid = time.monotonic() + READY_SECONDS, 0, 0
        while not is_healthy(url, authority):
            program = self.supervisor.state(name)
            crashes += program.state in {"BACKOFF", "FATAL"} and program.pid != last_pid
            last_pid = program.pid
            if crashes >= _CRASHES_BEFORE_GIVING_UP or time.monotonic() > deadline:
                reason = "keeps ending" if crashes else f"was not ready after {READY_SECONDS:.0f} s"
                raise SerflabError(f"{name.replace(':', ': ')} {reason}", hint=f"its log is {log}{last_lines(log)}")
            self.pause()

    def pause(self) -> None:
        """Wait for a moment; raises `CancelledError`."""
        if self.cancelled.wait(_POLL_SECONDS):
            raise CancelledError


def is_healthy(url: str, authority: str | bool) -> bool:
    """Whether the URL answers with a good status."""
    try:
        return session().get(url, timeout=2, verify=authority).ok
    except requests.RequestException:
        return False


def last_lines(log: Path) -> str:
    """Return the last lines of a log file as the end of an error message; nothing when there is no log."""
    if not log.exists():
        return ""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-_LOG_LINES_IN_ERROR:]
    return "; it ends with\n" + "\n".join(f"    {line}" for line in lines)
