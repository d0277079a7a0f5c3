"""What is to be done when: one heap for all keys, so that waiting for the next thing costs the same for any number."""

from __future__ import annotations

import heapq
from typing import Final, Generic, TypeVar

K = TypeVar("K")

_SLACK: Final = 64


class Agenda(Generic[K]):
    """For each key the time (epoch seconds) at which it is due; the earliest is taken first."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, K]] = []
        self._entries: dict[K, int] = {}
        self._number = 0

    def put(self, key: K, due: float) -> None:
        """Make `key` due at `due`, and at no other time any more."""
        self._number += 1
        self._entries[key] = self._number
        heapq.heappush(self._heap, (due, self._number, key))
        if len(self._heap) > 2 * len(self._entries) + _SLACK:
            self._heap = [entry for entry in self._heap if self._is_valid(entry)]
            heapq.heapify(self._heap)

    def drop(self, key: K) -> None:
        """Take `key` off, if it is there."""
        self._entries.pop(key, None)

    def take(self, now: float) -> K | None:
        """Take off and return the key that has been due for longest at `now`; None when none is."""
        due = self.first
        if due is None or due > now:
            return None
        key = heapq.heappop(self._heap)[2]
        del self._entries[key]
        return key

    @property
    def first(self) -> float | None:
        """When the next key is due, None when there is none."""
        while self._heap and not self._is_valid(self._heap[0]):
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def __len__(self) -> int:
        """Return the number of keys."""
        return len(self._entries)

    def _is_valid(self, entry: tuple[float, int, K]) -> bool:
        # An entry that was replaced or dropped stays in the heap until it comes up.
        return self._entries.get(entry[2]) == entry[1]
