"""`GET /api/events`: the overview and its changes as they happen, over server-sent events.

Format: https://html.spec.whatwg.org/multipage/server-sent-events.html. Each stream holds a thread of the server
(docs/decisions/0010-server-sent-events-on-threads.md).
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, cast

import orjson
from flask import Blueprint, Response, current_app, request

from serflab.lab.feed import PROBLEM, StalledError
from serflab.web.errors import ApiError, api_error
from serflab.web.lookup import observer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from flask import Flask

    from serflab.errors import SerflabError
    from serflab.lab.feed import Feed, Message

MOST_STREAMS = 256
PING_SECONDS = 5.0
RETRY_MILLISECONDS = 2000
_EXTENSION = "serflab-streams"

blueprint = Blueprint("events", __name__)


class Streams:
    """Counts the streams that are open, and refuses more than `most`."""

    def __init__(self, most: int = MOST_STREAMS) -> None:
        self.most = most
        self.open = 0
        self._lock = threading.Lock()

    def enter(self) -> None:
        """Count one more; 503 when there are too many."""
        with self._lock:
            if self.open >= self.most:
                raise ApiError(
                    503,
                    "too_many_streams",
                    f"{self.most} streams are open, more are not served",
                    hint="poll instead, or try again later",
                    details={"most": self.most},
                )
            self.open += 1

    def leave(self) -> None:
        """Count one less."""
        with self._lock:
            self.open -= 1


def streams() -> Streams:
    """Return the count of the running application's streams."""
    return cast("Streams", current_app.extensions[_EXTENSION])


def stream_response(chunks: Iterable[bytes]) -> Response:
    """Return a stream of server-sent events whose place in the count is taken already; its end gives it back."""
    response = Response(chunks, mimetype="text/event-stream")
    # Not the generator's own end: one that is never begun (HEAD) has none.
    response.call_on_close(streams().leave)
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Accel-Buffering"] = "no"
    return response


def install_streams(app: Flask, most: int = MOST_STREAMS) -> None:
    """Let the application serve so many streams at once."""
    app.extensions[_EXTENSION] = Streams(most)


@blueprint.get("/api/events")
def events() -> Response:
    """Answer the stream of `topology`, `delta`, `problem` and `ping` events."""
    last = request.headers.get("Last-Event-ID") or request.args.get("last_event_id", "")
    streams().enter()
    return stream_response(_stream(observer().feed, last))


def _stream(feed: Feed, last: str) -> Iterator[bytes]:
    """Yield the events for one reader. A reader that is behind is sent what it lacks then, so nothing piles up."""
    yield b"retry: %d\n\n" % RETRY_MILLISECONDS
    stalled, next_ping = False, time.monotonic() + PING_SECONDS
    while not feed.closed:
        since = feed.stalled_since
        if since is None:
            # After a time without knowledge, the whole picture again.
            last, stalled = ("", False) if stalled else (last, stalled)
            for message in feed.since(last):
                yield _frame(message)
                last = message.id
        elif not stalled:
            stalled = True
            yield _event(PROBLEM, _problem(StalledError(since)))
        if time.monotonic() >= next_ping:
            next_ping = time.monotonic() + PING_SECONDS
            if not stalled:
                yield _event("ping", orjson.dumps({"at": feed.looked_at}))
        feed.wait(None if stalled else last, max(0.0, next_ping - time.monotonic()))


def _frame(message: Message) -> bytes:
    data = message.data if message.error is None else _problem(message.error)
    return b"id: %s\n%s" % (message.id.encode(), _event(message.kind, data))


def _event(kind: str, data: bytes) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (kind.encode(), data)


def _problem(error: SerflabError) -> bytes:
    return orjson.dumps(api_error(error).body())
