"""The exceptions of serflab, written for the person who reads them.

Every error that reaches the edge of a program is a `SerflabError`: its text says what happened and where, its
`hint` what to do, and its `exit_status` is the status of the process (1 something failed, 2 bad usage or input).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class SerflabError(Exception):
    """Something failed; `hint`, where there is one, tells the reader what to do about it."""

    exit_status = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        """Return the message, and the hint on a line of its own."""
        return f"{self.message}\n  hint: {self.hint}" if self.hint else self.message


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing wrong with an input file.

    `path` is the place in the file as a JSON path (`$.pods[3].time_series[0].cpu`), empty when the whole file is meant.
    """

    file: str
    path: str
    problem: str
    hint: str = ""

    def __str__(self) -> str:
        """Return `FILE: PATH: problem` and the hint on a line of its own."""
        place = f"{self.file}: {self.path}" if self.path else self.file
        text = f"{place}: {self.problem}"
        return f"{text}\n  hint: {self.hint}" if self.hint else text


class InputError(SerflabError):
    """Input that cannot be used: all findings at once, in the order of the file."""

    exit_status = 2

    def __init__(self, findings: Sequence[Finding]) -> None:
        self.findings = tuple(findings)
        count = len(self.findings)
        heading = "" if count == 1 else f"{count} problems found, nothing was changed:\n"
        super().__init__(heading + "\n".join(str(finding) for finding in self.findings))
