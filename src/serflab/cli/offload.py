"""`serflab offload`: peerings between serfs, and the virtual pods that run across them."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec

import click

from serflab.cli.context import checkout, state_dir
from serflab.errors import SerflabError

_MANAGER = "serflab.offload.manager"


@click.group()
def offload() -> None:
    """Peer serfs as Liqo does, and run pods of one on another."""


@offload.command()
def manager() -> int:
    """Run the lab's offload manager until SIGTERM."""
    if find_spec(_MANAGER) is None:
        raise SerflabError("this version of serflab has no offload manager yet")
    status: int = import_module(_MANAGER).main(state_dir(), checkout())
    return status
