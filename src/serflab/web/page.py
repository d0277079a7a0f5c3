"""The page and its assets: files of ours below `static/`, and an allowlist of files of installed npm packages."""

from __future__ import annotations

import functools
import gzip
import hashlib
import mimetypes
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flask import Blueprint, Response, request
from werkzeug.security import safe_join

from serflab.web.errors import ApiError
from serflab.web.lookup import settings

if TYPE_CHECKING:
    from pathlib import Path

# What of node_modules is served, by the name under /vendor/.
VENDOR = {
    "cytoscape.js": "cytoscape/dist/cytoscape.esm.min.mjs",
    "uplot.js": "uplot/dist/uPlot.esm.js",
    "uplot.css": "uplot/dist/uPlot.min.css",
}
_TYPES = {".js": "text/javascript", ".mjs": "text/javascript", ".svg": "image/svg+xml", ".ico": "image/x-icon"}
_COMPRESSIBLE = ("text/", "image/svg+xml", "application/json")

blueprint = Blueprint("page", __name__)


@dataclass(frozen=True, slots=True)
class _Asset:
    body: bytes
    compressed: bytes | None
    etag: str
    mimetype: str


@blueprint.get("/")
def index() -> Response:
    """Answer the page."""
    return _answer(settings().home / "static" / "index.html")


@blueprint.get("/favicon.ico")
def favicon() -> Response:
    """Answer the icon for browsers that ask for it by its old name."""
    return _answer(settings().home / "static" / "icons" / "serflab.svg")


@blueprint.get("/static/<path:name>")
def static(name: str) -> Response:
    """Answer a file of ours."""
    root = settings().home / "static"
    joined = safe_join(str(root), name)
    if joined is None:
        raise ApiError(404, "not_found", f"there is no asset {name!r}")
    return _answer(root / joined)


@blueprint.get("/vendor/<name>")
def vendor(name: str) -> Response:
    """Answer a file of an npm package that setup has installed."""
    if name not in VENDOR:
        raise ApiError(404, "not_found", f"there is no package file {name!r}")
    file = settings().home / "node_modules" / VENDOR[name]
    if not file.is_file():
        raise ApiError(
            404,
            "packages_missing",
            f"{VENDOR[name].partition('/')[0]} is not installed",
            hint="run ./setup_emulation.sh, or in flask-app: npm ci --omit=dev --ignore-scripts",
        )
    return _answer(file)


def _answer(file: Path) -> Response:
    try:
        status = file.stat()
        asset = _asset(file, status.st_mtime_ns, status.st_size)
    except OSError as error:
        raise ApiError(404, "not_found", f"there is no asset {file.name!r}") from error
    compress = asset.compressed is not None and request.accept_encodings.quality("gzip") > 0
    response = Response(asset.compressed if compress else asset.body, mimetype=asset.mimetype)
    if compress:
        response.headers["Content-Encoding"] = "gzip"
    response.set_etag(f"{asset.etag}-gz" if compress else asset.etag)
    response.vary.add("Accept-Encoding")
    # Asked for again each time, answered with 304 as long as it is the same: an update is seen at the next load.
    response.headers["Cache-Control"] = "no-cache"
    response.make_conditional(request)
    return response


@functools.lru_cache(maxsize=128)
def _asset(file: Path, _modified: int, _size: int) -> _Asset:
    body = file.read_bytes()
    mimetype = _TYPES.get(file.suffix) or mimetypes.guess_type(file.name)[0] or "application/octet-stream"
    compressed = gzip.compress(body, compresslevel=9, mtime=0) if mimetype.startswith(_COMPRESSIBLE) else None
    return _Asset(body, compressed, hashlib.sha256(body).hexdigest()[:20], mimetype)
