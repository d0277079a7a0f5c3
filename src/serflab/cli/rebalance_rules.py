"""`serflab rebalance rules`, `policy` and `algorithms`: what Prometheus and the descheduler are given."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from serflab.cli.context import checkout, output_option
from serflab.cli.rebalance_options import limit_options
from serflab.cli.table import print_table
from serflab.cli.values import FILE
from serflab.lab.export.text import to_yaml
from serflab.rebalance.algorithms import ALGORITHMS, DEFAULT_ALGORITHM
from serflab.rebalance.policy import CLUSTER_PROMETHEUS, PolicySettings, config_map
from serflab.rebalance.policy import policy as make_policy
from serflab.rebalance.policy_check import load_policy
from serflab.rebalance.rules import RuleSettings, prometheus_rule, rule_groups

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_DEFAULTS = PolicySettings()
_RULES = RuleSettings()


def _labels(_context: click.Context, _parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    """Return labels from what was given as NAME=VALUE."""
    pairs = [value.partition("=") for value in values]
    for name, equals, _ in pairs:
        if not (name and equals):
            raise click.BadParameter("expected NAME=VALUE, such as serf=serf1")
    return {name: value for name, _, value in pairs}


def _shared(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that rules and policy have in common."""
    options = (
        click.option(
            "--label",
            "labels",
            multiple=True,
            metavar="NAME=VALUE",
            callback=_labels,
            help="Only of nodes with this label, where several loops share a Prometheus; may be repeated.",
        ),
        click.option("--write", is_flag=True, help="Write the checkout's files instead."),
        click.option("--dry-run", is_flag=True, help="With --write: only say which files would change."),
    )
    for option in reversed(options):
        command = option(command)
    return command


@click.command()
@click.option(
    "-o",
    "--output",
    type=click.Choice(["prometheus", "operator"]),
    default="prometheus",
    show_default=True,
    help="A rules file, or a PrometheusRule of the operator.",
)
@click.option(
    "--window", default=_RULES.window, show_default=True, metavar="DURATION", help="What inputs are averaged."
)
@click.option("--interval", metavar="DURATION", help="Between two evaluations; otherwise Prometheus' own.")
@_shared
def rules(*, output: str, write: bool, dry_run: bool, **options: Any) -> None:  # noqa: ANN401 - those of the settings
    """Print the recording rules of the 19 node scores."""
    settings = RuleSettings(**options)
    if write or dry_run:
        from serflab.rebalance import generated  # noqa: PLC0415 - numpy takes 0.2 s

        names = (generated.RULES, generated.OPERATOR_RULES, generated.CONFIG_RULES, generated.PAGE)
        _write(generated.generated_files(rules=settings), names, write=write, dry_run=dry_run)
        return
    make = rule_groups if output == "prometheus" else prometheus_rule
    click.echo(to_yaml(make(settings)), nl=False)


@click.command()
@click.option(
    "--algorithm", default=DEFAULT_ALGORITHM, show_default=True, metavar="NAME", help="One of the 19, or an alias."
)
@click.option("--target-threshold", type=float, metavar="POINTS", help="Over above mean + POINTS (as recommended).")
@click.option(
    "--threshold",
    type=float,
    default=_DEFAULTS.threshold,
    show_default=True,
    metavar="POINTS",
    help="Under up to mean - POINTS.",
)
@click.option("--prometheus-url", default=CLUSTER_PROMETHEUS, show_default=True, metavar="URL", help="Who has scores.")
@limit_options()
@click.option("--node-selector", default=_DEFAULTS.node_selector, show_default=True, help="The nodes that take part.")
@click.option("--check", "file", type=FILE, metavar="FILE", help="Check a policy instead, or the ConfigMap of one.")
@click.option(
    "-o",
    "--output",
    type=click.Choice(["policy", "configmap"]),
    default="policy",
    show_default=True,
    help="The descheduler's file, or a ConfigMap of it.",
)
@_shared
def policy(*, file: Path | None, output: str, write: bool, dry_run: bool, **settings: Any) -> None:  # noqa: ANN401 - as above
    """Print the descheduler's policy for an algorithm and its limits."""
    if file is not None:
        load_policy(file)
        click.echo(f"ok: {file}")
        return
    wanted = PolicySettings(**settings)
    text = to_yaml(make_policy(wanted))
    if write or dry_run:
        from serflab.rebalance.generated import POLICY, generated_files  # noqa: PLC0415 - numpy takes 0.2 s

        _write(generated_files(settings=wanted), (POLICY,), write=write, dry_run=dry_run)
        return
    click.echo(text if output == "policy" else to_yaml(config_map(text)), nl=False)


@click.command()
@output_option
def algorithms(output: str) -> None:
    """List the node scores with their formulas and recommended thresholds."""
    if output == "json":
        fields = (
            "number",
            "name",
            "formula",
            "threshold",
            "record",
            "aliases",
            "documentation",
            "good_for",
            "blind_to",
        )
        found = [{field: getattr(algorithm, field) for field in fields} for algorithm in ALGORITHMS.values()]
        click.echo(json.dumps(found, indent=2, ensure_ascii=False))
        return
    rows = [(str(each.number), each.name, f"+{each.threshold}", each.formula) for each in ALGORITHMS.values()]
    print_table(("#", "NAME", "THRESHOLD", "SCORE"), rows)


def _write(texts: dict[str, str], names: tuple[str, ...], *, write: bool, dry_run: bool) -> None:
    """Write those of the checkout's generated files, or tell which would be."""
    from serflab.rebalance.generated import write_changed  # noqa: PLC0415 - numpy takes 0.2 s

    if not write:
        raise click.UsageError("--dry-run goes with --write; without it nothing is written")
    found = write_changed(checkout(), {name: texts[name] for name in names}, dry_run=dry_run)
    for name in names:
        verb = "up to date" if name not in found else "would be written" if dry_run else "written"
        click.echo(f"{name}: {verb}")
