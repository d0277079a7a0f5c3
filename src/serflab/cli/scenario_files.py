"""Where the commands find scenarios and the workload templates that these name: from here, then in the checkout."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from serflab.cli.context import checkout
from serflab.errors import SerflabError
from serflab.rebalance.scenario_check import TEMPLATES, find_file, names_to_choose

if TYPE_CHECKING:
    from pathlib import Path


def scenario_file(where: str) -> str:
    """Return the `FILE[:NAME]` of an option with the file's absolute path."""
    return find_file(where, _checkout())


def one_scenario(where: str) -> str:
    """Return the `FILE[:NAME]` of one scenario: of a file with several and no name the first, which is said."""
    file = scenario_file(where)
    if names := names_to_choose(file):
        click.echo(f"scenario {names[0]}, the first of {len(names)} in {where}; others: {where}:NAME", err=True)
        return f"{file}:{names[0]}"
    return file


def templates() -> Path | None:
    """Return the checkout's workload templates; those beside a scenario's file come first."""
    root = _checkout()
    return root / TEMPLATES if root else None


def _checkout() -> Path | None:
    try:
        return checkout()
    except SerflabError:  # in a container there may be none
        return None
