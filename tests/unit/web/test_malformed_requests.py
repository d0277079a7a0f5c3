"""Requests that the server refuses before the application sees them are answered in the one shape of errors."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
from typing import TYPE_CHECKING, Any

import pytest

from openapi_schema import problems
from serflab.web.documentation import openapi

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Flask
    from flask.testing import FlaskClient

DOCUMENT = openapi()
MIB = 1024 * 1024


def put(size: int) -> bytes:
    head = f"PUT /api/positions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {size}"
    return f"{head}\r\n\r\n".encode() + b" " * min(size, 3 * MIB)


@pytest.mark.parametrize(
    ("request_", "status", "code"),
    [
        (b"GET /api/topology HTTP/1.1\r\nHost localhost\r\n\r\n", 400, "bad_request"),
        (b"nonsense\r\n\r\n", 400, "bad_request"),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 300_000 + b"\r\n\r\n", 431, "request_header_fields_too_large"),
        (b"PUT / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n", 501, "not_implemented"),
        (put(2 * MIB), 413, "request_entity_too_large"),
        (put(100 * MIB), 413, "request_entity_too_large"),
    ],
    ids=["no header", "no request", "long headers", "other encoding", "large body", "huge body"],
)
def test_it_is_told_in_json(
    client: FlaskClient, serve: Callable[[Flask], Any], request_: bytes, status: int, code: str
) -> None:
    port = int(serve(client.application).effective_port)
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        # The server need not take all of a body that it refuses.
        with contextlib.suppress(ConnectionError):
            connection.sendall(request_)
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        error = json.loads(answer.read())
    assert answer.status == status
    assert answer.headers["Content-Security-Policy"]
    assert (error["error"]["status"], error["error"]["code"]) == (status, code)
    assert problems(error, DOCUMENT["components"]["schemas"]["Error"], DOCUMENT) == []
