"""The live feed of the lab: one overview for all readers, made once a change, and the changes from one to the next.

The observer's loop looks about every second. Each change gets a number; `<start>-<number>` is the id by which a reader
that was away asks for what it lacks, also for a reader of a viewer that was started anew meanwhile (another start).
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from serflab.errors import SerflabError
from serflab.lab.overview import overview
from serflab.lab.picture import Picture

if TYPE_CHECKING:
    from collections.abc import Callable

    from serflab.lab.overview import Observed

log = logging.getLogger(__name__)

TOPOLOGY = "topology"
DELTA = "delta"
PROBLEM = "problem"

# Without a look for so long, what the feed holds is not passed off as the present.
STALLED_SECONDS = 10.0
# The changes kept for readers that come back: not more than sending the whole overview would cost.
_RING_BYTES = 64 * 1024
# A change of anything else, or of the names or order of nodes and links, is told by the whole overview.
_PARTS = ("summary", "lab", "prometheus", "offload")
_NAMED = {"nodes": "name", "links": "id"}


class StalledError(SerflabError):
    """The observer has not looked for a while (since `since`, epoch seconds): nothing is known of the lab as it is."""

    def __init__(self, since: float | None) -> None:
        super().__init__("the viewer has stopped following the lab", hint="it goes on by itself, or needs a restart")
        self.since = since


@dataclass(frozen=True, slots=True)
class Message:
    """What a reader is told: kind `topology` or `delta` with JSON in `data`, or `problem` with its `error`."""

    id: str
    kind: str
    data: bytes = b""
    error: SerflabError | None = None


class Feed:
    """The overview as last looked at, and the latest changes; `look` is the observer's, the rest is for any thread."""

    def __init__(self, observe: Callable[[], Observed]) -> None:
        self._observe = observe
        self._start = f"{time.time_ns() // 1_000_000:x}"
        self._changed = threading.Condition()
        self._number = 0
        self._ring: deque[tuple[int, Message]] = deque()
        self._observed: Observed | None = None
        self._document: dict[str, Any] = {}
        self._picture: Picture | None = None
        self._problem: SerflabError | None = SerflabError("the topology was not read yet", hint="ask again in a second")
        self._looked: float | None = None
        self._looked_at: float | None = None
        self._faulty = False
        self._closed = False

    # --- the observer's side ---

    def look(self) -> None:
        """Take in what changed since the last look, and tell the readers."""
        try:
            observed = self._observe()
            if observed == self._observed:
                self._confirm()
            else:
                self._take(observed)
        except SerflabError as error:
            if error is not self._problem:
                self._publish_problem(error)
        except Exception:  # a fault in one look must not end all of them; the feed tells that it stands still
            if not self._faulty:
                log.exception("the overview of the lab failed")
            self._faulty = True
            return
        self._faulty = False
        self._looked, self._looked_at = time.monotonic(), time.time()

    def close(self) -> None:
        """End the feed: every waiting reader is woken and finds it `closed`."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _confirm(self) -> None:
        if self._picture is not None:
            self._picture = self._picture.confirmed(time.time())

    def _take(self, observed: Observed) -> None:
        now, document = time.time(), overview(observed)
        changes = None if self._problem else difference(self._document, document)
        if changes == {}:
            self._confirm()
        else:
            number = self._number + 1
            picture = Picture.of(document, self._id(number), now)
            if changes is None:
                message = Message(picture.version, TOPOLOGY)
            else:
                message = Message(picture.version, DELTA, orjson.dumps({"generated_at": now, **changes}))
            self._publish(number, message, picture)
        self._observed, self._document = observed, document

    def _publish_problem(self, error: SerflabError) -> None:
        number = self._number + 1
        self._observed = None
        self._publish(number, Message(self._id(number), PROBLEM, error=error), None, error)

    def _publish(
        self, number: int, message: Message, picture: Picture | None, problem: SerflabError | None = None
    ) -> None:
        with self._changed:
            self._picture, self._problem = picture, problem
            self._number = number
            if message.kind != DELTA:
                self._ring.clear()
            else:
                self._ring.append((number, message))
                limit = max(_RING_BYTES, picture.size if picture else 0)
                while sum(len(kept.data) for _, kept in self._ring) > limit:
                    self._ring.popleft()
            self._changed.notify_all()

    def _id(self, number: int) -> str:
        return f"{self._start}-{number}"

    # --- the readers' side ---

    @property
    def closed(self) -> bool:
        """Whether the feed has ended."""
        return self._closed

    @property
    def looked_at(self) -> float | None:
        """Return when the observer looked last (epoch seconds), None before the first time."""
        return self._looked_at

    @property
    def stalled_since(self) -> float | None:
        """Return when the observer looked last if that is too long ago, None while the feed is fresh."""
        looked = self._looked
        return self._looked_at if looked is not None and time.monotonic() - looked > STALLED_SECONDS else None

    def picture(self) -> Picture:
        """Return the overview; raises the `SerflabError` that says why there is none, or that it is not fresh."""
        with self._changed:
            picture, problem = self._picture, self._problem
        if (since := self.stalled_since) is not None:
            raise StalledError(since)
        if problem is not None or picture is None:
            raise problem or StalledError(None)
        return picture

    def since(self, last: str) -> list[Message]:
        """Return what a reader lacks that has seen the message of id `last` (empty for none).

        The missing deltas where they are all still kept, else the overview or the problem that there is now.
        """
        with self._changed:
            number = self._number_of(last)
            if number == self._number:
                return []
            if number is not None and self._ring and number >= self._ring[0][0] - 1:
                return [message for at, message in self._ring if at > number]
            version, picture, problem = self._id(self._number), self._picture, self._problem
        if picture is None:
            return [Message(version, PROBLEM, error=problem)]
        return [Message(version, TOPOLOGY, picture.body)]

    def wait(self, last: str | None, timeout: float) -> None:
        """Wait `timeout` seconds, or until there is something that a reader lacks who has seen `last`.

        Without `last` only the end of the feed cuts the wait short.
        """
        with self._changed:
            number = self._number if last is None else self._number_of(last)
            self._changed.wait_for(
                lambda: self._closed or (last is not None and number != self._number), timeout=timeout
            )

    def _number_of(self, version: str) -> int | None:
        start, _, number = version.partition("-")
        if start != self._start or not (number.isascii() and number.isdecimal() and len(number) < 16):
            return None
        return int(number) if int(number) <= self._number else None


def difference(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any] | None:
    """Return what changed from one overview to the next, whole entries of nodes and links; None for "too much"."""
    others = old.keys() | new.keys()
    others -= {*_PARTS, *_NAMED}
    if any(old.get(key) != new.get(key) for key in others):
        return None
    changes = {key: new[key] for key in _PARTS if old.get(key) != new[key]}
    for key, name in _NAMED.items():
        if [entry[name] for entry in old.get(key, ())] != [entry[name] for entry in new[key]]:
            return None
        changed = [entry for before, entry in zip(old[key], new[key], strict=True) if before != entry]
        if changed:
            changes[key] = changed
    return changes
