"""The ids of virtual pods: `vp-001`, `vp-002`, … in the order in which they are made; none is given twice."""

from __future__ import annotations

import re

_ID = re.compile(r"vp-(\d{3,9})")


class Ids:
    """Gives the next id; it has to be told of those that are there (`seen`)."""

    def __init__(self, last: int = 0) -> None:
        self.last = last

    def seen(self, name: str) -> None:
        """Take note of an id that is in use; any other text is none."""
        self.last = max(self.last, number(name))

    def take(self) -> str:
        """Return an id that was never given."""
        self.last += 1
        return f"vp-{self.last:03}"


def is_id(name: str) -> bool:
    """Whether this is how an id looks."""
    return _ID.fullmatch(name) is not None


def number(name: str) -> int:
    """Return the number of an id, 0 for any other text."""
    found = _ID.fullmatch(name)
    return int(found[1]) if found else 0
