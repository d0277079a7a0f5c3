"""A program of the loop as a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class RebalanceProgram:
    """`serflab rebalance …`; its log goes to a file."""

    def __init__(self, log: Path, *arguments: str, environment: dict[str, str] | None = None) -> None:
        self._file = log
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "serflab", "rebalance", *arguments],
                stderr=output,
                stdout=output,
                env={**os.environ, **(environment or {})},
            )

    def log(self) -> str:
        """Return what it has said."""
        return self._file.read_text(encoding="utf-8")

    def stop(self) -> int:
        """End it by SIGTERM and return its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=15)

    def kill(self) -> None:
        """End it as a crash would."""
        self.process.kill()
        self.process.wait(timeout=15)


@contextmanager
def running(log: Path, *arguments: str, **options: dict[str, str]) -> Iterator[RebalanceProgram]:
    """Run a program of the loop until the end of the `with`."""
    program = RebalanceProgram(log, *arguments, **options)
    try:
        yield program
    finally:
        if program.process.poll() is None:
            program.kill()
