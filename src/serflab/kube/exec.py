"""Running a command in a container of a pod, by the API server's WebSocket protocol.

Each message begins with the number of its channel: 1 stdout, 2 stderr, 3 the Status at the end. Protocol:
https://kubernetes.io/docs/reference/using-api/api-concepts/#websocket-protocol and the package
k8s.io/apimachinery/pkg/util/remotecommand (`v5.channel.k8s.io`; `v4.channel.k8s.io` lacks the closing of stdin only).
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import aiohttp
import orjson

from serflab.errors import SerflabError
from serflab.kube.client import ApiError, unreachable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from serflab.kube.client import ApiClient

PROTOCOLS = ("v5.channel.k8s.io", "v4.channel.k8s.io")
_STDOUT, _STDERR, _STATUS = 1, 2, 3
_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class Target:
    """A container of a pod."""

    namespace: str
    pod: str
    container: str

    def __str__(self) -> str:
        """Return `namespace/pod`, as people call it."""
        return f"{self.namespace}/{self.pod}"


class ExecError(SerflabError):
    """The command could not be run or failed; the message has the Status of the API server and what stderr said."""


async def run_in_pod(client: ApiClient, target: Target, command: Sequence[str]) -> str:
    """Run `command` in a container, without stdin, and return its stdout (UTF-8).

    Raises `ExecError` when it fails, `ApiError` when the API server refuses, and `ApiUnreachableError` when the
    connection fails or the command takes longer than 15 s. Not retried: it may have run.
    """
    query = [
        ("container", target.container),
        ("stdout", "true"),
        ("stderr", "true"),
        *(("command", part) for part in command),
    ]
    path = f"/api/v1/namespaces/{target.namespace}/pods/{target.pod}/exec?{urlencode(query)}"
    output: dict[int, bytearray] = {_STDOUT: bytearray(), _STDERR: bytearray(), _STATUS: bytearray()}
    try:
        async with asyncio.timeout(_SECONDS), client.websocket(path, PROTOCOLS) as socket:
            async for message in socket:
                if message.type is aiohttp.WSMsgType.BINARY and message.data and message.data[0] in output:
                    output[message.data[0]] += message.data[1:]
    except aiohttp.WSServerHandshakeError as error:
        raise ApiError(error.status, "Exec", f"exec in {target}: {error.message}") from error
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise unreachable(client.credentials.server, error) from error
    _check(output[_STATUS], output[_STDERR], f"{target}: {' '.join(command)}")
    return output[_STDOUT].decode(errors="replace")


def _check(status: bytearray, stderr: bytearray, what: str) -> None:
    """Raise `ExecError` unless the Status says that the command exited with 0."""
    try:
        told = orjson.loads(status)
    except orjson.JSONDecodeError:
        told = {"status": "Failure", "message": "the connection ended before the command"}
    if told.get("status") != "Success":
        said = stderr.decode(errors="replace").strip()
        raise ExecError(f"{what}: {told.get('message') or 'failed'}" + (f": {said}" if said else ""))
