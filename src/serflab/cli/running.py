"""What every program of the command line has in common: exit status, errors in words, logs, a clean interruption."""

from __future__ import annotations

import logging
import signal
import sys
from typing import TYPE_CHECKING, NoReturn

import click

from serflab.errors import SerflabError

if TYPE_CHECKING:
    from types import FrameType

INTERRUPTED = 130


def run(command: click.Command, name: str, interrupted: str) -> NoReturn:
    """Run a command as the program `name`; exit 0 when done, 1 when something failed, 2 for bad usage or input.

    Some commands have an exit status of their own. `interrupted` is what to tell after Ctrl-C.
    """
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s", stream=sys.stderr)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        status = command.main(prog_name=name, standalone_mode=False)
        sys.exit(status if isinstance(status, int) else 0)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except SerflabError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(error.exit_status)
    except (KeyboardInterrupt, click.Abort):
        click.echo(interrupted, err=True)
        sys.exit(INTERRUPTED)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
