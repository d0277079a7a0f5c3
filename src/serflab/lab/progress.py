"""Where long work tells how far it is; the command line draws it, tests gather it."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """A listener to long work."""

    def say(self, text: str) -> None:
        """Tell one thing that happened."""

    def start(self, task: str) -> None:
        """Begin a task, such as `building kwok, kubectl`."""

    def advance(self, task: str, done: int, total: int, unit: str) -> None:
        """Tell how far the task is; `total` is 0 when nobody knows."""

    def finish(self, task: str) -> None:
        """End the task."""
