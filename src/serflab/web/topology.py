"""`GET /api/topology`: the graph of the page."""

from __future__ import annotations

from flask import Blueprint, Response

from serflab.lab.overview import overview
from serflab.web.errors import json_response
from serflab.web.lookup import observer

blueprint = Blueprint("topology", __name__)


@blueprint.get("/api/topology")
def topology() -> Response:
    """Answer nodes and links with kind, role, state and load."""
    return json_response(overview(observer()))
