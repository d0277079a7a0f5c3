"""`/api/liqo-connections` and `/api/liqo-info`: the peerings between serfs."""

from __future__ import annotations

from flask import Blueprint, Response, request

from serflab.web import body
from serflab.web.body import fields, json_body, text
from serflab.web.errors import bad_parameter
from serflab.web.forward import forward
from serflab.web.parameters import choice

QUOTAS = ("None", "Soft", "Hard")
_MOST_PODS = 1_000_000
_ENDS = {"from": text, "to": text}
_RESOURCES = {
    "cpu": body.cpu,
    "memory": body.memory,
    "pods": body.number(f"a whole number from 1 to {_MOST_PODS}", 1, _MOST_PODS, whole=True),
    "quota": body.one_out_of(QUOTAS),
}
_HOME = "liqo-connections"

blueprint = Blueprint("liqo_connections", __name__)


@blueprint.get("/api/liqo-connections")
def connections() -> Response:
    """Answer all peerings with the states of their modules."""
    return forward("GET", _HOME)


@blueprint.post("/api/liqo-connections")
def connect() -> Response:
    """Peer a consumer with a provider."""
    return forward("POST", _HOME, body=fields(json_body(), _ENDS, _RESOURCES))


@blueprint.delete("/api/liqo-connections")
def disconnect() -> Response:
    """End a peering, its virtual pods first; with `dry_run=true` only tell what goes with it."""
    dry_run = choice("dry_run", ("true", "false"), "false")
    given = {name: request.args[name] for name in _ENDS if name in request.args}
    ends = fields(json_body() if request.get_data() else given, _ENDS, {})
    return forward("DELETE", _HOME, query={"dry_run": dry_run}, body=ends)


@blueprint.post("/api/liqo-connections/<consumer>/<provider>/cordon")
def cordon(consumer: str, provider: str) -> Response:
    """Let no new pods onto a virtual node."""
    return forward("POST", _HOME, consumer, provider, "cordon")


@blueprint.post("/api/liqo-connections/<consumer>/<provider>/uncordon")
def uncordon(consumer: str, provider: str) -> Response:
    """Let new pods onto a virtual node again."""
    return forward("POST", _HOME, consumer, provider, "uncordon")


@blueprint.post("/api/liqo-connections/<consumer>/<provider>/drain")
def drain(consumer: str, provider: str) -> Response:
    """Empty a virtual node."""
    return forward("POST", _HOME, consumer, provider, "drain")


@blueprint.get("/api/liqo-info")
def info() -> Response:
    """Answer what `liqoctl info` tells of one serf."""
    node = request.args.get("node")
    if not node:
        raise bad_parameter("node", "node is missing", "the name of a serf")
    return forward("GET", "liqo-info", query={"node": node})
