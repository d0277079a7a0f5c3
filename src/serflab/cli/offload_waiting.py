"""Waiting for operations, with progress: by server-sent events, or by asking again where no stream gets through."""

from __future__ import annotations

import queue
import threading
import time
from typing import TYPE_CHECKING, Any

import click

from serflab.cli.display import Display
from serflab.cli.offload_options import command_line, viewer
from serflab.cli.running import INTERRUPTED
from serflab.cli.viewer_client import Answer, RefusalError, ViewerClient, path
from serflab.errors import SerflabError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from serflab.cli.offload_options import Waiting
    from serflab.lab.progress import Progress

TIMED_OUT = 3
ENDS = frozenset({"Succeeded", "Failed"})
# What removes something is done when nobody knows of it any more.
_GOES_WITH_ITS_END = frozenset({"delete", "disconnect", "bring-back"})
_POLL_SECONDS = 1.0
_REFRESH_SECONDS = 0.25

Operation = dict[str, Any]


class OperationFailedError(SerflabError):
    """An operation came to its end and did not do what it was for."""


def begun(answer: Answer) -> Operation:
    """Return the operation that an answer tells of, with the path where it can be followed as `location`."""
    operation: Operation = answer.data["operation"]
    return {**operation, "location": answer.location or path("operations", operation["id"])}


def settle(context: click.Context, operations: Iterable[Operation], waiting: Waiting) -> list[Operation]:
    """Wait for operations, and return each as it ended; without waiting, say how to follow them and return none.

    Raises `OperationFailedError` when one of them failed, after all have ended. Ends the command with status 3 when the
    time is up, and with 130 after Ctrl-C: what was begun goes on.
    """
    started = list(operations)
    if not waiting.wait:
        for operation in started:
            follow = command_line(context, "wait", operation["id"])
            click.echo(f"{operation['id']}: {operation['state']}; `{follow}` waits for it")
        return []
    deadline = time.monotonic() + waiting.seconds
    ended: list[Operation] = []
    try:
        with Display() as progress:
            for operation in started:
                ended += [_ended(viewer(context), operation, deadline, progress)]
    except TimeoutError as error:
        rest = [operation["id"] for operation in started[len(ended) :]]
        click.echo(f"not done after {waiting.seconds:g} s: {error}\n{_goes_on(context, rest)}", err=True)
        context.exit(TIMED_OUT)
    except KeyboardInterrupt:
        rest = [operation["id"] for operation in started[len(ended) :]]
        click.echo(f"interrupted\n{_goes_on(context, rest)}", err=True)
        context.exit(INTERRUPTED)
    failed = [f"{operation['id']}: {_why(operation)}" for operation in ended if operation["state"] == "Failed"]
    if failed:
        raise OperationFailedError("\n".join(failed), hint=f"`{command_line(context, 'list')}` shows how things are")
    return ended


def _goes_on(context: click.Context, identifiers: list[str]) -> str:
    goes = "it goes" if len(identifiers) == 1 else f"{len(identifiers)} operations go"
    # A command line of a thousand names helps nobody; without names it means all that are under way.
    words = identifiers if len(identifiers) <= 5 else []
    return f"  {goes} on; `{command_line(context, 'wait', *words)}` waits for the end"


def _why(operation: Operation) -> str:
    return operation["message"] or "failed"


def _ended(client: ViewerClient, operation: Operation, deadline: float, progress: Progress) -> Operation:
    """Return an operation as it ended; `TimeoutError` with its last state when that comes after the deadline."""
    if operation["state"] in ENDS:
        return operation
    news = _follow(client, operation)
    shown = _Shown(operation, progress)
    while operation["state"] not in ENDS:
        if time.monotonic() >= deadline:
            raise TimeoutError(f"{operation['id']} is {operation['state']}{_after_colon(operation['message'])}")
        try:
            item = news.get(timeout=_REFRESH_SECONDS)
        except queue.Empty:
            shown.tick()
            continue
        if isinstance(item, SerflabError):
            raise item
        operation = item
        shown.update(operation)
    if operation["state"] == "Succeeded":
        progress.finish(shown.task)
    return operation


def _after_colon(text: str) -> str:
    return f": {text}" if text else ""


def _follow(client: ViewerClient, operation: Operation) -> queue.Queue[Operation | SerflabError]:
    """Return where the news of an operation arrive, up to its end or to the error that makes following it pointless."""
    news: queue.Queue[Operation | SerflabError] = queue.Queue()
    # A thread of its own, as a read that waits for the next event can be neither timed nor interrupted.
    threading.Thread(target=_tell, args=(client, operation, news), daemon=True).start()
    return news


def _tell(client: ViewerClient, operation: Operation, news: queue.Queue[Operation | SerflabError]) -> None:
    location = operation["location"]
    try:
        while operation["state"] not in ENDS:
            for state in _news(client, location):
                operation = _reached(operation, state)
                news.put(operation)
            if operation["state"] not in ENDS:
                time.sleep(_POLL_SECONDS)
    except RefusalError as error:
        gone = error.status == 404 and operation["kind"] in _GOES_WITH_ITS_END
        lost = OperationFailedError(f"{operation['id']} cannot be followed: {error.message}", hint=error.hint)
        news.put({**operation, "state": "Succeeded", "message": ""} if gone else lost)
    except Exception as error:  # noqa: BLE001  the thread must not die in silence
        news.put(SerflabError(f"{operation['id']} cannot be followed: {error!r}"))


def _news(client: ViewerClient, location: str) -> Iterable[Operation]:
    """Yield the events of an operation's stream; where that breaks or is refused, its state now."""
    try:
        yield from client.operation_events(location)
    except (SerflabError, ValueError):
        pass
    else:
        return
    try:
        yield client.get(location)["operation"]
    except RefusalError as error:
        # A viewer without its manager, or one that starts again, is asked again.
        if error.status < 500:
            raise
    except SerflabError:
        pass


def _reached(before: Operation, state: Operation) -> Operation:
    return {**state, "location": before["location"]}


class _Shown:
    """An operation on the display: its share while a transfer lasts, counted on between two events, and its states."""

    def __init__(self, operation: Operation, progress: Progress) -> None:
        self.task = operation["id"]
        self._progress = progress
        self._told = ""
        progress.start(self.task)
        self.update(operation)

    def update(self, operation: Operation) -> None:
        """Show a new state."""
        self._operation, self._at = operation, time.monotonic()
        told = f"{operation['state']}{_after_colon(operation['message'])}"
        if told != self._told:
            self._told = told
            self._progress.say(f"{self.task}: {told}")
        self.tick()

    def tick(self) -> None:
        """Show how far a transfer must have come by now."""
        share, started, ends = (self._operation.get(key) for key in ("progress", "started", "ends"))
        if share is None or self._operation["state"] in ENDS:
            return
        if started is not None and ends is not None and ends > started:
            share += (time.monotonic() - self._at) / (ends - started)
        self._progress.advance(self.task, min(100, round(100 * share)), 100, "%")
