"""A proxy before an API server that notes what one client asks, in the words of Kubernetes' authorizer.

Attributes of a request: https://kubernetes.io/docs/reference/access-authn-authz/authorization/#determine-the-request-verb
"""

from __future__ import annotations

import asyncio
import ssl
import threading
from typing import TYPE_CHECKING, NamedTuple, Self

import aiohttp
from aiohttp import web

from serflab.lab.certificates import issue_server

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_WRITES = {"POST": "create", "PUT": "update", "PATCH": "patch"}
_OF_CONNECTION = {"connection", "host", "keep-alive", "transfer-encoding", "upgrade", "content-length"}


class Right(NamedTuple):
    """What an authorizer is asked: namespace (empty: of the cluster), verb, group, resource with its subresource."""

    namespace: str
    verb: str
    group: str
    resource: str


def right_of(method: str, path: str, query: Mapping[str, str]) -> Right | None:
    """Return the right that a request needs, None for one that is about no resource."""
    parts = path.strip("/").split("/")
    if parts[:1] == ["api"] and len(parts) > 2:
        group, rest = "", parts[2:]
    elif parts[:1] == ["apis"] and len(parts) > 3:
        group, rest = parts[1], parts[3:]
    else:
        return None
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 2:
        namespace, rest = rest[1], rest[2:]
    resource = "/".join([rest[0], *rest[2:3]])
    named = len(rest) > 1
    if method == "GET":
        verb = "watch" if query.get("watch") in {"1", "true"} else "get" if named else "list"
    elif method == "DELETE":
        verb = "delete" if named else "deletecollection"
    else:
        verb = _WRITES[method]
    return Right(namespace, verb, group, resource)


class NotingProxy:
    """Hands requests on to the API server, headers and all; `used` and `refused` are the rights that they needed.

    It speaks TLS, as clients send no tokens without; `ca` is by what they know it, kept in `directory`.
    """

    def __init__(self, server: str, server_ca: Path, directory: Path) -> None:
        self.used: set[Right] = set()
        self.refused: set[Right] = set()
        self.url = ""
        self._server = server
        self._server_ca = server_ca
        pki = issue_server(directory, [], ["127.0.0.1"])
        self.ca = pki.certificate("ca")
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(pki.certificate("server"), pki.key("server"))
        self._ready, self._stop = threading.Event(), asyncio.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        connector = aiohttp.TCPConnector(ssl=ssl.create_default_context(cafile=str(self._server_ca)), limit=0)
        timeout = aiohttp.ClientTimeout(total=None)
        async with aiohttp.ClientSession(connector=connector, auto_decompress=False, timeout=timeout) as self._session:
            app = web.Application(client_max_size=2**24)
            app.router.add_route("*", "/{path:.*}", self._hand_on)
            runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=self._context)
            await site.start()
            self.url = f"https://127.0.0.1:{runner.addresses[0][1]}"
            self._ready.set()
            await self._stop.wait()
            await runner.cleanup()

    async def _hand_on(self, request: web.Request) -> web.StreamResponse:
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _OF_CONNECTION}
        body = await request.read()
        url = f"{self._server}{request.raw_path}"
        async with self._session.request(request.method, url, headers=headers, data=body or None) as answer:
            if right := right_of(request.method, request.path, request.query):
                noted = self.refused if answer.status == 403 else self.used
                noted.add(right)
                if request.method == "PATCH" and answer.status == 201:
                    # The API server has asked for this as well.
                    noted.add(right._replace(verb="create"))
            kept = {name: value for name, value in answer.headers.items() if name.lower() not in _OF_CONNECTION}
            response = web.StreamResponse(status=answer.status, headers=kept)
            await response.prepare(request)
            async for piece in answer.content.iter_any():
                await response.write(piece)
            await response.write_eof()
            return response
