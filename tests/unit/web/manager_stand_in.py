"""A program in the place of the offload manager, on a real Unix socket: it answers what a test has told it to."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingMixIn, UnixStreamServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@dataclass(frozen=True)
class Call:
    """What the manager was asked: the path with its query, the body as data."""

    method: str
    path: str
    body: Any


@dataclass
class Told:
    """What it is to answer; `pieces`, each sent when `go_on` lets it, make a stream."""

    status: int = 200
    body: Any = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    raw: bytes | None = None
    pieces: list[bytes] | None = None
    go_on: Callable[[int], None] = lambda _: None


class _Server(ThreadingMixIn, UnixStreamServer):
    daemon_threads = True
    # A test may end while a stream waits.
    block_on_close = False


class StandIn:
    """The program; `calls` holds what it was asked, but for `/summary` and `/healthz`."""

    def __init__(self, socket: Path) -> None:
        self.calls: list[Call] = []
        self.unchanged = 0
        self.told: dict[tuple[str, str], Told] = {}
        self.otherwise = Told(
            404, {"error": {"status": 404, "code": "unknown", "message": "", "hint": "", "details": {}}}
        )
        socket.parent.mkdir(parents=True, exist_ok=True)
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                pass

            def address_string(self) -> str:
                return "unix"

            def do_GET(self) -> None:
                stand_in.answer(self)

            do_POST = do_GET  # noqa: N815 - the names that the server looks for
            do_DELETE = do_GET  # noqa: N815

        self._server = _Server(str(socket), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    def tell(self, method: str, path: str, status: int = 200, body: Any = None, **more: Any) -> None:
        """Answer that to calls of that path."""
        self.told[method, path] = Told(status, {} if body is None else body, **more)

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        path = handler.path.partition("?")[0]
        length = int(handler.headers.get("Content-Length") or 0)
        body = json.loads(handler.rfile.read(length)) if length else None
        if path not in {"/summary", "/healthz"}:
            self.calls.append(Call(handler.command, handler.path, body))
        told = self.told.get((handler.command, path), self.otherwise)
        if told.headers.get("ETag", "none") == handler.headers.get("If-None-Match"):
            self.unchanged += 1
            told = Told(304, raw=b"", headers=told.headers)
        handler.send_response(told.status)
        kind = "text/event-stream" if told.pieces is not None else "application/json"
        for name, value in {"Content-Type": kind, **told.headers}.items():
            handler.send_header(name, value)
        handler.end_headers()
        if told.pieces is None:
            handler.wfile.write(json.dumps(told.body).encode() if told.raw is None else told.raw)
            return
        for number, piece in enumerate(told.pieces):
            told.go_on(number)
            handler.wfile.write(piece)
            handler.wfile.flush()

    def stop(self) -> None:
        """End it, as a crash would: the socket's file stays."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
