"""The calls about peerings, as the manager answers them on its socket; the viewer forwards `/api/…` to them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiohttp import web

from serflab.kube.refusal import Refusal
from serflab.kube.rest import accepted, answer, body_of
from serflab.offload import peering_commands as commands
from serflab.offload.peer_info import info
from serflab.offload.peerings import connection, peerings
from serflab.offload.virtual_pods import virtual_pods
from serflab.traces.quantity import parse_cpu, parse_memory

if TYPE_CHECKING:
    from serflab.offload.fleet import Fleet

_MODES = ("None", "Soft", "Hard")
_KNOWN = frozenset({"from", "to", "cpu", "memory", "pods", "quota"})
_MOST_PODS = 1_000_000


def routes(fleet: Fleet) -> list[web.RouteDef]:
    """Return the routes of these calls."""

    async def list_all(_: web.Request) -> web.Response:
        return answer({"connections": connections(fleet)})

    async def connect(request: web.Request) -> web.Response:
        body = await body_of(request)
        consumer, provider = _pair(body)
        link, changed = await commands.connect(fleet, consumer, provider, _ask(body))
        done = commands.operation(fleet, commands.CONNECT, consumer, provider)
        data = {"operation": done, "connection": connection(fleet, link)}
        return accepted(data, done["id"]) if changed else answer(data)

    async def disconnect(request: web.Request) -> web.Response:
        body = await body_of(request) or dict(request.query)
        consumer, provider = _pair(body)
        commands.require_serfs(fleet, consumer, provider)
        cascade = commands.cascade(fleet, consumer, provider)
        if _flag(request, "dry_run"):
            return answer({"cascade": cascade})
        was_there = await commands.disconnect(fleet, consumer, provider)
        done = commands.operation(fleet, commands.DISCONNECT, consumer, provider)
        data = {"operation": done, "cascade": cascade}
        return accepted(data, done["id"]) if was_there else answer(data)

    async def change(request: web.Request) -> web.Response:
        consumer, provider = request.match_info["consumer"], request.match_info["provider"]
        cordoned = request.match_info["verb"] == "cordon"
        link = await commands.cordon(fleet, consumer, provider, cordoned=cordoned)
        return answer({"connection": connection(fleet, link)})

    async def drain(request: web.Request) -> web.Response:
        consumer, provider = request.match_info["consumer"], request.match_info["provider"]
        await commands.drain(fleet, consumer, provider)
        done = commands.operation(fleet, commands.DRAIN, consumer, provider)
        return accepted({"operation": done}, done["id"])

    async def show_info(request: web.Request) -> web.Response:
        node = request.query.get("node", "")
        if not node:
            raise bad("node", "node is missing", "the name of a serf")
        commands.require_serfs(fleet, node)
        return answer(info(fleet, node))

    return [
        web.get("/liqo-connections", list_all),
        web.post("/liqo-connections", connect),
        web.delete("/liqo-connections", disconnect),
        web.post("/liqo-connections/{consumer}/{provider}/{verb:cordon|uncordon}", change),
        web.post("/liqo-connections/{consumer}/{provider}/drain", drain),
        web.get("/liqo-info", show_info),
    ]


def connections(fleet: Fleet) -> list[dict[str, Any]]:
    """Return all peerings as the REST API tells them; the virtual pods are gone through once."""
    between: dict[tuple[str, str], list[Any]] = {}
    for pod in virtual_pods(fleet):
        between.setdefault((pod.consumer, pod.provider), []).append(pod)
    return [connection(fleet, link, between.get((link.consumer, link.provider), ())) for link in peerings(fleet)]


def bad(parameter: str, message: str, expected: str) -> Refusal:
    """Return the refusal of a parameter that is missing or cannot be."""
    details = {"parameter": parameter, "allowed": [expected]}
    return Refusal(400, "bad_parameter", message, hint=f"{parameter} is {expected}", details=details)


def _pair(body: dict[str, Any]) -> tuple[str, str]:
    for key in ("from", "to"):
        if not isinstance(body.get(key), str) or not body[key]:
            told = "missing" if body.get(key) is None else repr(body[key])
            raise bad(key, f"{key} is {told}", "the name of a serf")
    if body["from"] == body["to"]:
        raise bad("to", f"from and to are both {body['to']!r}", "another serf than from")
    return body["from"], body["to"]


def _ask(body: dict[str, Any]) -> commands.Ask:
    for key in body.keys() - _KNOWN:
        raise bad(key, f"{key} is not known", f"one of {', '.join(sorted(_KNOWN))}")
    resources = {}
    if "cpu" in body:
        resources["cpu"] = _quantity(body["cpu"], "cpu")
    if "memory" in body:
        resources["memory"] = _quantity(body["memory"], "memory")
    if "pods" in body:
        pods = body["pods"]
        if isinstance(pods, bool) or not isinstance(pods, int) or not 1 <= pods <= _MOST_PODS:
            raise bad("pods", f"pods is {pods!r}", f"a whole number from 1 to {_MOST_PODS}")
        resources["pods"] = str(pods)
    quota = body.get("quota", "")
    if "quota" in body and quota not in _MODES:
        raise bad("quota", f"quota is {quota!r}", f"one of {', '.join(_MODES)}")
    return commands.Ask(resources, quota)


def _quantity(value: Any, key: str) -> str:  # noqa: ANN401 - whatever the caller has sent
    expected = 'a quantity of Kubernetes such as "4" or "500m"' if key == "cpu" else 'a quantity such as "8Gi"'
    try:
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise bad(key, f"{key} is {value!r}", expected)
        amount = (parse_cpu if key == "cpu" else parse_memory)(value)
    except ValueError as error:
        raise bad(key, str(error), expected) from error
    if amount <= 0:
        raise bad(key, f"{key} is {value!r}", f"{expected}, more than 0")
    return str(value)


def _flag(request: web.Request, name: str) -> bool:
    value = request.query.get(name, "false").lower()
    if value not in {"true", "false", "1", "0"}:
        raise bad(name, f"{name} is {value!r}", "true or false")
    return value in {"true", "1"}
