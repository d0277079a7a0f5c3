"""`serflab tools`: the pinned programs of the lab."""

from __future__ import annotations

import json

import click

from serflab.cli.context import checkout, output_option
from serflab.cli.display import Display
from serflab.cli.table import print_table
from serflab.lab.tools.pinned import TOOLS, tools_named
from serflab.lab.tools.toolbox import Toolbox


@click.group()
def tools() -> None:
    """Show and get the pinned programs (Kubernetes, etcd, KWOK, Prometheus, …)."""


@tools.command("list")
@output_option
def list_tools(output: str) -> None:
    """List the programs: pinned version, and where this machine has them."""
    toolbox = Toolbox(checkout())
    found = [toolbox.locate(tool) for tool in TOOLS]
    if output == "json":
        rows = [
            {"name": item.tool.name, "version": item.version, "source": item.source, "path": _text(item.path)}
            for item in found
        ]
        click.echo(json.dumps({"tools": rows}, indent=2))
        return
    lines = [(item.tool.name, item.version, item.source, _text(item.path) or "-") for item in found]
    print_table(("TOOL", "VERSION", "SOURCE", "PATH"), lines)


@tools.command()
@click.argument("names", nargs=-1)
@click.option("--dry-run", is_flag=True, help="Only say which programs are missing.")
def install(names: tuple[str, ...], *, dry_run: bool) -> None:
    """Get the programs NAMES (default: all) into this user's cache, by download or by building them."""
    toolbox = Toolbox(checkout())
    chosen = tools_named(names) if names else list(TOOLS)
    missing = [tool.name for tool in chosen if toolbox.locate(tool).path is None]
    if dry_run:
        click.echo(f"would get: {', '.join(missing)}" if missing else "nothing is missing")
        return
    with Display() as progress:
        toolbox.install(chosen, progress)
    click.echo(f"{len(chosen)} tools are there, {len(missing)} of them new")


def _text(path: object) -> str:
    return str(path) if path else ""
