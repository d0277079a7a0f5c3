"""`serflab rebalance compare` and `serflab rebalance scenarios`: algorithms offline, and what they can be run on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from serflab.cli.display import Display
from serflab.cli.rebalance_options import limit_options, way_options, ways
from serflab.cli.scenario_files import one_scenario, scenario_file, templates
from serflab.cli.table import print_table
from serflab.errors import InputError, SerflabError
from serflab.rebalance.algorithms import ALGORITHMS, check_size
from serflab.rebalance.compare import compare as run
from serflab.rebalance.compare import named
from serflab.rebalance.compare_figures import FIGURES, SHORT, counted
from serflab.rebalance.compare_plot import pareto_plot, time_plot
from serflab.rebalance.compare_report import cells, html, markdown
from serflab.rebalance.compare_statistics import pareto_front
from serflab.rebalance.emulator_settings import Settings
from serflab.rebalance.names import SAMPLES
from serflab.rebalance.scenario_check import load_scenario, load_scenarios

if TYPE_CHECKING:
    from serflab.rebalance.compare import Comparison

_DEFAULTS: Final = Settings()
_COUNT: Final = click.IntRange(min=1)
_NEW_FILE: Final = click.Path(dir_okay=False, path_type=Path)


@click.command()
@click.option("--scenario", default=f"{SAMPLES}:hot-node", show_default=True, metavar="FILE[:NAME]", help="On what.")
@click.option("--algorithms", default="all", show_default=True, metavar="all|A,B", help="Which, with commas.")
@click.option("--seeds", type=_COUNT, default=30, show_default=True, help="Draws of the scenario.")
@click.option("--cycles", type=_COUNT, default=_DEFAULTS.cycles, show_default=True, help="Of the descheduler.")
@click.option("--interval", type=float, default=_DEFAULTS.interval, show_default=True, help="Seconds between cycles.")
@click.option("--threshold", type=float, default=_DEFAULTS.low, show_default=True, help="Points below the average.")
@click.option(
    "--target-threshold",
    metavar="POINTS|recommended",
    default=f"{_DEFAULTS.high:g}",
    show_default=True,
    help="Points above the average, or each algorithm's own.",
)
@limit_options()
@way_options()
@click.option("--bandwidth", type=float, default=_DEFAULTS.bandwidth, show_default=True, help="Of a migration, GiB/s.")
@click.option(
    "--jitter", type=float, default=_DEFAULTS.jitter, show_default=True, help="Loads' change by draw, a ratio."
)
@click.option(
    "--balanced-within",
    type=float,
    default=_DEFAULTS.balanced_within,
    show_default=True,
    metavar="POINTS",
    help="How far a node may be above the mean, in CPU or memory, to count as balanced.",
)
@click.option("--processes", type=_COUNT, help="How many work side by side; default: one a core.")
@click.option("--report", type=_NEW_FILE, metavar="FILE", help="Write the report there, as one HTML page.")
@click.option("--plots", type=click.Path(file_okay=False, path_type=Path), metavar="DIR", help="Write SVG plots there.")
@click.option(
    "-o",
    "--output",
    type=click.Choice(("table", "json", "markdown")),
    default="table",
    show_default=True,
    help="Form of the output.",
)
@click.option("--dry-run", is_flag=True, help="Check everything and say what would be run.")
def compare(  # noqa: PLR0913 - one parameter per option
    *,
    scenario: str,
    algorithms: str,
    seeds: int,
    processes: int | None,
    report: Path | None,
    plots: Path | None,
    output: str,
    dry_run: bool,
    **policy: Any,  # noqa: ANN401 - click gives what each option holds
) -> None:
    """Run algorithms offline on draws of a scenario, and tell which to take.

    The descheduler, the scheduler and the migrations are emulated; nothing is started and no cluster is needed. Same
    seeds, same numbers.
    """
    own = policy["target_threshold"] == "recommended"
    settings = _settings(policy, None if own else _points(policy["target_threshold"]))
    cluster = load_scenario(one_scenario(scenario), templates())
    names = _names(algorithms, len(cluster.nodes))
    task = f"{counted(len(names), 'algorithm')} on {counted(seeds, 'draw')} of {cluster.name}"
    if dry_run:
        vms = sum(1 for _ in cluster.vms())
        sizes = ((len(cluster.nodes), "node"), (vms, "VM"), (settings.cycles, "cycle"))
        size = f"{', '.join(counted(*each) for each in sizes)} of {settings.interval:g} s"
        click.echo(f"would run {task}: {size}")
        return
    with Display() as progress:
        progress.start(task)
        found = run(
            cluster,
            names,
            settings,
            seeds=seeds,
            thresholds="recommended" if own else "same",
            processes=processes,
            progress=lambda done, of: progress.advance(task, done, of, "algorithms"),
        )
        progress.finish(task)
    _print(found, output)
    if report:
        _write(report, html(found))
    if plots:
        _write(plots / f"{found.scenario}-pareto.svg", pareto_plot(found))
        _write(plots / f"{found.scenario}-time.svg", time_plot(found))


@click.command()
@click.argument("file", default=SAMPLES, metavar="[FILE]")
@click.option(
    "-o",
    "--output",
    type=click.Choice(("table", "json")),
    default="table",
    show_default=True,
    help="Form of the output.",
)
def scenarios(file: str, output: str) -> None:
    """Check a file of scenarios and list them; FILE:NAME shows one of them, generated VMs included, as JSON."""
    file = scenario_file(file)
    if not Path(file).exists() and ":" in file:
        click.echo(json.dumps(load_scenario(file, templates()).document(), indent=2))
        return
    found = load_scenarios(file, templates())
    rows = []
    for name, scenario in found.items():
        usages = [node.usage() for node in scenario.nodes]
        vms = sum(1 for _ in scenario.vms())
        hottest = [max(usage[axis] for usage in usages) for axis in (0, 1)]
        rows.append(
            {
                "name": name,
                "nodes": len(usages),
                "vms": vms,
                "highest_cpu": round(hottest[0], 4),
                "highest_memory": round(hottest[1], 4),
                "description": scenario.description,
            }
        )
    if output == "json":
        click.echo(json.dumps(rows, indent=2))
        return
    header = ("NAME", "NODES", "VMS", "HIGHEST CPU", "HIGHEST MEMORY", "DESCRIPTION")
    print_table(header, [[_cell(value) for value in row.values()] for row in rows])


def _cell(value: object) -> str:
    return f"{value:.0%}" if isinstance(value, float) else str(value)


def _names(algorithms: str, nodes: int) -> list[str]:
    """Return the names of the algorithms; of all those that can score so many nodes."""
    if algorithms != "all":
        names = named([name.strip() for name in algorithms.split(",")])
        for name in names:
            check_size(name, nodes, file="--algorithms")
        return names
    names = []
    for name in ALGORITHMS:
        try:
            check_size(name, nodes)
        except InputError as error:
            click.echo(f"left out: {error.findings[0].problem}", err=True)
        else:
            names.append(name)
    return names


def _settings(policy: dict[str, Any], high: float | None) -> Settings:
    taken = ways(policy)
    del taken["target_threshold"]
    limit = taken["max_per_node"] if taken["eviction_limit"] is None else taken["eviction_limit"]
    taken |= {"low": taken.pop("threshold"), "eviction_limit": limit or None}
    return Settings(**taken | ({} if high is None else {"high": high}))


def _points(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise click.BadParameter(f"expected points or 'recommended', found {text!r}", param_hint="--target-threshold")  # noqa: B904


def _print(found: Comparison, output: str) -> None:
    if output == "json":
        click.echo(json.dumps(found.document(), indent=2))
        return
    if output == "markdown":
        click.echo(markdown(found), nl=False)
        return
    header = ["#", "ALGORITHM", *(_upper(key) for key in SHORT)]
    front = pareto_front(found.rows)
    rows = []
    for row in found.rows:
        mark = "*" if row in front else ""
        rows.append([f"{ALGORITHMS[row.algorithm].number}{mark}", row.algorithm, *cells(row, SHORT)])
    print_table(header, rows)
    advice = found.recommendation
    click.echo(f"\n* on the Pareto front of migrations and spread\nrecommended: {advice.algorithm or 'none'}")
    click.echo(advice.reason)


def _upper(key: str) -> str:
    figure = FIGURES[key]
    return f"{figure.heading.upper()}{f' ({figure.unit})' if figure.unit else ''}"


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise SerflabError(f"{path} cannot be written: {error.strerror}", hint="choose another path") from error
    click.echo(f"wrote {path}", err=True)
