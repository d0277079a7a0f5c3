"""`GET /api/topology`: the graph of the page, as bytes that the feed made once for everybody."""

from __future__ import annotations

from flask import Blueprint, Response, request

from serflab.web.compression import SMALLEST, accepts_gzip
from serflab.web.lookup import observer

blueprint = Blueprint("topology", __name__)


@blueprint.get("/api/topology")
def topology() -> Response:
    """Answer nodes and links with kind, role, state and load; 304 to who has this version already."""
    picture = observer().feed.picture()
    if request.if_none_match.contains_weak(picture.version):
        response = Response(status=304)
    elif accepts_gzip() and picture.size >= SMALLEST:
        response = Response(picture.compressed, mimetype="application/json")
        response.headers["Content-Encoding"] = "gzip"
    else:
        response = Response(picture.body, mimetype="application/json")
    # Weak: the same content comes with another `generated_at`. A browser must not store it: from its store the page
    # would get an old `generated_at`.
    response.headers["ETag"] = f'W/"{picture.version}"'
    response.headers["Cache-Control"] = "no-store"
    response.vary.add("Accept-Encoding")
    return response
