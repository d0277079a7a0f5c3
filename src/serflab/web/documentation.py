"""`GET /api/openapi.json`: the description of this API, kept beside the code in `openapi.yaml` and its parts."""

from __future__ import annotations

import functools
from importlib import resources
from typing import Any

import yaml
from flask import Blueprint, Response

from serflab import __version__
from serflab.web.errors import json_response

_PARTS = ("openapi_offload.yaml", "openapi_rebalance.yaml")

blueprint = Blueprint("documentation", __name__)


@functools.cache
def openapi() -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of this version."""
    document = _part("openapi.yaml")
    document["info"]["version"] = __version__
    for name in _PARTS:
        part = _part(name)
        document["paths"].update(part["paths"])
        for kind, entries in part["components"].items():
            document["components"].setdefault(kind, {}).update(entries)
    return document


def _part(name: str) -> dict[str, Any]:
    text = resources.files("serflab.web").joinpath(name).read_text(encoding="utf-8")
    part: dict[str, Any] = yaml.safe_load(text)
    return part


@blueprint.get("/api/openapi.json")
def openapi_json() -> Response:
    """Answer the OpenAPI document."""
    return json_response(openapi())
