"""`/api/operations`: what the offload manager is doing, and how it goes on."""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

from flask import Blueprint, Response

from serflab.offload.client import Answer, OffloadUnavailableError, Stream
from serflab.web.events import PING_SECONDS, stream_response, streams
from serflab.web.forward import forward, manager, manager_path, passed_on, unavailable
from serflab.web.lookup import observer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from serflab.lab.feed import Feed

_HOME = "operations"
_LOOK_SECONDS = 0.5

blueprint = Blueprint("operations", __name__, url_prefix="/api/operations")


@blueprint.get("")
def operations() -> Response:
    """Answer the operations that are under way."""
    return forward("GET", _HOME)


@blueprint.get("/<operation>")
def operation(operation: str) -> Response:
    """Answer one operation."""
    return forward("GET", _HOME, operation)


@blueprint.get("/<operation>/events")
def events(operation: str) -> Response:
    """Answer the stream of an operation's states, until its last."""
    streams().enter()
    opened = ExitStack()
    try:
        found = opened.enter_context(manager().stream(manager_path(_HOME, operation, "events")))
    except OffloadUnavailableError as error:
        streams().leave()
        raise unavailable(error) from error
    if isinstance(found, Answer):
        opened.close()
        streams().leave()
        return passed_on(found)
    response = stream_response(_relay(found, observer().feed))
    response.call_on_close(opened.close)
    return response


def _relay(stream: Stream, feed: Feed) -> Iterator[bytes]:
    """Yield what the manager sends, to its end or the viewer's.

    In silence a comment is sent, so that a reader who is gone is noticed.
    """
    sent, whole = time.monotonic(), True
    while not feed.closed:
        data = stream.read(_LOOK_SECONDS)
        if data == b"":
            return
        if data is None:
            if not whole or time.monotonic() - sent < PING_SECONDS:
                continue
            data = b": still here\n\n"
        sent, whole = time.monotonic(), data.endswith(b"\n\n")
        yield data
