"""Compression of responses with gzip, for clients that accept it."""

from __future__ import annotations

import gzip

from flask import Flask, Response, request

_TYPES = ("application/json", "text/", "application/javascript", "image/svg+xml")
_SMALLEST = 860  # below this the saving does not pay: it fits into one packet anyway
_LEVEL = 5


def install_compression(app: Flask) -> None:
    """Compress bodies that gain from it; those already encoded or streamed pass as they are."""

    @app.after_request
    def _compress(response: Response) -> Response:
        if not (response.mimetype or "").startswith(_TYPES):
            return response
        response.vary.add("Accept-Encoding")
        if response.status_code != 200 or response.is_streamed or response.headers.get("Content-Encoding"):
            return response
        if request.accept_encodings.quality("gzip") == 0 or request.method == "HEAD":
            return response
        body = response.get_data()
        if len(body) >= _SMALLEST:
            response.set_data(gzip.compress(body, compresslevel=_LEVEL, mtime=0))
            response.headers["Content-Encoding"] = "gzip"
        return response
