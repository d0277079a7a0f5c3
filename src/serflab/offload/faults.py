"""Fault points: named places between two steps at which a test ends the manager as a crash would.

`SERFLAB_FAULT_POINT=NAME` in the environment of the manager's process makes it kill itself when it reaches that place.
Tests that run a manager in their own process give a function instead.
"""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

FAULT_ENV: Final = "SERFLAB_FAULT_POINT"


def _kill_if_asked(name: str) -> None:
    if os.environ.get(FAULT_ENV) == name:
        os.kill(os.getpid(), signal.SIGKILL)


_reached: Callable[[str], None] = _kill_if_asked


def reached(name: str) -> None:
    """Tell that the manager has come to the fault point `name`, such as `create.shadow-pod`."""
    _reached(name)


def on_reached(function: Callable[[str], None] | None) -> None:
    """Call `function` at every fault point instead (None: as at the start)."""
    global _reached  # noqa: PLW0603 - one process, one hook
    _reached = function or _kill_if_asked
