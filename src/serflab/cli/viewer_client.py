"""The viewer's REST API for commands: answers as JSON, refusals as errors in words, operations as events."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urljoin, urlsplit

import requests

from serflab.cli.context import inventory
from serflab.errors import SerflabError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

URL_ENV = "SERFLAB_URL"
TOKEN_ENV = "SERFLAB_VIEWER_TOKEN"  # noqa: S105  the name of a variable
DEFAULT_URL = "http://127.0.0.1:8080"
_TIMEOUT = 60.0
_SILENCE = 20.0
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
_IS_IT_UP = "is the lab up? `serflab status` tells; --url or $SERFLAB_URL name another viewer"


class RefusalError(SerflabError):
    """The viewer's answer was no success: its HTTP `status` and `code` (docs/api.md), its message and hint.

    The exit status is 2 where the request itself was wrong: 400, or a name that does not exist; else 1.
    """

    def __init__(self, status: int, code: str, message: str, *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.code = code
        self.exit_status = 2 if status == 400 or (status == 404 and code.startswith("unknown_")) else 1


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer to a write: HTTP status, JSON, and the path of the operation that it began (empty: none)."""

    status: int
    data: dict[str, Any]
    location: str


def viewer_url(given: str | None = None) -> str:
    """Return the viewer's URL: `given`, `$SERFLAB_URL`, the viewer of the lab that is up, or port 8080 of this host.

    Raises `SerflabError` (status 2) for a text that is no URL of a viewer.
    """
    url = given or os.environ.get(URL_ENV) or _url_of_the_lab()
    if "://" not in url:
        url = f"http://{url}"
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        usable = False
    if not usable:
        error = SerflabError(f"{url!r} is no URL of a viewer", hint=f"expected is something like {DEFAULT_URL}")
        error.exit_status = 2
        raise error
    return url.rstrip("/")


def _url_of_the_lab() -> str:
    try:
        return inventory().viewer or DEFAULT_URL
    except SerflabError:
        return DEFAULT_URL


def path(*parts: str) -> str:
    """Return the path below `/api` of these names, each quoted."""
    return "/api/" + "/".join(quote(part, safe="") for part in parts)


class ViewerClient:
    """Requests to the viewer at `url`; writes carry `token`, where there is one. `timeout` is in seconds."""

    def __init__(self, url: str, token: str = "", timeout: float = _TIMEOUT) -> None:
        self.url = url
        self._timeout = timeout
        self._session = requests.Session()
        # No proxy stands between two programs of one machine.
        self._session.trust_env = urlsplit(url).hostname not in _LOOPBACK
        self._session.headers["Accept"] = "application/json"
        if token:
            self._session.auth = _Bearer(token)

    def get(self, where: str, params: Mapping[str, str] | None = None) -> dict[str, Any]:
        """Return the JSON object at a path; raises `RefusalError`, or `SerflabError` when no viewer answers."""
        return self._send("GET", where, params=params).data

    def post(self, where: str, body: Mapping[str, object] | None = None) -> Answer:
        """Send a POST; errors as with `get`."""
        return self._send("POST", where, body=body or {})

    def put(self, where: str, body: Mapping[str, object], params: Mapping[str, str] | None = None) -> Answer:
        """Send a PUT; errors as with `get`."""
        return self._send("PUT", where, params=params, body=body)

    def delete(self, where: str, params: Mapping[str, str] | None = None) -> Answer:
        """Send a DELETE; errors as with `get`."""
        return self._send("DELETE", where, params=params)

    def operation_events(self, location: str) -> Iterator[dict[str, Any]]:
        """Yield the states of an operation as the viewer tells them; it ends when the viewer ends the stream.

        Format: https://html.spec.whatwg.org/multipage/server-sent-events.html. Errors as with `get`.
        """
        headers = {"Accept": "text/event-stream"}
        where = urljoin(f"{self.url}/", f"{location}/events")
        try:
            with self._session.get(where, headers=headers, stream=True, timeout=(self._timeout, _SILENCE)) as response:
                if response.status_code != 200:
                    raise _refusal(response)
                # More at once would be waited for, and an event be late.
                yield from _operations(response.iter_lines(chunk_size=1))
        except requests.RequestException as error:
            raise self._unreachable(error) from error

    def _send(
        self,
        method: str,
        where: str,
        *,
        params: Mapping[str, str] | None = None,
        body: Mapping[str, object] | None = None,
    ) -> Answer:
        url = urljoin(f"{self.url}/", where)
        try:
            response = self._session.request(method, url, params=params, json=body, timeout=self._timeout)
        except requests.RequestException as error:
            raise self._unreachable(error) from error
        if not response.ok:
            raise _refusal(response)
        data = _json(response)
        if data is None:
            raise SerflabError(f"what answers at {self.url} is no viewer of a lab", hint=_IS_IT_UP)
        return Answer(response.status_code, data, response.headers.get("Location", ""))

    def _unreachable(self, error: requests.RequestException) -> SerflabError:
        if isinstance(error, requests.Timeout):
            return SerflabError(f"the viewer at {self.url} does not answer in time", hint=_IS_IT_UP)
        if isinstance(error, requests.ConnectionError):
            return SerflabError(f"no viewer answers at {self.url}", hint=_IS_IT_UP)
        return SerflabError(f"the viewer at {self.url} cannot be asked: {error}", hint=_IS_IT_UP)


class _Bearer(requests.auth.AuthBase):
    """The token as RFC 6750 sends it; with it requests looks for no other credentials."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


def _operations(lines: Iterator[bytes]) -> Iterator[dict[str, Any]]:
    name, data = "", ""
    for line in lines:
        field, _, value = line.decode().partition(":")
        if field == "event":
            name = value.strip()
        elif field == "data":
            data += value.removeprefix(" ")
        elif not line:
            if name == "operation" and data:
                document = json.loads(data)
                yield document.get("operation", document)
            name, data = "", ""


def _json(response: requests.Response) -> dict[str, Any] | None:
    try:
        data = response.json()
    except requests.JSONDecodeError:
        return None
    return data if isinstance(data, dict) else None


def _refusal(response: requests.Response) -> RefusalError:
    error = (_json(response) or {}).get("error")
    if not isinstance(error, dict):
        message = f"{response.url} answers {response.status_code} {response.reason}"
        return RefusalError(response.status_code, "", message, hint=_IS_IT_UP)
    code, message, hint = (str(error.get(key) or "") for key in ("code", "message", "hint"))
    if code == "not_found":
        message, hint = f"the viewer does not know {response.url}", "is it of an older version? `serflab up` renews it"
    return RefusalError(response.status_code, code, message or f"HTTP {response.status_code}", hint=hint)
