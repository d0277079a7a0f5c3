"""Waiting for what other processes do."""

from __future__ import annotations

import time

PATIENCE_SECONDS = 60.0


def until(condition, what=""):
    """Wait until `condition()` is true and return its value; fail when that takes very long."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (value := condition()):
        assert time.monotonic() < deadline, f"in vain: {what or condition}"
        time.sleep(0.02)
    return value
