"""A listener to the progress of long work that tells nobody of it."""

from __future__ import annotations


class Silent:
    """Takes what a `serflab.lab.progress.Progress` is told, and keeps none of it."""

    def say(self, text: str) -> None:
        """Take a line."""

    start = finish = say

    def advance(self, task: str, done: int, total: int, unit: str) -> None:
        """Take how far a task is."""
