"""One at a time where nothing waits: what is only computed gains nothing from many threads at once."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment


class InTurn:
    """Middleware that answers requests for some paths one after the other, and leaves all others alone.

    Threads that compute side by side pass the interpreter's lock around, in no order: under a burst some of them wait
    many times as long as others (docs/decisions/0010-server-sent-events-on-threads.md). Only for paths whose answers
    lie in memory: one that waits for something would make the others wait with it.
    """

    def __init__(self, application: WSGIApplication, paths: Iterable[str]) -> None:
        self._application = application
        self._paths = frozenset(paths)
        # No lock: a lock is handed to a thread that has to wait for the interpreter first, and all others wait for it.
        self._turn = threading.Semaphore(1)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request, in its turn."""
        if environ["PATH_INFO"] not in self._paths:
            return self._application(environ, start_response)
        with self._turn:
            return self._application(environ, start_response)
