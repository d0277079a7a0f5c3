"""Options that several commands of the loop take alike: limits of migrations, where VMs go, what is pressure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from serflab.rebalance.emulator_settings import REQUESTS, Settings
from serflab.rebalance.names import PSI_FORMULAS

if TYPE_CHECKING:
    from collections.abc import Callable

    Command = Callable[..., Any]

_DEFAULTS: Final = Settings()


def limit_options(*, kept: bool = False) -> Callable[[Command], Command]:
    """Add the descheduler's limits: `max_total`, `max_per_node`, `eviction_limit` (None: as `max_per_node`).

    With `kept`, an option that is not given is None, and what was is kept.
    """
    return _added(
        _option("--max-total", kept=kept, type=int, default=_DEFAULTS.max_total, help="VMs on their way at once."),
        _option("--max-per-node", kept=kept, type=int, default=_DEFAULTS.max_per_node, help="Of them, from a node."),
        click.option(
            "--eviction-limit",
            type=int,
            help="Evictions a node and cycle; 0: one.  [default: as --max-per-node]",
        ),
    )


def way_options(*, kept: bool = False) -> Callable[[Command], Command]:
    """Add the ways of VMs and metrics: `requests`, `delete_first`, `allow_source`, `psi`; `kept` as above."""
    return _added(
        _option(
            "--requests",
            kept=kept,
            type=click.Choice(REQUESTS),
            default=_DEFAULTS.requests,
            help="Of the VMs' pods: what each uses on average, or all the same.",
        ),
        click.option(
            "--delete-first/--create-first",
            default=None if kept else not _DEFAULTS.create_first,
            help="Whether a migration's source pod goes before its target pod is made.  [default: create-first]",
        ),
        click.option(
            "--allow-source/--exclude-source",
            default=None if kept else not _DEFAULTS.exclude_source,
            help="Whether the scheduler may choose the node that a VM leaves.  [default: exclude-source]",
        ),
        _option(
            "--psi", kept=kept, type=click.Choice(PSI_FORMULAS), default=_DEFAULTS.psi, help="Formula of pressure."
        ),
    )


def ways(given: dict[str, Any]) -> dict[str, Any]:
    """Return what was given with the two switches by the names that settings have for them."""
    taken = dict(given)
    for option, setting in (("delete_first", "create_first"), ("allow_source", "exclude_source")):
        value = taken.pop(option)
        taken[setting] = None if value is None else not value
    return taken


def _option(name: str, *, kept: bool, default: object, help: str, **more: Any) -> Callable[[Command], Command]:  # noqa: A002, ANN401 - as click has them
    if kept:
        return click.option(name, help=f"{help}  [default: {default}]", **more)
    return click.option(name, default=default, show_default=True, help=help, **more)


def _added(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    def add(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return add
