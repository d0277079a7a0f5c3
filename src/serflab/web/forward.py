"""Calls that the lab's offload manager answers: handed on to it, and its answers handed back."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast
from urllib.parse import quote, urlencode

from flask import Flask, Response, current_app

from serflab.offload.client import Answer, OffloadClient, OffloadUnavailableError
from serflab.web.errors import RETRY_SECONDS, ApiError

if TYPE_CHECKING:
    from collections.abc import Mapping

_EXTENSION = "serflab-offload"
_PREFIX = "/api"
# The manager reads no longer first line of a request than 8190 bytes; no name is nearly as long.
_LONGEST = 4000


def install_offload(app: Flask, client: OffloadClient) -> None:
    """Let the application ask that manager."""
    app.extensions[_EXTENSION] = client


def manager() -> OffloadClient:
    """Return the client of the running application's manager."""
    return cast("OffloadClient", current_app.extensions[_EXTENSION])


def forward(method: str, *path: str, query: Mapping[str, str] | None = None, body: object = None) -> Response:
    """Return what the manager answers to a call; `path` is made of names, each as it is meant.

    503 `offload_unavailable` when it does not answer.
    """
    try:
        answer = manager().request(method, manager_path(*path, query=query), body)
    except OffloadUnavailableError as error:
        raise unavailable(error) from error
    return passed_on(answer)


def manager_path(*names: str, query: Mapping[str, str] | None = None) -> str:
    """Return the path of a call of the manager: `("virtual-pods", "vp-001")` -> `/virtual-pods/vp-001`.

    404 for one that is longer than any name can be.
    """
    path = "".join(f"/{quote(name, safe='')}" for name in names)
    whole = f"{path}?{urlencode(query)}" if query else path
    if len(whole) > _LONGEST:
        raise ApiError(404, "not_found", "there is nothing of so long a name")
    return whole


def passed_on(answer: Answer) -> Response:
    """Return an answer of the manager as the viewer's: status, body, and where to go on (`Location`)."""
    if answer.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise ApiError(500, "fault", "the offload manager has a fault", hint="its log: serflab logs services offload")
    response = Response(answer.body, status=answer.status, mimetype="application/json")
    response.headers["Cache-Control"] = "no-store"
    if location := answer.headers.get("location"):
        response.headers["Location"] = location if location.startswith(f"{_PREFIX}/") else f"{_PREFIX}{location}"
    if answer.status == 503:
        response.headers["Retry-After"] = str(RETRY_SECONDS)
    return response


def unavailable(error: OffloadUnavailableError) -> ApiError:
    """Return the 503 that says why the manager does not answer."""
    return ApiError(503, "offload_unavailable", error.message, hint=error.hint)
