"""`serflab trace`: making, checking and summarising emulation configs and workload templates."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from serflab.cli.context import output_option
from serflab.cli.table import print_table
from serflab.errors import Finding, InputError, SerflabError
from serflab.traces.check import load_any
from serflab.traces.model import EmulationConfig, NodeSpec, Template
from serflab.traces.profiles import DEFAULT_SEED, PROFILES
from serflab.traces.quantity import parse_cpu, parse_memory
from serflab.traces.render import render
from serflab.traces.summary import summary

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_PROFILE_HELP = "; ".join(f"{name}: {profile.description}" for name, profile in PROFILES.items())
_COUNT = click.IntRange(min=1)


def _at_least_one(parse: Callable[[str], float]) -> Callable[[click.Context, click.Parameter, str], float]:
    """Return the callback of an option that takes a Kubernetes quantity of at least 1m or 1Mi."""

    def callback(_context: click.Context, _parameter: click.Parameter, value: str) -> float:
        try:
            number = parse(value)
        except ValueError as error:
            raise click.BadParameter(str(error)) from error
        if number < 1:
            raise click.BadParameter(f"{value} is too little for a node")
        return number

    return callback


@click.group()
def trace() -> None:
    """Make, check and summarise emulation configs and workload templates."""


@trace.command()
@click.option("--seed", type=int, default=DEFAULT_SEED, show_default=True, help="Same seed, same bytes.")
@click.option("--profile", type=click.Choice(list(PROFILES)), default="shop", show_default=True, help=_PROFILE_HELP)
@click.option("--pods", type=_COUNT, default=80, show_default=True, help="Pods in all.")
@click.option("--namespaces", type=_COUNT, default=4, show_default=True, help="Namespaces, ns1 to nsN.")
@click.option("--points", type=_COUNT, default=132, show_default=True, help="Points of each series.")
@click.option("--node-cpu", callback=_at_least_one(parse_cpu), default="16", show_default=True, help="CPU of the node.")
@click.option(
    "--node-memory", callback=_at_least_one(parse_memory), default="60Gi", show_default=True, help="Its memory."
)
@click.option("-o", "--output", required=True, metavar="FILE", help="The file to write; - for standard output.")
@click.option("--force", is_flag=True, help="Overwrite FILE.")
def generate(  # noqa: PLR0913 - one parameter per option
    *,
    seed: int,
    profile: str,
    pods: int,
    namespaces: int,
    points: int,
    node_cpu: float,
    node_memory: float,
    output: str,
    force: bool,
) -> None:
    """Make an emulation config: an online shop on one node, from a seed."""
    from serflab.traces import generate as generator  # noqa: PLC0415 - numpy takes 0.2 s, only needed here

    if output != "-":
        _refuse_existing([Path(output)], force=force)
    node = NodeSpec(generator.DEFAULT_NODE.name, node_cpu, node_memory)
    document = render(generator.generate(seed, profile, pods=pods, namespaces=namespaces, points=points, node=node))
    if output == "-":
        click.echo(document, nl=False)
        return
    _write(Path(output), document)
    click.echo(f"{output}: {pods} pods in {namespaces} namespaces, {points} points, profile {profile}, seed {seed}")


@trace.command()
@click.option("--seed", type=int, default=DEFAULT_SEED, show_default=True, help="Same seed, same bytes.")
@click.option("-o", "--output", required=True, metavar="DIR", help="The directory to write them to.")
@click.option("--force", is_flag=True, help="Overwrite files that are there.")
def templates(*, seed: int, output: str, force: bool) -> None:
    """Make the workload templates for virtual pods."""
    from serflab.traces import templates as generator  # noqa: PLC0415 - numpy takes 0.2 s, only needed here

    directory = Path(output)
    documents = {directory / f"{name}.json": document for name, document in generator.templates(seed).items()}
    _refuse_existing(documents, force=force)
    for path, document in documents.items():
        _write(path, render(document))
        click.echo(f"{path}: {document['description']}")


@trace.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
def check(files: tuple[str, ...]) -> None:
    """Check emulation configs and workload templates; all findings at once, exit status 2 if there are any."""
    findings: list[Finding] = []
    for file in files:
        try:
            loaded = load_any(file)
        except InputError as error:
            findings += error.findings
        else:
            click.echo(f"ok: {file}: {_one_line(loaded)}")
    if findings:
        raise InputError(findings)


@trace.command()
@click.argument("file")
@output_option
def show(file: str, output: str) -> None:
    """Summarise an emulation config or a workload template: how many, how long, how busy."""
    facts = summary(load_any(file))
    if output == "json":
        click.echo(json.dumps({"file": file, **facts}, indent=2))
        return
    rows = [(key.replace("_", " "), _cell(value)) for key, value in facts.items()]
    print_table(("WHAT", "VALUE"), rows)


def _one_line(loaded: EmulationConfig | Template) -> str:
    if isinstance(loaded, Template):
        return f"workload template, {loaded.series.length} points"
    return f"emulation config, {len(loaded.pods)} pods in {len(loaded.namespaces)} namespaces, {loaded.length} points"


def _cell(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_cell(item)}" for key, item in value.items())
    return f"{value:g}" if isinstance(value, float) else str(value)


def _refuse_existing(paths: Iterable[Path], *, force: bool) -> None:
    existing = [str(path) for path in paths if path.exists()]
    if existing and not force:
        raise click.UsageError(f"there already: {', '.join(existing)} (--force overwrites)")


def _write(path: Path, document: bytes) -> None:
    """Write `document` at once or not at all."""
    part = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(document)
        part.replace(path)
    except OSError as error:
        with suppress(OSError):
            part.unlink()
        raise SerflabError(f"{path} cannot be written: {error.strerror or error}") from error
