"""The exporter's HTTP interface, and what guards its writes.

Browsers send other sites' writes with an Origin, and only after a question in advance when their content is JSON; so a
write has to say that it is JSON, and must come from no other origin. A program that listens beyond this machine takes
writes with a token only.
"""

from __future__ import annotations

import hmac
import os
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import orjson
from aiohttp import web

from serflab.emulation.exposition import CONTENT_TYPE
from serflab.errors import InputError, SerflabError
from serflab.kube.refusal import Refusal
from serflab.kube.rest import answer, errors

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aiohttp.typedefs import Middleware

    from serflab.rebalance.exporter import Exporter
    from serflab.rebalance.exporter_writes import Writes

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

TOKEN_ENV: Final = "SERFLAB_EXPORTER_TOKEN"  # noqa: S105 - the name of a variable
LARGEST_BODY: Final = 8 * 2**20
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})


def application(exporter: Exporter, writes: Writes, host: str) -> web.Application:
    """Return what answers the calls; `host` is where it is going to listen."""

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=exporter.text(), headers={"Content-Type": CONTENT_TYPE})

    async def health(_: web.Request) -> web.Response:
        told = exporter.health()
        return answer(told, 200 if told["status"] == "healthy" else 503)

    async def state(_: web.Request) -> web.Response:
        return answer(exporter.state())

    async def refresh(_: web.Request) -> web.Response:
        return await _refresh(exporter)

    async def scenario(request: web.Request) -> web.Response:
        return answer(await writes.load_scenario(await _json(request)))

    async def feedback(request: web.Request) -> web.Response:
        return answer(await writes.migrate(await _json(request)))

    app = web.Application(middlewares=[errors, _findings, _guard(host)], client_max_size=LARGEST_BODY)
    app.add_routes(
        [
            web.get("/metrics", metrics),
            web.get("/health", health),
            web.get("/scenario", state),
            web.post("/refresh", refresh),
            web.post("/scenario", scenario),
            web.post("/feedback", feedback),
        ]
    )
    return app


async def _refresh(exporter: Exporter) -> web.Response:
    """Read the cluster anew, past the watches, and publish that."""
    picture, source = exporter.picture, exporter.source
    if source is None:
        raise Refusal(503, "nothing_read", "nothing was read yet", hint="try again in a moment")
    if source is exporter.cluster:
        try:
            picture = exporter.renew(await exporter.cluster.read_anew())
        except SerflabError as error:
            details = {"refreshed": [], "failed": list(picture.sizes), "total": len(picture.sizes)}
            raise Refusal(503, "cluster_unreachable", error.message, hint=error.hint, details=details) from error
    else:
        picture = exporter.renew()
    names = list(picture.figures)
    return answer({"status": "success", "refreshed": names, "failed": [], "total": len(names)})


async def _json(request: web.Request) -> object:
    if request.content_type != "application/json":
        hint = "send it with `Content-Type: application/json`"
        raise Refusal(415, "not_json", f"the body is {request.content_type}, expected application/json", hint=hint)
    try:
        body: object = orjson.loads(await request.read())
    except orjson.JSONDecodeError as error:
        raise Refusal(400, "not_json", f"the body is no JSON: {error}", hint="send a JSON object") from error
    return body


@web.middleware
async def _findings(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer input that cannot be used with all that is wrong with it."""
    try:
        return await handler(request)
    except InputError as error:
        found: list[dict[str, Any]] = [
            {"path": item.path, "problem": item.problem, "hint": item.hint} for item in error.findings
        ]
        hint = "details.findings tells each place"
        raise Refusal(400, "bad_input", str(error), hint=hint, details={"findings": found}) from error


def _guard(host: str) -> Middleware:
    token = os.environ.get(TOKEN_ENV, "")

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.method not in {"GET", "HEAD", "OPTIONS"}:
            _check_origin(request, host)
            if token or host not in _LOOPBACK:
                _check_token(request, token)
        return await handler(request)

    return guard


def _check_origin(request: web.Request, host: str) -> None:
    """Refuse a write that another site's page sent, or that reached a loopback exporter under a foreign name."""
    name = urlsplit(f"//{request.host}").hostname or ""
    if host in _LOOPBACK and name not in _LOOPBACK:
        raise Refusal(403, "foreign_host", f"a write to host {request.host!r} is refused", hint=f"use {host}")
    origin = request.headers.get("Origin")
    foreign = origin is not None and urlsplit(origin).netloc != request.host
    if foreign or request.headers.get("Sec-Fetch-Site", "none") not in {"none", "same-origin"}:
        raise Refusal(403, "foreign_origin", "a write from another site is refused", hint="use curl or a program")


def _check_token(request: web.Request, token: str) -> None:
    if not token:
        hint = f"set {TOKEN_ENV} before the start, and send `Authorization: Bearer <token>`"
        raise Refusal(403, "no_token", "writes are off: this exporter is reached from other machines", hint=hint)
    kind, _, given = request.headers.get("Authorization", "").partition(" ")
    if kind.lower() != "bearer" or not hmac.compare_digest(given.strip().encode(), token.encode()):
        hint = f"send `Authorization: Bearer <token>`, the one of {TOKEN_ENV}"
        raise Refusal(401, "token_required", "changing something here needs the token", hint=hint)
