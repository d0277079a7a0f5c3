"""`serflab offload`: peerings between serfs, and the virtual pods that run across them."""

from __future__ import annotations

from typing import NoReturn

import click

from serflab.cli.context import checkout, state_dir
from serflab.cli.offload_options import viewer_options
from serflab.cli.offload_peerings import connect, connections, cordon, disconnect, drain, uncordon
from serflab.cli.offload_pods import bring_back, create, delete, wait
from serflab.cli.offload_pods import offload as offload_pod
from serflab.cli.offload_templates import templates
from serflab.cli.offload_views import info, list_pods, show
from serflab.cli.running import run


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@viewer_options
def offload() -> None:
    """Peer serfs as Liqo does, and run pods of one on another."""


@offload.command()
def manager() -> int:
    """Run the lab's offload manager until SIGTERM; `serflab up` does."""
    # The other commands, and completion at every Tab, need nothing of what the manager is made of.
    from serflab.offload.service import main as serve  # noqa: PLC0415

    return serve(state_dir(), checkout())


for command in (connect, disconnect, connections, cordon, uncordon, drain):
    offload.add_command(command)
for command in (create, offload_pod, bring_back, delete, wait, list_pods, show, templates, info):
    offload.add_command(command)


def main(name: str) -> NoReturn:
    """Run these commands as a program of their own, `name`; exit status as `serflab.cli.running.run` has it."""
    run(offload, name, "interrupted; `list` and `connections` show how things are")
