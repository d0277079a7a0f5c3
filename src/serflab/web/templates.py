"""`GET /api/workload-templates`: the time series that virtual pods can play."""

from __future__ import annotations

from flask import Blueprint, Response

from serflab.lab.workload import templates
from serflab.web.errors import json_response
from serflab.web.lookup import settings

DIRECTORY = "workload_templates"

blueprint = Blueprint("templates", __name__)


@blueprint.get("/api/workload-templates")
def workload_templates() -> Response:
    """Answer names, length and summary of each template; new files are seen at once."""
    return json_response({"templates": templates(settings().checkout / DIRECTORY)})
