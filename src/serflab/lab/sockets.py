"""Unix sockets of a lab's programs: where they lie, and plain HTTP over them."""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import tempfile
from http.client import HTTPConnection, HTTPException
from pathlib import Path

# The system's limit is 108 or fewer; supervisord makes a longer name of its socket's for a moment.
_MOST_BYTES = 90
_HEALTH_SECONDS = 2.0


def socket_path(directory: Path, name: str) -> Path:
    """Return the path of a socket: in the directory, or elsewhere where the system's limit would be passed.

    Whoever makes the socket makes its parent, for this user alone.
    """
    path = directory / name
    if len(os.fsencode(path)) <= _MOST_BYTES:
        return path
    digest = hashlib.sha256(os.fsencode(path)).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"serflab-{os.getuid()}-{digest}" / name


def remove_elsewhere(path: Path, directory: Path) -> None:
    """Remove what holds a socket of the directory if that is not the directory itself."""
    if path.parent != directory:
        shutil.rmtree(path.parent, ignore_errors=True)


def offload_directory(state_dir: Path) -> Path:
    """Return where the offload manager of a lab keeps its files."""
    return state_dir / "offload"


def offload_socket(state_dir: Path) -> Path:
    """Return the socket on which the offload manager of a lab answers."""
    return socket_path(offload_directory(state_dir), "manager.sock")


class UnixConnection(HTTPConnection):
    """A connection of `http.client` to a program that listens on a Unix socket; `timeout` in seconds.

    It speaks HTTP/1.0: an answer comes as it is, not in chunks, and ends with its connection.
    """

    _http_vsn = 10
    _http_vsn_str = "HTTP/1.0"

    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket; `OSError` when nobody listens there."""
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.settimeout(self.timeout)
        try:
            sock.connect(str(self._path))
        except BaseException:
            sock.close()
            raise
        self.sock = sock


def is_healthy(path: Path) -> bool:
    """Whether `GET /healthz` is answered with 200 on that socket."""
    connection = UnixConnection(path, _HEALTH_SECONDS)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()
