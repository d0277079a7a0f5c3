"""Asking the offload manager of a lab: plain HTTP over its Unix socket, for threads.

One connection a call, as HTTP/1.0 has it: the end of an answer is the end of its connection.
"""

from __future__ import annotations

import select
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from typing import TYPE_CHECKING, Any

import orjson

from serflab.errors import SerflabError
from serflab.lab.sockets import UnixConnection

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator, Mapping
    from pathlib import Path

TIMEOUT_SECONDS = 30.0
_CHUNK_BYTES = 64 * 1024


class OffloadUnavailableError(SerflabError):
    """Nobody answers on the manager's socket, or not in time."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the manager answered; the names of `headers` are in lower case."""

    status: int
    body: bytes
    headers: Mapping[str, str]

    def json(self) -> Any:  # noqa: ANN401 - whatever JSON holds
        """Return the body as data; `ValueError` when it is no JSON."""
        return orjson.loads(self.body)


class Stream:
    """An answer that goes on until the manager ends it."""

    def __init__(self, sock: socket.socket, response: HTTPResponse) -> None:
        self._response = response
        self._poll = select.poll()
        self._poll.register(sock, select.POLLIN)
        # From here on a read takes what is there; waiting is the poll's.
        sock.settimeout(0)
        self._begun = False

    def read(self, timeout: float) -> bytes | None:
        """Return what comes next, None when nothing came for `timeout` seconds, nothing (`b""`) at the end."""
        if not self._begun:
            self._begun = True
            # What came in one piece with the headers.
            if data := self._response.fp.read1(_CHUNK_BYTES):
                return data
        if not self._poll.poll(timeout * 1000):
            return None
        try:
            return self._response.fp.read1(_CHUNK_BYTES)
        except OSError:  # the manager has ended
            return b""


class OffloadClient:
    """Calls of the manager that listens on `socket`; `timeout` is in seconds of silence."""

    def __init__(self, socket: Path, timeout: float = TIMEOUT_SECONDS) -> None:
        self._socket = socket
        self._timeout = timeout

    def request(self, method: str, path: str, body: object = None) -> Answer:
        """Make one call, with `body` as JSON unless it is None; raises `OffloadUnavailableError`."""
        with self._open(method, path, body) as (_, response):
            return Answer(response.status, response.read(), _headers(response))

    @contextmanager
    def stream(self, path: str) -> Iterator[Stream | Answer]:
        """Open a stream of events; a whole `Answer` where the manager sends something else, such as an error.

        Raises `OffloadUnavailableError`.
        """
        with self._open("GET", path, None) as (sock, response):
            if response.headers.get_content_type() == "text/event-stream":
                yield Stream(sock, response)
            else:
                yield Answer(response.status, response.read(), _headers(response))

    @contextmanager
    def _open(self, method: str, path: str, body: object) -> Iterator[tuple[socket.socket, HTTPResponse]]:
        connection = UnixConnection(self._socket, self._timeout)
        headers = {} if body is None else {"Content-Type": "application/json"}
        try:
            connection.request(method, path, None if body is None else orjson.dumps(body), headers)
            # The connection lets go of its socket once the answer has begun.
            sock = connection.sock
            with connection.getresponse() as response:
                yield sock, response
        except TimeoutError as error:
            raise _unavailable(f"the offload manager did not answer within {self._timeout:g} s") from error
        except (FileNotFoundError, ConnectionRefusedError) as error:
            raise _unavailable("the offload manager does not run") from error
        except (OSError, HTTPException) as error:
            raise _unavailable(f"the offload manager broke off: {error or type(error).__name__}") from error
        finally:
            connection.close()


def _headers(response: HTTPResponse) -> dict[str, str]:
    return {name.lower(): value for name, value in response.getheaders()}


def _unavailable(message: str) -> OffloadUnavailableError:
    hint = "`serflab up` starts it; its log: serflab logs services offload"
    return OffloadUnavailableError(message, hint=hint)
