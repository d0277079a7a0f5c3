"""Requests to one API server over connections that are kept alive, with retries.

This is as thin as it gets, because one serf sees hundreds of these a second: paths and bodies are made by the caller,
answers are plain dictionaries. Protocol: https://kubernetes.io/docs/reference/using-api/api-concepts/
"""

from __future__ import annotations

import logging
import random
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlencode

import aiohttp
import orjson
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt
from yarl import URL

from serflab.errors import SerflabError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager

    from serflab.kube.credentials import Credentials

_log = logging.getLogger(__name__)

JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_MERGE_PATCH = "application/strategic-merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"
METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"

Params = dict[str, str]
_TRANSIENT_STATUS = frozenset({429, 500, 502, 503, 504})


class ApiError(SerflabError):
    """The API server refused a request: its status code, reason and message, and the whole Status object as `body`."""

    def __init__(
        self, status: int, reason: str, message: str, body: Mapping[str, Any] | None = None, retry_after: float = 0
    ) -> None:
        super().__init__(f"the API server answered {status} {reason}: {message}")
        self.status = status
        self.reason = reason
        self.text = message
        self.body = body or {}
        self.retry_after = retry_after


class ApiUnreachableError(SerflabError):
    """The API server does not answer: no connection, a connection that broke, or no answer in time."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How long a request is tried: `attempts` times, waiting `initial` s, doubled up to `longest` s, with jitter.

    A `Retry-After` of the server (seconds) is waited for when it is longer, up to `longest_retry_after` s.
    """

    attempts: int = 6
    initial: float = 0.1
    longest: float = 5.0
    longest_retry_after: float = 30.0

    def wait(self, state: RetryCallState) -> float:
        """Return the seconds to wait before the next attempt (tenacity's `wait` protocol)."""
        ceiling = min(self.longest, self.initial * 2.0 ** (state.attempt_number - 1))
        # At least half of the ceiling: many clients must neither come back at the same moment nor at once.
        backoff = ceiling * random.uniform(0.5, 1)  # noqa: S311 - jitter, not a secret
        error = state.outcome.exception() if state.outcome else None
        asked = error.retry_after if isinstance(error, ApiError) else 0.0
        return max(backoff, min(asked, self.longest_retry_after))


ONCE = RetryPolicy(attempts=1)


def is_transient(error: BaseException) -> bool:
    """Whether the same request may well succeed a moment later."""
    return isinstance(error, ApiUnreachableError) or (isinstance(error, ApiError) and error.status in _TRANSIENT_STATUS)


class ApiClient:
    """Requests to one API server; an async context manager that owns its connections.

    Every method raises `ApiError` for an answer of 400 and above and `ApiUnreachableError` when there is none, both
    only after the retries of the policy; answers of 4xx other than 429 are never retried. A `create` that is retried
    after a lost connection may find its own object: callers treat 409 accordingly. `timeout` is that of one attempt,
    in seconds.
    """

    def __init__(self, credentials: Credentials, *, retry: RetryPolicy | None = None, timeout: float = 30.0) -> None:
        self.credentials = credentials
        self._policy = retry or RetryPolicy()
        self._timeout = aiohttp.ClientTimeout(total=timeout, sock_connect=min(timeout, 10.0))
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        # No limit here: watches hold a connection each for good, and the callers bound what they have in flight.
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=75)
        self._session = aiohttp.ClientSession(connector=connector, auto_decompress=True, trust_env=False)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session:
            await self._session.close()

    async def get(self, path: str, *, params: Params | None = None, accept: str = JSON) -> dict[str, Any]:
        """Return one object (or whatever the path answers)."""
        return await self.request("GET", with_query(path, params), headers={"Accept": accept})

    async def list(
        self, path: str, *, params: Params | None = None, accept: str = JSON, limit: int = 500
    ) -> dict[str, Any]:
        """Return a whole list, read in pages of `limit`: `{"metadata": {"resourceVersion": …}, "items": […]}`."""
        query = dict(params or {}, limit=str(limit))
        items: list[Any] = []
        while True:
            page = await self.get(path, params=query, accept=accept)
            items += page.get("items") or ()
            token = page["metadata"].get("continue")
            if not token:
                return {"metadata": page["metadata"], "items": items}
            query["continue"] = token

    async def create(
        self, path: str, body: bytes | Mapping[str, Any], *, params: Params | None = None
    ) -> dict[str, Any]:
        """Create the object in the collection `path`."""
        return await self.request("POST", with_query(path, params), body=body)

    async def replace(self, path: str, body: bytes | Mapping[str, Any]) -> dict[str, Any]:
        """Replace an object; with a resourceVersion in the body, only that version (409 otherwise)."""
        return await self.request("PUT", path, body=body)

    async def patch(
        self,
        path: str,
        body: bytes | Mapping[str, Any],
        *,
        kind: str = MERGE_PATCH,
        accept: str = JSON,
        retry: RetryPolicy | None = None,
    ) -> dict[str, Any]:
        """Patch an object, by default with a merge patch (RFC 7386)."""
        headers = {"Content-Type": kind, "Accept": accept}
        return await self.request("PATCH", path, body=body, headers=headers, retry=retry)

    async def apply(
        self, path: str, body: bytes | Mapping[str, Any], *, manager: str, force: bool = False, dry_run: bool = False
    ) -> dict[str, Any]:
        """Apply an object on the server's side as the field manager `manager`; with `dry_run` nothing is kept."""
        params = {"fieldManager": manager, "force": "true" if force else "false"}
        if dry_run:
            params["dryRun"] = "All"
        headers = {"Content-Type": APPLY_PATCH}
        return await self.request("PATCH", with_query(path, params), body=body, headers=headers)

    async def delete(self, path: str, *, grace: int | None = None, params: Params | None = None) -> dict[str, Any]:
        """Delete an object, or the collection's objects that `params` select; `grace` in seconds."""
        options: dict[str, Any] = {"kind": "DeleteOptions", "apiVersion": "v1"}
        if grace is not None:
            options["gracePeriodSeconds"] = grace
        return await self.request("DELETE", with_query(path, params), body=options)

    async def request(
        self,
        method: str,
        path: str,
        *,
        body: bytes | Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        retry: RetryPolicy | None = None,
    ) -> dict[str, Any]:
        """Send one request, with retries, and return the decoded answer; `path` may end in a query (`with_query`)."""
        data = body if body is None or isinstance(body, bytes) else orjson.dumps(body)
        merged = {"Accept": JSON, "Content-Type": JSON, **self.credentials.current_headers(), **(headers or {})}
        send = partial(self._send, method, URL(f"{self.credentials.server}{path}", encoded=True), merged, data)
        try:
            return await send()
        except (ApiError, ApiUnreachableError) as error:
            if not is_transient(error):
                raise
            failed = error
        return await self._send_again(send, failed, retry or self._policy)

    async def _send_again(
        self, send: Callable[[], Awaitable[dict[str, Any]]], failed: SerflabError, policy: RetryPolicy
    ) -> dict[str, Any]:
        """Retry a request whose first attempt has failed already: for most requests tenacity would only cost time."""
        first = [failed]

        async def attempt() -> dict[str, Any]:
            if first:
                raise first.pop()
            return await send()

        retrying = AsyncRetrying(
            retry=retry_if_exception(is_transient),
            stop=stop_after_attempt(policy.attempts),
            wait=policy.wait,
            reraise=True,
        )
        answer: dict[str, Any] = await retrying(attempt)
        return answer

    def stream(self, path: str, *, accept: str, silence: float) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        """Open a response that is read as it comes; it breaks after `silence` seconds without a byte. Not retried."""
        return self._opened().get(
            URL(f"{self.credentials.server}{path}", encoded=True),
            headers={"Accept": accept, **self.credentials.current_headers()},
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=10.0, sock_read=silence),
            ssl=self.credentials.ssl_context or True,
            server_hostname=self.credentials.server_hostname,
        )

    def websocket(
        self, path: str, protocols: Sequence[str]
    ) -> AbstractAsyncContextManager[aiohttp.ClientWebSocketResponse]:
        """Open a WebSocket; raises what aiohttp raises. Not retried."""
        return self._opened().ws_connect(
            URL(f"{self.credentials.server}{path}", encoded=True),
            protocols=protocols,
            headers=self.credentials.current_headers(),
            ssl=self.credentials.ssl_context or True,
            server_hostname=self.credentials.server_hostname,
        )

    async def _send(self, method: str, url: URL, headers: Mapping[str, str], data: bytes | None) -> dict[str, Any]:
        try:
            async with self._opened().request(
                method,
                url,
                headers=headers,
                data=data,
                timeout=self._timeout,
                ssl=self.credentials.ssl_context or True,
                server_hostname=self.credentials.server_hostname,
            ) as response:
                content = await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise unreachable(self.credentials.server, error) from error
        if response.status >= 400:
            raise api_error(response, content)
        answer: dict[str, Any] = orjson.loads(content) if content else {}
        return answer

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise RuntimeError("ApiClient is used outside its `async with`")
        return self._session


def with_query(path: str, params: Params | None) -> str:
    """Return the path with the parameters as its query."""
    return f"{path}?{urlencode(params)}" if params else path


def unreachable(server: str, error: BaseException) -> ApiUnreachableError:
    """Return what to raise when a connection to the server could not be made, broke or took too long."""
    reason = "no answer in time" if isinstance(error, TimeoutError) else str(error) or type(error).__name__
    return ApiUnreachableError(
        f"the API server {server} cannot be reached: {reason}", hint="is the serf up? `serflab status` tells"
    )


def api_error(response: aiohttp.ClientResponse, content: bytes) -> ApiError:
    """Return the error of an answer of 400 and above; its body is a Status object, or text from a proxy."""
    try:
        body = orjson.loads(content)
    except orjson.JSONDecodeError:
        body = None
    if not isinstance(body, dict):
        body = {"message": content.decode(errors="replace").strip()}
    try:
        retry_after = float(response.headers.get("Retry-After", 0))
    except ValueError:  # the other form of the header is a date, which API servers do not send
        retry_after = 0.0
    reason = str(body.get("reason") or response.reason or "")
    return ApiError(response.status, reason, str(body.get("message") or ""), body, retry_after)
