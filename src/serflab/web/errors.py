"""The one shape of every error of the API, and the handlers that bring each exception into it."""

from __future__ import annotations

import difflib
import logging
from typing import TYPE_CHECKING

import orjson
from flask import Flask, Response
from werkzeug.exceptions import HTTPException

from serflab.errors import InputError, SerflabError
from serflab.kube.refusal import Refusal
from serflab.lab.feed import StalledError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from serflab.errors import Finding

log = logging.getLogger(__name__)

RETRY_SECONDS = 5


class ApiError(Refusal):
    """An answer of the viewer itself other than success, in the same shape as those of the offload manager."""


def unknown(what: str, name: str, names: Iterable[str]) -> ApiError:
    """Return the 404 for a name that does not exist, with the nearest that do."""
    known = sorted(set(names))
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    if near:
        hint = f"did you mean {' or '.join(near)}?"
    elif known:
        hint = f"there are: {', '.join(known[:12])}{', …' if len(known) > 12 else ''}"
    else:
        hint = f"there is no {what} at all"
    return ApiError(404, f"unknown_{what}", f"there is no {what} {name!r}", hint=hint, details={"nearest": near})


def one_of(parameter: str, value: str, allowed: Iterable[str]) -> ApiError:
    """Return the 400 for a query parameter that is none of the allowed values."""
    values = list(allowed)
    return bad_parameter(parameter, f"{parameter}={value!r} is not known", f"one of {', '.join(values)}", values)


def bad_parameter(parameter: str, message: str, expected: str, allowed: Iterable[str] | None = None) -> ApiError:
    """Return the 400 for a query parameter: `expected` says what it has to be, `allowed` lists its values if it can."""
    details = {"parameter": parameter, "allowed": [expected] if allowed is None else list(allowed)}
    return ApiError(400, "bad_parameter", message, hint=f"{parameter} is {expected}", details=details)


def json_response(data: object, status: int = 200) -> Response:
    """Return data as JSON; NaN and infinities become null."""
    response = Response(orjson.dumps(data), status=status, mimetype="application/json")
    response.headers["Cache-Control"] = "no-store"
    return response


def api_error(error: SerflabError) -> ApiError:
    """Return how the API tells an error of the library."""
    if isinstance(error, ApiError):
        return error
    if isinstance(error, InputError):
        hint = "mend the file; the viewer reads it again by itself"
        details = {"findings": findings(error.findings)}
        return ApiError(503, "bad_input_file", error.message, hint=hint, details=details)
    if isinstance(error, StalledError):
        return ApiError(503, "stalled", error.message, hint=error.hint, details={"since": error.since})
    return ApiError(503, "unavailable", error.message, hint=error.hint)


def findings(items: Iterable[Finding]) -> list[dict[str, str]]:
    """Return findings as JSON tells them."""
    return [{"file": item.file, "path": item.path, "problem": item.problem, "hint": item.hint} for item in items]


def error_response(error: ApiError) -> Response:
    """Return an error in the shape that every endpoint shares."""
    response = json_response({"error": error.body()}, error.status)
    if error.status == 503:
        response.headers["Retry-After"] = str(RETRY_SECONDS)
    if error.status == 401:
        response.headers["WWW-Authenticate"] = 'Bearer realm="serflab"'
    return response


def install_error_handlers(app: Flask) -> None:
    """Answer every exception of a view in the one shape; a stack trace goes to the log and never to the client."""

    @app.errorhandler(SerflabError)
    def _serflab_error(error: SerflabError) -> Response:
        return error_response(api_error(error))

    @app.errorhandler(HTTPException)
    def _http_error(error: HTTPException) -> Response:
        status = error.code or 500
        code = (error.name or "error").lower().replace(" ", "_")
        hint = "GET /api/openapi.json lists every endpoint" if status in {404, 405} else ""
        response = error_response(ApiError(status, code, error.description or error.name, hint=hint))
        for name, value in error.get_headers():
            if name.lower() == "allow":
                response.headers[name] = value
        return response

    @app.errorhandler(Exception)
    def _fault(error: Exception) -> Response:
        log.error("a request failed", exc_info=error)
        return error_response(ApiError(500, "fault", "the viewer has a fault", hint="its log holds the details"))
