"""How the command line tells progress: a live display on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bars

if TYPE_CHECKING:
    from types import TracebackType

    from rich.progress import TaskID

    from serflab.lab.progress import Progress

_SECONDS_BETWEEN_LINES = 20.0


class Display:
    """A context in which long work is shown on stderr; as `Progress` it is what the work talks to."""

    def __init__(self) -> None:
        console = Console(stderr=True)
        self._listener: _Live | _Plain = _Live(console) if console.is_terminal else _Plain(console)

    def __enter__(self) -> Progress:
        """Start to show."""
        self._listener.open()
        return self._listener

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop to show; what was said stays."""
        self._listener.close()


class _Live:
    def __init__(self, console: Console) -> None:
        self._bars = Bars(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[unit]}"),
            TimeElapsedColumn(),
            TextColumn("left:"),
            TimeRemainingColumn(),
            console=console,
        )
        self._tasks: dict[str, TaskID] = {}

    def open(self) -> None:
        self._bars.start()

    def close(self) -> None:
        self._bars.stop()

    def say(self, text: str) -> None:
        self._bars.console.print(text, highlight=False, markup=False)

    def start(self, task: str) -> None:
        self._tasks[task] = self._bars.add_task(task, total=None, unit="")

    def advance(self, task: str, done: int, total: int, unit: str) -> None:
        self._bars.update(self._tasks[task], completed=done, total=total or None, unit=unit)

    def finish(self, task: str) -> None:
        number = self._tasks.pop(task)
        elapsed = self._bars.tasks[self._bars.task_ids.index(number)].elapsed or 0.0
        self._bars.remove_task(number)
        self.say(f"{task}: done in {_duration(elapsed)}")


class _Plain:
    """Says when a task begins and ends, and now and then how far it is."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._began: dict[str, float] = {}
        self._told: dict[str, float] = {}

    def open(self) -> None:
        """Nothing to prepare."""

    def close(self) -> None:
        """Nothing to clear."""

    def say(self, text: str) -> None:
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)

    def start(self, task: str) -> None:
        self._began[task] = self._told[task] = time.monotonic()
        self.say(f"{task} …")

    def advance(self, task: str, done: int, total: int, unit: str) -> None:
        now = time.monotonic()
        if now - self._told[task] < _SECONDS_BETWEEN_LINES:
            return
        self._told[task] = now
        elapsed = now - self._began[task]
        left = f", about {_duration(elapsed * (total - done) / done)} left" if total and done else ""
        of = f" of {total}" if total else ""
        self.say(f"{task}: {done}{of} {unit} after {_duration(elapsed)}{left}")

    def finish(self, task: str) -> None:
        self.say(f"{task}: done in {_duration(time.monotonic() - self._began.pop(task))}")


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d} min" if minutes else f"{seconds:.1f} s"
