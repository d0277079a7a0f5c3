"""What the commands of `serflab offload` share: which viewer they talk to, options, and hints about wrong names."""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import click

from serflab.cli.offload_names import names
from serflab.cli.values import SECONDS
from serflab.cli.viewer_client import TOKEN_ENV, RefusalError, ViewerClient, viewer_url
from serflab.traces.report import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable

WAIT_SECONDS = 600
_URL, _TOKEN = "serflab.url", "serflab.token"
_Parameters = ParamSpec("_Parameters")
_Result = TypeVar("_Result")
_Command = TypeVar("_Command", bound="Callable[..., object]")


@dataclass(frozen=True, slots=True)
class Waiting:
    """How a command waits: not at all, or for `seconds` at most."""

    wait: bool
    seconds: float


def _remember(context: click.Context, parameter: click.Parameter, value: str | None) -> None:
    """Keep the value for `viewer`; that of a command is stronger than that of its group."""
    if value:
        context.meta[_URL if parameter.name == "url" else _TOKEN] = value


def _viewer_options(command: _Command, **more: Any) -> _Command:  # noqa: ANN401 - as click has it
    url = click.option(
        "--url",
        metavar="URL",
        expose_value=False,
        is_eager=True,
        callback=_remember,
        help="The viewer.  [default: $SERFLAB_URL, that of the lab, else port 8080 of this host]",
        **more,
    )
    token = click.option(
        "--token",
        metavar="TOKEN",
        expose_value=False,
        is_eager=True,
        callback=_remember,
        help="The viewer's token for changes, where it has one.  [default: $SERFLAB_VIEWER_TOKEN]",
        **more,
    )
    return url(token(command))


def viewer_options(command: _Command) -> _Command:
    """Add `--url` and `--token` to a group, as they stand before its commands."""
    return _viewer_options(command)


def viewer(context: click.Context, timeout: float | None = None) -> ViewerClient:
    """Return the client of the viewer that a command talks to; `timeout` of a request, in seconds."""
    token = context.meta.get(_TOKEN) or os.environ.get(TOKEN_ENV, "")
    url = viewer_url(context.meta.get(_URL))
    return ViewerClient(url, token) if timeout is None else ViewerClient(url, token, timeout)


def asks_viewer(command: Callable[_Parameters, _Result]) -> Callable[_Parameters, _Result]:
    """Make a function a command that talks to the viewer: its options, and a hint where a name was not known."""

    @functools.wraps(command)
    def wrapped(*arguments: _Parameters.args, **options: _Parameters.kwargs) -> _Result:
        try:
            return command(*arguments, **options)
        except RefusalError as error:
            if error.status == 404 and error.code.startswith("unknown_") and "did you mean" not in error.hint:
                error.hint = _nearest(click.get_current_context(), error)
            raise

    return _viewer_options(wrapped)


def _nearest(context: click.Context, error: RefusalError) -> str:
    """Return the hint that names what is nearest to the names that were given, else the viewer's own."""
    known = names(viewer(context), error.code.removeprefix("unknown_"))
    for value in context.params.values():
        for word in value if isinstance(value, tuple) else (value,):
            hint = did_you_mean(word, known) if isinstance(word, str) and word not in known else ""
            if hint:
                return hint
    listed = f"there are: {', '.join(known[:12])}{', …' if len(known) > 12 else ''}" if known else ""
    return error.hint or listed


def waits(command: Callable[..., _Result]) -> Callable[..., _Result]:
    """Add what commands have that begin an operation, `--no-wait` and `--timeout`; they come as one `waiting`."""

    @functools.wraps(command)
    def wrapped(*arguments: object, no_wait: bool, timeout: float, **options: object) -> _Result:
        return command(*arguments, waiting=Waiting(not no_wait, timeout), **options)

    no_wait = click.option("--no-wait", is_flag=True, help="Do not wait until it is done.")
    return no_wait(timeout_option(wrapped))


def timeout_option(command: _Command) -> _Command:
    """Add `--timeout`."""
    return click.option(
        "--timeout",
        type=SECONDS,
        default=WAIT_SECONDS,
        show_default=True,
        metavar="SECONDS",
        help="Wait so long at most; then exit status 3, and what was begun goes on.",
    )(command)


def dry_run_option(command: _Command) -> _Command:
    """Add `--dry-run` to a command that changes something."""
    return click.option("--dry-run", is_flag=True, help="Check what can be checked and say what would be done.")(
        command
    )


def command_line(context: click.Context, *words: str) -> str:
    """Return how another command of this program is typed: `serflab offload show vp-001`."""
    group = context.parent.command_path if context.parent else context.command_path
    return " ".join((group, *words))
