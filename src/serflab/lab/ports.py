"""The ports of a local lab: fixed by a serf's place in the topology, checked before use."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil

from serflab.errors import Finding, InputError, SerflabError

if TYPE_CHECKING:
    from collections.abc import Mapping

LOOPBACK = "127.0.0.1"
PORT_BASE_ENV = "SERFLAB_PORT_BASE"
PORT_BASE = 21000
"""Below the range from which Linux takes client ports (32768 and up), so that no connection sits on a fixed port."""
_PORTS_A_SERF = 10
_HINT = (
    f"stop it, or move the lab: {PORT_BASE_ENV} moves the serfs' ports, "
    "--viewer-port and --prometheus-port the other two"
)


@dataclass(frozen=True, slots=True)
class SerfPorts:
    """The ports that one serf listens on."""

    apiserver: int
    etcd: int
    etcd_peer: int
    controller_manager: int
    scheduler: int
    kwok: int
    exporter: int

    @classmethod
    def of(cls, index: int, base: int) -> SerfPorts:
        """Return the ports of the serf at that place (from 0) of the topology."""
        first = base + index * _PORTS_A_SERF
        return cls(*range(first, first + 7))


def port_base() -> int:
    """Return the first port of the serfs: `$SERFLAB_PORT_BASE`, else 21000; `InputError` when it is none."""
    text = os.environ.get(PORT_BASE_ENV) or str(PORT_BASE)
    if not text.isdecimal() or not 1024 <= int(text) <= 60000:
        raise InputError([Finding(PORT_BASE_ENV, "", f"is {text!r}; expected a port from 1024 to 60000")])
    return int(text)


def check_free(wanted: Mapping[int, str], hint: str = _HINT) -> None:
    """Check that all ports (number to purpose) can be listened on.

    Raises one `SerflabError` that names each port in use and the process that holds it, as far as this user may see it.
    """
    busy = [port for port in wanted if not _is_free(port)]
    if busy:
        holders = _holders()
        lines = [
            f"port {port} ({wanted[port]}) is in use by {holders.get(port, 'a process of another user')}"
            for port in busy
        ]
        raise SerflabError("\n".join(lines), hint=hint)


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return False
            # A port below 1024 is not this user's to try; who listens on it in the end, such as an engine, may.
            if error.errno != errno.EACCES:
                raise
    return True


def _holders() -> dict[int, str]:
    holders: dict[int, str] = {}
    for connection in psutil.net_connections("tcp"):
        if connection.status != psutil.CONN_LISTEN or connection.pid is None or not connection.laddr:
            continue
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(connection.pid)
            command = " ".join(process.cmdline())[:80]
            holders[connection.laddr.port] = f"{process.name()} (pid {process.pid}: {command})"
    return holders
