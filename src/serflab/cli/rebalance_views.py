"""The commands that show what a loop does: `serflab rebalance watch` and `explain`."""

from __future__ import annotations

import datetime as dt
import json
import time
from typing import TYPE_CHECKING

import click
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from serflab.cli.context import output_option, state_dir
from serflab.cli.table import print_table
from serflab.cli.values import SECONDS
from serflab.rebalance.cycles import OVER, UNDER
from serflab.rebalance.explain import Explanation, last_cycle
from serflab.rebalance.explain import explain as explain_cycle
from serflab.rebalance.loop_settings import load_loop
from serflab.rebalance.loop_status import Picture, picture

if TYPE_CHECKING:
    from rich.console import RenderableType

    from serflab.rebalance.nodes_now import NodeRow

_COLOURS = {OVER: "red", UNDER: "green"}


@click.command()
@click.option("--interval", type=SECONDS, default=2.0, show_default=True, help="Seconds between two looks.")
@click.option("--count", type=click.IntRange(min=1), help="End after so many looks.  [default: at Ctrl-C]")
def watch(interval: float, count: int | None) -> None:
    """Follow nodes, scores and migrations of the loop: a live table on a terminal, plain lines elsewhere."""
    loop = load_loop(state_dir())
    console = Console()
    looks = 0
    if not console.is_terminal:
        while True:
            looks += 1
            _print_plain(picture(load_loop(loop.directory.parent)))
            if looks == count:
                return
            time.sleep(interval)
    with Live(console=console, auto_refresh=False, screen=count is None) as live:
        while True:
            looks += 1
            live.update(_drawn(picture(load_loop(loop.directory.parent))), refresh=True)
            if looks == count:
                return
            time.sleep(interval)


def _drawn(now: Picture) -> RenderableType:
    nodes = Table(title=f"{now.algorithm}, {_clock(now.at)}", title_justify="left", box=None, pad_edge=False)
    for name in ("NODE", "CPU", "MEMORY", "PSI", "SCORE", "CLASS", "VMS"):
        nodes.add_column(name, no_wrap=True, justify="left" if name in {"NODE", "CLASS"} else "right")
    for row in now.nodes:
        nodes.add_row(*_cells(row)[:-2], Text(row.category or "-", style=_COLOURS.get(row.category, "")), str(row.vms))
    moves = Table(title="\nlast migrations", title_justify="left", box=None, pad_edge=False)
    for name in ("VM", "FROM", "TO", "PHASE", "STARTED", "ENDED"):
        moves.add_column(name, no_wrap=True)
    for move in now.moves:
        moves.add_row(move.vm, move.source or "-", move.target or "-", move.phase, move.started, move.ended)
    return Group(nodes, moves, *(Text(problem, style="red") for problem in now.problems))


def _cells(row: NodeRow) -> tuple[str, ...]:
    score = "-" if row.score is None else f"{row.score:.3f}"
    pressures = [each for each in (row.cpu_pressure, row.memory_pressure) if each is not None]
    return (
        row.name,
        _percent(row.cpu),
        _percent(row.memory),
        _percent(max(pressures, default=None)),
        score,
        row.category or "-",
        str(row.vms),
    )


def _percent(ratio: float | None) -> str:
    return "-" if ratio is None else f"{100 * ratio:.1f} %"


def _print_plain(now: Picture) -> None:
    for row in now.nodes:
        name, cpu, memory, pressure, score, category, vms = _cells(row)
        click.echo(
            f"{_clock(now.at)} {name} cpu {cpu}, memory {memory}, psi {pressure}, score {score}, {category}, {vms} VMs"
        )
    for move in now.moves:
        if move.phase not in {"Succeeded", "Failed"}:
            click.echo(f"{_clock(now.at)} {move.vm}: {move.source or '?'} -> {move.target or '?'} {move.phase}")
    for problem in now.problems:
        click.echo(f"{_clock(now.at)} {problem}", err=True)


@click.command()
@output_option
def explain(output: str) -> None:
    """Tell why the last cycle did what it did: scores, average, thresholds, classes, victims, targets."""
    loop = load_loop(state_dir())
    found = explain_cycle(loop, last_cycle(loop))
    if output == "json":
        click.echo(json.dumps(found.document(), indent=2))
    else:
        _show(found)


def _show(found: Explanation) -> None:
    click.echo(f"cycle of {_clock(found.started)}, {1000 * (found.ended - found.started):.0f} ms, by {found.algorithm}")
    for problem in found.problems:
        click.echo(f"it gave up, nothing was evicted: {problem}")
    if found.average is not None:
        click.echo(
            f"average {found.average:.2f} %; under up to {found.low:.2f} % (-{found.threshold:g}), "
            f"over above {found.high:.2f} % (+{found.target_threshold:g})\n"
        )
        rows = [
            (node.name, "-" if node.score is None else f"{node.score:.4f}", f"{node.percent} %", node.category)
            for node in found.nodes
        ]
        print_table(("NODE", "SCORE", "PERCENT", "CLASS"), rows)
        if not found.agrees:
            click.echo("the classes are not those that serflab computes from these percents", err=True)
    for note in found.notes:
        click.echo(f"\n{note}")
    if found.victims:
        click.echo("")
        print_table(
            ("VICTIM", "FROM", "EVICTION", "TO", "MIGRATION", "PHASE"),
            [
                (
                    victim.pod,
                    victim.node,
                    victim.outcome,
                    victim.target or "-",
                    victim.migration or "-",
                    victim.phase or victim.problem,
                )
                for victim in found.victims
            ],
        )
    elif found.nodes and not found.notes:
        click.echo("\nno pod was taken")
    click.echo(f"\n{found.in_flight} evictions go on in the background")


def _clock(at: float) -> str:
    return dt.datetime.fromtimestamp(at, dt.UTC).astimezone().strftime("%H:%M:%S")
