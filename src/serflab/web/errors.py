"""The one shape of every error of the API, and the handlers that bring each exception into it."""

from __future__ import annotations

import difflib
import logging
from typing import TYPE_CHECKING, Any

import orjson
from flask import Flask, Response
from werkzeug.exceptions import HTTPException

from serflab.errors import InputError, SerflabError

if TYPE_CHECKING:
    from collections.abc import Iterable

log = logging.getLogger(__name__)

RETRY_SECONDS = 5


class ApiError(SerflabError):
    """An answer other than success: HTTP status, a code for programs, a message and a hint for people."""

    def __init__(
        self, status: int, code: str, message: str, *, hint: str = "", details: dict[str, Any] | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.code = code
        self.details = details or {}


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


def error_response(
    status: int, code: str, message: str, hint: str = "", details: dict[str, Any] | None = None
) -> Response:
    """Return an error in the shape that every endpoint shares."""
    body = {"status": status, "code": code, "message": message, "hint": hint, "details": details or {}}
    response = json_response({"error": body}, status)
    if status == 503:
        response.headers["Retry-After"] = str(RETRY_SECONDS)
    return response


def install_error_handlers(app: Flask) -> None:
    """Answer every exception of a view in the one shape; a stack trace goes to the log and never to the client."""

    @app.errorhandler(ApiError)
    def _api_error(error: ApiError) -> Response:
        return error_response(error.status, error.code, error.message, error.hint, error.details)

    @app.errorhandler(InputError)
    def _input_error(error: InputError) -> Response:
        findings = [
            {"file": item.file, "path": item.path, "problem": item.problem, "hint": item.hint}
            for item in error.findings
        ]
        return error_response(
            503,
            "bad_input_file",
            error.message,
            "mend the file; the viewer reads it again by itself",
            {"findings": findings},
        )

    @app.errorhandler(SerflabError)
    def _serflab_error(error: SerflabError) -> Response:
        return error_response(503, "unavailable", error.message, error.hint)

    @app.errorhandler(HTTPException)
    def _http_error(error: HTTPException) -> Response:
        status = error.code or 500
        code = (error.name or "error").lower().replace(" ", "_")
        hint = "GET /api/openapi.json lists every endpoint" if status in {404, 405} else ""
        response = error_response(status, code, error.description or error.name, hint)
        for name, value in error.get_headers():
            if name.lower() == "allow":
                response.headers[name] = value
        return response

    @app.errorhandler(Exception)
    def _fault(error: Exception) -> Response:
        log.error("a request failed", exc_info=error)
        return error_response(500, "fault", "the viewer has a fault", "its log holds the details")
