"""Waiting until something holds."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


def eventually(ask: Callable[[], T], seconds: float = 30.0) -> T:
    """Return the first answer that is true in the sense of `bool`."""
    deadline = time.monotonic() + seconds
    while not (answer := ask()):
        assert time.monotonic() < deadline, f"not within {seconds:g} s; the last answer was {answer!r}"
        time.sleep(0.05)
    return answer
