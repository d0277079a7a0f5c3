"""What the programs that answer calls over aiohttp share: JSON in and out, the one shape of errors."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Final

import orjson
from aiohttp import web

from serflab.errors import SerflabError
from serflab.kube.client import ApiError, ApiUnreachableError
from serflab.kube.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

log = logging.getLogger(__name__)

_CODES: Final = {404: "not_found", 405: "method_not_allowed", 413: "too_large"}


def answer(data: object, status: int = 200, **headers: str) -> web.Response:
    """Return data as JSON."""
    return web.Response(body=orjson.dumps(data), status=status, content_type="application/json", headers=headers)


def accepted(data: dict[str, Any], operation: str) -> web.Response:
    """Return the answer to a call that goes on as an operation."""
    return answer(data, 202, Location=f"/operations/{operation}")


async def body_of(request: web.Request) -> dict[str, Any]:
    """Return the JSON object in a request; `Refusal` for anything else."""
    content = await request.read()
    try:
        body = orjson.loads(content) if content else {}
    except orjson.JSONDecodeError as error:
        raise Refusal(400, "bad_request", f"the body is no JSON: {error}", hint="send a JSON object") from error
    if not isinstance(body, dict):
        raise Refusal(400, "bad_request", "the body is no JSON object", hint="send a JSON object")
    return body


@web.middleware
async def errors(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Answer every error in the one shape; a stack trace goes to the log."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        refusal = Refusal(error.status, _CODES.get(error.status, "bad_request"), error.reason)
    except SerflabError as error:
        refusal = told(error)
    except TimeoutError:
        refusal = Refusal(503, "cluster_unreachable", "the cluster did not answer in time", hint="try again soon")
    except (asyncio.CancelledError, ConnectionError):
        raise
    except Exception:  # whatever it is, the caller gets an answer
        log.exception("%s %s failed", request.method, request.path)
        refusal = Refusal(500, "fault", "the program has a fault", hint="its log holds the details")
    return answer({"error": refusal.body()}, refusal.status)


def told(error: SerflabError) -> Refusal:
    """Return how the API tells an error of the library."""
    if isinstance(error, Refusal):
        return error
    if isinstance(error, ApiError) and error.status in {400, 409, 422}:
        return Refusal(409, "refused_by_cluster", error.message, hint=error.hint)
    if isinstance(error, ApiError | ApiUnreachableError):
        return Refusal(503, "cluster_unreachable", error.message, hint=error.hint)
    return Refusal(503, "unavailable", error.message, hint=error.hint)
