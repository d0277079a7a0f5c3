"""Collecting what is wrong with a document: findings with JSON paths, and warnings that don't repeat themselves."""

from __future__ import annotations

import logging
import re
from difflib import get_close_matches
from math import inf, isfinite
from typing import TYPE_CHECKING, Any, Final

from serflab.errors import Finding, InputError
from serflab.traces.document import child, show

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

log = logging.getLogger(__name__)

_INDEX: Final = re.compile(r"\[\d+\]")


def did_you_mean(word: str, known: Collection[str], *, otherwise: str = "") -> str:
    """Return the hint `did you mean …?` with the known word that is nearest to `word`, or `otherwise`."""
    lowered = {candidate.lower(): candidate for candidate in known}
    near = get_close_matches(word.lower(), lowered, n=1, cutoff=0.6)
    return f"did you mean {show(lowered[near[0]])}?" if near else otherwise


class Report:
    """The findings and warnings about one document; `file` is how messages call it.

    The methods that read a value return it when it is what they are named after, and otherwise record a finding and
    return `None`.
    """

    def __init__(self, file: str, findings: Sequence[Finding] = ()) -> None:
        self.file = file
        self.findings = list(findings)
        self._warnings: dict[tuple[str, str], tuple[str, int]] = {}

    def error(self, path: str, problem: str, hint: str = "") -> None:
        """Record that `path` cannot be used."""
        self.findings.append(Finding(self.file, path, problem, hint))

    def warn(self, path: str, problem: str) -> None:
        """Record that `path` is odd but usable; the same problem in all elements of a list is one warning."""
        key = _INDEX.sub("[*]", path), problem
        first, count = self._warnings.get(key, (path, 0))
        self._warnings[key] = first, count + 1

    def settle(self, document: object) -> None:
        """Log the warnings; raise `InputError` if there are findings, in the order of `document`'s top-level keys."""
        for (_, problem), (path, count) in self._warnings.items():
            again = f" (and {count - 1} more like it)" if count > 1 else ""
            log.warning("%s: %s: %s%s", self.file, path, problem, again)
        if self.findings:
            tops = [child("$", key) for key in document] if isinstance(document, dict) else []
            order = {top: rank for rank, top in enumerate(tops)}
            raise InputError(sorted(self.findings, key=lambda finding: order.get(_top(finding.path), -1)))

    def keys(
        self, value: dict[str, Any], path: str, *, required: Collection[str] = (), optional: Collection[str]
    ) -> bool:
        """Warn of keys that are neither required nor optional; tell whether all required ones are there."""
        known = {*required, *optional}
        unknown = [key for key in value if key not in known]
        missing = [key for key in required if key not in value]
        for key in unknown:
            hint = did_you_mean(key, known - value.keys())
            self.warn(child(path, key), f"unknown key, ignored{'; ' if hint else ''}{hint}")
        for key in missing:
            near = get_close_matches(key, unknown, n=1)
            self.error(child(path, key), "missing", f"there is {show(near[0])}: a misspelling?" if near else "")
        return not missing

    def mapping(self, value: object, path: str) -> dict[str, Any] | None:
        """Read an object."""
        if isinstance(value, dict):
            return value
        self._expected("an object", path, value)
        return None

    def items(self, value: object, path: str) -> list[Any] | None:
        """Read a list that is not empty."""
        if isinstance(value, list) and value:
            return value
        self._expected("a list with at least one element", path, value)
        return None

    def text(self, value: object, path: str) -> str | None:
        """Read a string that is not empty."""
        if isinstance(value, str) and value:
            return value
        self._expected("a string that is not empty", path, value)
        return None

    def choice(self, value: object, path: str, choices: Sequence[str]) -> str | None:
        """Read one of `choices`."""
        if isinstance(value, str) and value in choices:
            return value
        hint = did_you_mean(value, choices) if isinstance(value, str) else ""
        self._expected(f"one of {', '.join(choices)}", path, value, hint)
        return None

    def number(self, value: object, path: str, unit: str = "", *, positive: bool = False) -> float | None:
        """Read a finite number of at least 0 (above 0 if `positive`)."""
        expected = f"a number{f' in {unit}' if unit else ''}"
        if isinstance(value, bool) or not isinstance(value, int | float):
            hint = "write the number without quotes and unit" if isinstance(value, str) else ""
            self._expected(expected, path, value, hint)
            return None
        try:
            number = float(value)
        except OverflowError:
            number = inf
        if not isfinite(number):
            self._expected("a finite number", path, number, "JSON knows no NaN and Infinity")
        elif number < 0 or (positive and number == 0):
            self._expected(f"{expected} {'above 0' if positive else 'of at least 0'}", path, value)
        else:
            return number
        return None

    def _expected(self, expected: str, path: str, found: object, hint: str = "") -> None:
        self.error(path, f"expected {expected}, found {show(found)}", hint)


def _top(path: str) -> str:
    end = min((at for at in (path.find(".", 2), path.find("[", 2)) if at > 0), default=len(path))
    return path[:end]
