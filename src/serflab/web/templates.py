"""`GET /api/workload-templates`: the time series that virtual pods can play."""

from __future__ import annotations

from flask import Blueprint, Response

from serflab.lab.workload import template as one_template
from serflab.lab.workload import templates
from serflab.web.errors import json_response, unknown
from serflab.web.lookup import settings

DIRECTORY = "workload_templates"

blueprint = Blueprint("templates", __name__)


@blueprint.get("/api/workload-templates")
def workload_templates() -> Response:
    """Answer names, length and summary of each template; new files are seen at once."""
    return json_response({"templates": templates(settings().checkout / DIRECTORY)})


@blueprint.get("/api/workload-templates/<template>")
def workload_template(template: str) -> Response:
    """Answer one template with its series; 404 for an unknown one, 503 for one that cannot be used."""
    directory = settings().checkout / DIRECTORY
    names = [file.stem for file in directory.glob("*.json")]
    if template not in names:
        raise unknown("template", template, names)
    return json_response(one_template(directory / f"{template}.json"))
