"""The calls about virtual pods, as the manager answers them on its socket; the viewer forwards `/api/…` to them."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

from aiohttp import web

from serflab.kube.refusal import Refusal
from serflab.kube.rest import accepted, answer, body_of
from serflab.offload import virtual_pod_commands as commands
from serflab.offload.ids import is_id
from serflab.offload.operations import CREATE, DELETE, OFFLOAD, of_pod
from serflab.offload.release import BRING_BACK
from serflab.offload.virtual_pod_documents import STATUSES, document
from serflab.offload.virtual_pods import virtual_pods

if TYPE_CHECKING:
    from serflab.offload.fleet import Fleet

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_FILTERS = ("source_node", "dest_node", "status")
_LONGEST_INTERVAL = 86_400.0


def routes(fleet: Fleet) -> list[web.RouteDef]:
    """Return the routes of these calls."""

    async def list_all(request: web.Request) -> web.Response:
        wanted = {key: request.query[key] for key in _FILTERS if key in request.query}
        if wanted.get("status", STATUSES[0]) not in STATUSES:
            raise bad("status", f"status={wanted['status']!r} is not known", f"one of {', '.join(STATUSES)}")
        found = [document(fleet, pod) for pod in virtual_pods(fleet)]
        return answer({"virtual_pods": [pod for pod in found if wanted.items() <= pod.items()]})

    async def show(request: web.Request) -> web.Response:
        identifier = request.match_info["id"]
        pod = commands.find(fleet, identifier)
        if pod is None:
            raise commands.unknown(identifier)
        return answer({"virtual_pod": document(fleet, pod)})

    async def create(request: web.Request) -> web.Response:
        pod = await commands.create(fleet, _creation(await body_of(request)))
        done = of_pod(fleet, CREATE, pod.id, pod)
        return accepted({"operation": done, "virtual_pod": document(fleet, pod)}, done["id"])

    async def offload(request: web.Request) -> web.Response:
        body = await body_of(request)
        names = {key: _text(body, key) for key in ("source_node", "namespace", "pod", "dest_node")}
        pod = await commands.offload(fleet, names["source_node"], names["namespace"], names["pod"], names["dest_node"])
        done = of_pod(fleet, OFFLOAD, pod.id, pod)
        return accepted({"operation": done, "virtual_pod": document(fleet, pod)}, done["id"])

    async def bring_back(request: web.Request) -> web.Response:
        identifier = request.match_info["id"]
        pod = await commands.return_home(fleet, identifier)
        done = {**of_pod(fleet, BRING_BACK, identifier, pod), "state": "Pending"}
        return accepted({"operation": done}, done["id"])

    async def delete(request: web.Request) -> web.Response:
        identifier = request.match_info["id"]
        if not is_id(identifier):
            raise commands.unknown(identifier)
        pod = await commands.remove(fleet, identifier)
        done = of_pod(fleet, DELETE, identifier, pod)
        return accepted({"operation": done}, done["id"]) if pod else answer({"operation": done})

    return [
        web.get("/virtual-pods", list_all),
        web.post("/virtual-pods/create", create),
        web.post("/virtual-pods/offload", offload),
        web.get("/virtual-pods/{id}", show),
        web.delete("/virtual-pods/{id}", delete),
        web.post("/virtual-pods/{id}/bring-back", bring_back),
    ]


def _creation(body: dict[str, Any]) -> commands.Creation:
    template = _text(body, "workload_template") if "workload_template" in body else ""
    source_pod = _text(body, "source_pod") if "source_pod" in body else ""
    if bool(template) == bool(source_pod):
        expected = "the name of a template, unless source_pod names a pod (namespace/name)"
        raise bad("workload_template", "one of workload_template and source_pod is needed", expected)
    if source_pod and source_pod.count("/") != 1:
        raise bad("source_pod", f"source_pod={source_pod!r} is no pod", "NAMESPACE/NAME")
    name = _text(body, "name") if body.get("name") else ""
    if name and not _NAME.fullmatch(name):
        raise bad("name", f"name={name!r} is no name of a pod", "up to 63 small letters, digits and '-'")
    loop = body.get("loop", True)
    if not isinstance(loop, bool):
        raise bad("loop", f"loop={loop!r} is neither", "true or false")
    return commands.Creation(
        source=_text(body, "source_node"),
        destination=_text(body, "dest_node"),
        template=template,
        interval=_number(body, "interval", 5.0, least=0.1, most=_LONGEST_INTERVAL),
        name=name,
        namespace=_text(body, "namespace") if "namespace" in body else "default",
        loop=loop,
        source_pod=source_pod,
        image_mib=_number(body, "image_mib", 0.0, least=0.0, most=1e9) if "image_mib" in body else None,
    )


def bad(parameter: str, message: str, expected: str) -> Refusal:
    """Return the refusal of a parameter that is missing or cannot be."""
    details = {"parameter": parameter, "allowed": [expected]}
    return Refusal(400, "bad_parameter", message, hint=f"{parameter} is {expected}", details=details)


def _text(body: dict[str, Any], key: str) -> str:
    value = body.get(key)
    if not isinstance(value, str) or not value:
        raise bad(key, f"{key} is {'missing' if value is None else repr(value)}", "a text")
    return value


def _number(body: dict[str, Any], key: str, default: float, *, least: float, most: float) -> float:
    value = body.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise bad(key, f"{key}={value!r} is no number", f"a number from {least:g} to {most:g}")
    if not least <= value <= most:
        raise bad(key, f"{key}={value!r} cannot be", f"a number from {least:g} to {most:g}")
    return float(value)
