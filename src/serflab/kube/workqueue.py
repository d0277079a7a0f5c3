"""The queue of a controller: each key once, never at two workers at a time, later with a back-off after a failure.

The same rules as client-go's workqueue, https://pkg.go.dev/k8s.io/client-go/util/workqueue.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Hashable

K = TypeVar("K", bound="Hashable")

_BACKOFF_SECONDS = (0.2, 10.0)


class WorkQueue(Generic[K]):
    """Keys that wait for a worker; to be used within one event loop."""

    def __init__(self) -> None:
        self._ready: deque[K] = deque()
        self._waiting: set[K] = set()
        self._working: set[K] = set()
        self._again: set[K] = set()
        self._failures: dict[K, int] = {}
        self._timers: dict[K, asyncio.TimerHandle] = {}
        self._wake = asyncio.Event()

    def __len__(self) -> int:
        """Return how many keys wait or are worked on, those for later left out."""
        return len(self._waiting) + len(self._working)

    def add(self, key: K) -> None:
        """Let a key be worked on as soon as may be; if it is being worked on, once more afterwards."""
        if key in self._working:
            self._again.add(key)
        elif key not in self._waiting:
            self._waiting.add(key)
            self._ready.append(key)
            self._wake.set()

    def add_after(self, key: K, seconds: float) -> None:
        """Let a key be worked on in `seconds`, or sooner if it was to be sooner already."""
        loop = asyncio.get_running_loop()
        due = loop.time() + max(0.0, seconds)
        timer = self._timers.get(key)
        if timer is not None:
            if timer.when() <= due:
                return
            timer.cancel()
        self._timers[key] = loop.call_at(due, self._due, key)

    def _due(self, key: K) -> None:
        self._timers.pop(key, None)
        self.add(key)

    async def get(self) -> K:
        """Wait for a key and take it; it is worked on until `done`."""
        while not self._ready:
            self._wake.clear()
            await self._wake.wait()
        key = self._ready.popleft()
        self._waiting.discard(key)
        self._working.add(key)
        return key

    def done(self, key: K, *, failed: bool = False) -> None:
        """Give a key back; one that failed is tried again, each time later up to ten seconds."""
        self._working.discard(key)
        if failed:
            self._failures[key] = self._failures.get(key, 0) + 1
            first, longest = _BACKOFF_SECONDS
            self.add_after(key, min(longest, first * 2.0 ** (self._failures[key] - 1)))
        else:
            self._failures.pop(key, None)
        if key in self._again:
            self._again.discard(key)
            self.add(key)

    def close(self) -> None:
        """Forget what was to be done later."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
