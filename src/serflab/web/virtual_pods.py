"""`/api/virtual-pods`: pods of one serf that run on another."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint, Response, request
from werkzeug.routing import BaseConverter

from serflab.web import body
from serflab.web.body import boolean, fields, full_pod_name, json_body, namespace, pod_name, text
from serflab.web.errors import bad_parameter
from serflab.web.forward import forward
from serflab.web.parameters import choice

if TYPE_CHECKING:
    from flask.blueprints import BlueprintSetupState

STATUSES = ("Pending", "Transferring", "Running", "Succeeded", "Failed", "Deleting")
SHORTEST_SECONDS = 0.1
LONGEST_SECONDS = 86_400
_MOST_MIB = 1024.0**2
_ENDS = {"source_node": text, "dest_node": text}
_OPTIONS = {
    "interval": body.number(
        f"seconds for a point, {SHORTEST_SECONDS} to {LONGEST_SECONDS}", SHORTEST_SECONDS, LONGEST_SECONDS
    ),
    "workload_template": text,
    "source_pod": full_pod_name,
    "name": body.short_name,
    "namespace": namespace,
    "loop": boolean,
    "image_mib": body.number(f"MiB, 0 to {_MOST_MIB:.0f}", 0, _MOST_MIB),
}
_OFFLOAD = {**_ENDS, "namespace": namespace, "pod": pod_name}
_HOME = "virtual-pods"

blueprint = Blueprint("virtual_pods", __name__, url_prefix="/api/virtual-pods")


class _Identity(BaseConverter):
    """The id of a virtual pod in an address: not the names of calls, which other methods would be mistaken for."""

    regex = r"(?!(?:create|offload)(?:/|$))[^/]+"


@blueprint.record_once
def _identities(state: BlueprintSetupState) -> None:
    state.app.url_map.converters["virtual_pod"] = _Identity


@blueprint.get("")
def virtual_pods() -> Response:
    """Answer all virtual pods, or those of a source, a destination, a status."""
    names = ("source_node", "dest_node")
    query = {name: value for name in names if (value := request.args.get(name))}
    if "status" in request.args:
        query["status"] = choice("status", STATUSES, "")
    return forward("GET", _HOME, query=query)


@blueprint.get("/<virtual_pod:virtual_pod>")
def virtual_pod(virtual_pod: str) -> Response:
    """Answer one virtual pod."""
    return forward("GET", _HOME, virtual_pod)


@blueprint.post("/create")
def create() -> Response:
    """Create a pod in one serf that runs on another."""
    wanted = fields(json_body(), _ENDS, _OPTIONS)
    if ("workload_template" in wanted) == ("source_pod" in wanted):
        problem = "both are given" if "source_pod" in wanted else "neither is given"
        raise bad_parameter(
            "workload_template", f"workload_template or source_pod: {problem}", "given unless source_pod is"
        )
    return forward("POST", _HOME, "create", body=wanted)


@blueprint.post("/offload")
def offload() -> Response:
    """Move an emulated pod that runs to another serf."""
    return forward("POST", _HOME, "offload", body=fields(json_body(), _OFFLOAD, {}))


@blueprint.post("/<virtual_pod:virtual_pod>/bring-back")
def bring_back(virtual_pod: str) -> Response:
    """Bring an offloaded pod home."""
    return forward("POST", _HOME, virtual_pod, "bring-back")


@blueprint.delete("/<virtual_pod:virtual_pod>")
def delete(virtual_pod: str) -> Response:
    """Delete a virtual pod on both sides."""
    return forward("DELETE", _HOME, virtual_pod)
