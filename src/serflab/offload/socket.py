"""Where the offload manager of a lab listens."""

from __future__ import annotations

from typing import TYPE_CHECKING

from serflab.lab.sockets import offload_socket

if TYPE_CHECKING:
    from pathlib import Path


def socket_path(state_dir: Path) -> Path:
    """Return the manager's Unix socket; in the state directory, or elsewhere where its path would be too long.

    Whoever makes the socket makes its parent, for this user alone (mode 0700).
    """
    return offload_socket(state_dir)
