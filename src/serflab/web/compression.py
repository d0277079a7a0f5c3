"""Compression of responses with gzip, for clients that accept it."""

from __future__ import annotations

import gzip

from flask import Flask, Response, request

_TYPES = ("application/json", "text/", "application/javascript", "image/svg+xml")
SMALLEST = 860  # bytes; below, the saving does not pay: it fits into one packet anyway
_LEVEL = 5


def accepts_gzip() -> bool:
    """Whether the client that asks takes gzip."""
    return request.accept_encodings.quality("gzip") > 0


def install_compression(app: Flask) -> None:
    """Compress bodies that gain from it; those already encoded or streamed pass as they are."""

    @app.after_request
    def _compress(response: Response) -> Response:
        if not (response.mimetype or "").startswith(_TYPES):
            return response
        response.vary.add("Accept-Encoding")
        if response.status_code != 200 or response.is_streamed or response.headers.get("Content-Encoding"):
            return response
        if not accepts_gzip() or request.method == "HEAD":
            return response
        body = response.get_data()
        if len(body) >= SMALLEST:
            response.set_data(gzip.compress(body, compresslevel=_LEVEL, mtime=0))
            response.headers["Content-Encoding"] = "gzip"
        return response
