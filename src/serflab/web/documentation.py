"""`GET /api/openapi.json`: the description of this API, kept beside the code in `openapi.yaml`."""

from __future__ import annotations

import functools
from importlib import resources
from typing import Any

import yaml
from flask import Blueprint, Response

from serflab import __version__
from serflab.web.errors import json_response

blueprint = Blueprint("documentation", __name__)


@functools.cache
def openapi() -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of this version."""
    text = resources.files("serflab.web").joinpath("openapi.yaml").read_text(encoding="utf-8")
    document: dict[str, Any] = yaml.safe_load(text)
    document["info"]["version"] = __version__
    return document


@blueprint.get("/api/openapi.json")
def openapi_json() -> Response:
    """Answer the OpenAPI document."""
    return json_response(openapi())
