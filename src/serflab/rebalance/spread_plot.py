"""The plot of a running loop: how far apart its nodes were, and when VMs migrated, as SVG or as a page of its own."""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from typing import TYPE_CHECKING, Final

from serflab.errors import SerflabError
from serflab.rebalance.compare_figures import counted
from serflab.rebalance.compare_plot import Mark, line_plot
from serflab.rebalance.followed_loop import migration_row
from serflab.rebalance.loop_settings import NAMESPACE, OWN_SERF
from serflab.rebalance.names import migration_path
from serflab.rebalance.questions import api

if TYPE_CHECKING:
    from collections.abc import Sequence

    from serflab.rebalance.followed_loop import MigrationRow
    from serflab.rebalance.loop_settings import Loop
    from serflab.rebalance.spread import Spread

NAMES: Final = {"cpu": "CPU", "memory": "memory", "psi": "pressure"}
_ANSWER_SECONDS: Final = 10.0


def migrations(loop: Loop) -> list[MigrationRow]:
    """Return the migrations of a loop that its API server knows; raises `SerflabError`."""
    try:
        return asyncio.run(_migrations(loop))
    except TimeoutError as error:
        raise SerflabError(
            f"the API server of the loop does not answer within {_ANSWER_SECONDS:g} s",
            hint="`serflab rebalance status` shows what runs",
        ) from error


async def _migrations(loop: Loop) -> list[MigrationRow]:
    async with asyncio.timeout(_ANSWER_SECONDS), api(loop) as client:
        return [migration_row(item) for item in (await client.list(migration_path(NAMESPACE)))["items"]]


def spread_plot(loop: Loop, found: Spread, moves: Sequence[MigrationRow], now: float | None = None) -> str:
    """Return the spread over time as SVG, from the first value on, the time of each migration behind it.

    `now` is where migrations end that go on (seconds since the epoch). Raises `SerflabError` when Prometheus has no
    value at all in this time.
    """
    now = time.time() if now is None else now
    times = found.points.timestamps
    known = [
        at for values in found.values.values() for at, value in zip(times, values, strict=True) if value is not None
    ]
    if not known:
        raise SerflabError(
            "Prometheus has no spread of the nodes in this time",
            hint="a new loop has one after its first scrapes; `serflab rebalance status` shows what is missing",
        )
    start = min(known)
    lines = {
        NAMES[name]: [((at - start) / 60, value) for at, value in zip(times, values, strict=True) if at >= start]
        for name, values in found.values.items()
    }
    marks = [
        Mark(max(0.0, move.started - start) / 60, (min(move.ended or now, times[-1]) - start) / 60, _told(move))
        for move in moves
        if move.started is not None and move.started <= times[-1] and (move.ended or now) >= start
    ]
    clock = dt.datetime.fromtimestamp(start, dt.UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    title = f"{loop.serf or OWN_SERF}, {loop.algorithm}, {counted(len(marks), 'migration')}"
    return line_plot(title, lines, f"minutes since {clock}", "standard deviation over the nodes (points)", marks=marks)


def spread_page(svg: str) -> str:
    """Return the plot as a page that loads nothing and runs no script."""
    policy = "default-src 'none'; base-uri 'none'; form-action 'none'"
    head = [
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
        '<meta name="viewport" content="width=device-width">',
        "<title>Spread of the nodes</title>\n</head>\n<body>\n<main>",
        "<h1>Spread of the nodes</h1>",
        "<p>Shaded is when a VM migrated; point at it to see which.</p>",
    ]
    return "\n".join([*head, svg.rstrip(), "</main>\n</body>\n</html>\n"])


def _told(move: MigrationRow) -> str:
    return f"{move.vm}: {move.source or '?'} to {move.target or '?'}, {move.phase}"
