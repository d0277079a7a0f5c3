"""Waiting until a supervised program does its work."""

from __future__ import annotations

import itertools
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import requests

from serflab.errors import SerflabError
from serflab.lab.loopback import session
from serflab.lab.probe import answers
from serflab.lab.sockets import is_healthy

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from serflab.lab.supervisor import Supervisor

READY_SECONDS = 120.0
_POLL_SECONDS = 0.1
_POLLS_A_LOOK = 5
_LOG_LINES_IN_ERROR = 8
_ENDS_BEFORE_GIVING_UP = 4


class CancelledError(SerflabError):
    """Something else failed or the user gave up; the one who waited has nothing to say of its own."""

    def __init__(self) -> None:
        super().__init__("cancelled")


@dataclass(frozen=True, slots=True)
class Awaited:
    """A program `group:name` that is waited for: ready once the URL `health` answers 200 (empty: once started).

    A path instead of a URL is that of a Unix socket, whose `/healthz` is asked for. A URL is asked with the credentials
    of the kubeconfig `asked_with` where there is one.
    """

    name: str
    health: str | Path
    log: Path
    asked_with: Path | None = None


@dataclass(frozen=True, slots=True)
class Watchman:
    """Waits for programs of a supervisor; setting `cancelled` ends every wait."""

    supervisor: Supervisor
    cancelled: threading.Event = field(default_factory=threading.Event)

    def await_ready(self, programs: Sequence[Awaited], authority: str | bool = True) -> None:
        """Wait until all `programs` are ready, checking certificates against the file `authority`.

        Raises `SerflabError`, with the last lines of its log, for the first that keeps ending or is not ready in time,
        and `CancelledError`.
        """
        deadline = time.monotonic() + READY_SECONDS
        ends: dict[str, set[int]] = {program.name: set() for program in programs}
        waiting = [program for program in programs if program.health]
        with session() as http:
            for count in itertools.count():
                waiting = [program for program in waiting if not _is_healthy(http, program, authority)]
                if not waiting:
                    return
                if count % _POLLS_A_LOOK == 0:
                    self._look(programs, ends)
                if time.monotonic() > deadline:
                    raise _not_ready(waiting[0], f"was not ready after {READY_SECONDS:.0f} s")
                self.pause()

    def _look(self, programs: Sequence[Awaited], ends: dict[str, set[int]]) -> None:
        """Note which programs have ended since their latest start; raises for one that has too often."""
        for program in programs:
            state = self.supervisor.state(program.name)
            if state.state in {"BACKOFF", "FATAL"}:
                ends[program.name].add(state.started)
            if len(ends[program.name]) >= _ENDS_BEFORE_GIVING_UP:
                raise _not_ready(program, "keeps ending")

    def pause(self) -> None:
        """Wait for a moment; raises `CancelledError`."""
        if self.cancelled.wait(_POLL_SECONDS):
            raise CancelledError


def _not_ready(program: Awaited, reason: str) -> SerflabError:
    name = program.name.replace(":", ": ")
    return SerflabError(f"{name} {reason}", hint=f"its log is {program.log}{last_lines(program.log)}")


def _is_healthy(http: requests.Session, program: Awaited, authority: str | bool) -> bool:
    if not isinstance(program.health, str):
        return is_healthy(program.health)
    if program.asked_with is not None:
        return answers(program.health, kubeconfig=program.asked_with)
    try:
        return http.get(program.health, timeout=2, verify=authority).ok
    except requests.RequestException:
        return False


def last_lines(log: Path) -> str:
    """Return the last lines of a log file as the end of an error message; nothing when there is no log."""
    if not log.exists():
        return ""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-_LOG_LINES_IN_ERROR:]
    return "; it ends with\n" + "\n".join(f"    {line}" for line in lines)
