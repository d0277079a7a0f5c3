"""Which checkout and which lab a command is about, and options that several commands share."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

import serflab
from serflab.errors import SerflabError
from serflab.lab.inventory import Inventory, load_inventory, state_directory

if TYPE_CHECKING:
    from collections.abc import Callable

CHECKOUT_ENV = "SERFLAB_CHECKOUT"
_Command = TypeVar("_Command", bound="Callable[..., object]")


def checkout() -> Path:
    """Return the checkout: `$SERFLAB_CHECKOUT`, the one around the working directory, or the one serflab runs from."""
    override = os.environ.get(CHECKOUT_ENV)
    here = Path.cwd()
    source = Path(serflab.__file__).resolve().parents[2]
    places = [Path(override).absolute()] if override else [here, *here.parents, source]
    for place in places:
        if (place / "tools" / "cluster" / "go.mod").exists() and (place / "annotations").is_dir():
            return place
    raise SerflabError("this is not a checkout of serflab", hint=f"go to one, or name it in {CHECKOUT_ENV}")


def state_dir() -> Path:
    """Return the state directory of the checkout's lab."""
    return state_directory(checkout())


def inventory() -> Inventory:
    """Return the inventory of the lab that is up."""
    return load_inventory(state_dir())


def output_option(command: _Command) -> _Command:
    """Add `-o table|json` to a command that lists something."""
    choice = click.Choice(["table", "json"])
    return click.option("-o", "--output", type=choice, default="table", show_default=True, help="Form of the output.")(
        command
    )
