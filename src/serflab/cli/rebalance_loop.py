"""The commands of a whole loop: `serflab rebalance up`, `down`, `status`, `switch`."""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING, Any

import click

from serflab.cli.context import checkout, inventory, output_option, state_dir
from serflab.cli.display import Display
from serflab.cli.rebalance_options import limit_options, way_options, ways
from serflab.cli.scenario_files import one_scenario
from serflab.cli.table import print_table
from serflab.cli.values import POINTS, PORT, SECONDS
from serflab.errors import Finding, InputError, SerflabError
from serflab.lab.inventory import CONTAINERLAB, load_inventory
from serflab.lab.ports import port_base
from serflab.lab.processes import lab_processes
from serflab.lab.tools.pinned import LAB_TOOLS, tools_named
from serflab.lab.tools.toolbox import Toolbox
from serflab.rebalance import loop as runtime
from serflab.rebalance.algorithms import ALGORITHMS, DEFAULT_ALGORITHM, check_size, find_algorithm
from serflab.rebalance.loop_files import prometheus_directory, takes_more
from serflab.rebalance.loop_settings import (
    DEFAULT_INTERVAL,
    DEFAULT_SCENARIO,
    DEFAULT_TARGET_THRESHOLD,
    DEFAULT_THRESHOLD,
    EXPORTER_PORT,
    FILE_NAME,
    OWN_SERF,
    PORTS_ABOVE_SERFS,
    SHORTEST_INTERVAL,
    Loop,
    load_loop,
    loop_directory,
)
from serflab.rebalance.loop_status import GO_ON, LoopStatus, loop_status
from serflab.rebalance.names import SAMPLES
from serflab.rebalance.placement import check_room, nodes_for
from serflab.rebalance.scenario_check import TEMPLATES, load_scenario

if TYPE_CHECKING:
    from collections.abc import Sequence

    from serflab.rebalance.scenario import Node, Scenario


@click.command()
@click.option("--serf", metavar="SERF", help="A serf of the lab that is up.  [default: one of the loop's own]")
@click.option("--nodes", type=click.IntRange(min=2), metavar="N", help="Empty nodes are added up to N.")
@click.option(
    "--scenario",
    metavar="FILE[:NAME]",
    help=f"Which VMs there are and where they start.  [default: {SAMPLES}:{DEFAULT_SCENARIO} of the checkout]",
)
@click.option("--algorithm", metavar="NAME", help=f"The score of a node.  [default: {DEFAULT_ALGORITHM}]")
@click.option("--interval", type=SECONDS, help=f"Seconds between two cycles.  [default: {DEFAULT_INTERVAL:g}]")
@click.option(
    "--target-threshold",
    type=POINTS,
    help=f"Points above the average: overutilized.  [default: {DEFAULT_TARGET_THRESHOLD:g}]",
)
@click.option(
    "--threshold", type=POINTS, help=f"Points below the average: underutilized.  [default: {DEFAULT_THRESHOLD:g}]"
)
@limit_options(kept=True)
@way_options(kept=True)
@click.option("--exporter-port", type=PORT, help=f"The exporter's port.  [default: {EXPORTER_PORT}]")
@click.option(
    "--port-base", type=PORT, help=f"The loop's other ports.  [default: {PORTS_ABOVE_SERFS} above those of the serfs]"
)
@click.option("--dry-run", is_flag=True, help="Check the input and say what would be done.")
def up(
    *,
    serf: str | None,
    scenario: str | None,
    dry_run: bool,
    **options: Any,  # noqa: ANN401 - those of the loop's settings
) -> None:
    """Bring the closed loop up, or repair what is missing of it; what is not given stays as it was."""
    given = ways(options) | {"scenario": one_scenario(scenario) if scenario is not None else None}
    loop = _asked(serf, {name: value for name, value in given.items() if value is not None})
    loop = _check(loop)
    plan = load_scenario(loop.scenario, loop.checkout / TEMPLATES)
    if loop.requests == "equal":
        plan = plan.with_equal_requests()
    wanted = nodes_for(plan, loop.nodes or None)
    check_size(loop.algorithm, len(wanted), file="--algorithm")
    check_room(wanted, loop.scenario)
    toolbox = Toolbox(loop.checkout)
    needed = tools_named([*LAB_TOOLS, "descheduler"])
    if dry_run:
        missing = [tool.name for tool in needed if toolbox.locate(tool).path is None]
        _show_plan(loop, plan, wanted, missing)
        return
    with Display() as progress:
        programs = toolbox.install(needed, progress)
        loop = runtime.LoopRuntime(loop, plan, wanted, programs, progress).up()
    now = loop_status(loop)
    _show(now)
    click.echo(
        "\nnext: `serflab rebalance watch`, `serflab rebalance explain`, `serflab rebalance switch ALGORITHM`, "
        "`serflab rebalance down`"
    )
    click.echo(f"the page: {_page()}")
    click.echo(f"kubectl: export KUBECONFIG={loop.kubeconfig}")


def _page() -> str:
    """Return where a viewer shows the loop: the lab's, or how to start one."""
    try:
        return f"{load_inventory(state_dir()).viewer}, Rebalancing"
    except SerflabError:
        return "start it with `.venv/bin/python flask-app/app.py`; there, Rebalancing"


def _asked(serf: str | None, given: dict[str, Any]) -> Loop:
    """Return the loop that is asked for: that which is up with what is given changed, else one of the defaults."""
    directory = loop_directory(state_dir())
    if (directory / FILE_NAME).exists():
        before = load_loop(state_dir())
        if serf is not None and serf != before.serf:
            raise SerflabError(
                f"the loop is up on {before.serf or 'a serf of its own'}", hint="`serflab rebalance down` first"
            )
        if given.get("scenario", before.scenario) != before.scenario:
            given = {"nodes": 0, **given}
        if given.get("port_base", before.port_base) != before.port_base:
            raise SerflabError(
                f"the loop has its ports from {before.port_base} on", hint="`serflab rebalance down` first"
            )
        return before.changed(**given)
    return _new(serf, given)


def _new(serf: str | None, given: dict[str, Any]) -> Loop:
    base = given.pop("port_base", port_base() + PORTS_ABOVE_SERFS)
    loop = Loop.on_its_own_serf(checkout(), state_dir(), base, **given)
    if not serf:
        return loop
    lab = inventory()
    loop = loop.changed(serf=serf, kubeconfig=lab.serf(serf).kubeconfig)
    central = loop.changed(central=True, prometheus=lab.prometheus)
    takes = lab.runtime != CONTAINERLAB and takes_more(prometheus_directory(central))
    return central if takes else loop


def _check(loop: Loop) -> Loop:
    """Return the loop with its algorithm by its proper name; raises `InputError` with all that is wrong with it."""
    findings: list[Finding] = []
    try:
        loop = loop.changed(algorithm=find_algorithm(loop.algorithm, file="--algorithm", path="").name)
    except InputError as error:
        findings += error.findings
    if loop.interval < SHORTEST_INTERVAL:
        hint = "a cycle has to see what the one before did: scrape, rules, averaging and migrations need their time"
        findings.append(
            Finding("--interval", "", f"expected {SHORTEST_INTERVAL:g} s or more, found {loop.interval:g}", hint)
        )
    limits = {"max-total": (loop.max_total, 1), "max-per-node": (loop.max_per_node, 1)}
    if loop.eviction_limit is not None:
        limits["eviction-limit"] = (loop.eviction_limit, 0)
    findings += [
        Finding(f"--{name}", "", f"expected {least} or more, found {value}")
        for name, (value, least) in limits.items()
        if value < least
    ]
    if findings:
        raise InputError(findings)
    return loop


def _show_plan(loop: Loop, scenario: Scenario, nodes: Sequence[Node], missing: Sequence[str]) -> None:
    times = loop.times
    where = f"on {loop.serf}" if loop.serf else "on a serf of its own"
    click.echo(f"a loop {where}, state in {loop.directory}")
    click.echo(f"tools to get: {', '.join(missing) or 'none'}")
    click.echo(f"scenario {scenario.name}: {len(nodes)} nodes, {sum(1 for _ in scenario.vms())} VMs")
    click.echo(
        f"a cycle every {times.interval:g} s: scrapes every {times.scrape:g} s, averages over {times.window:g} s, "
        f"migrations up to {times.migration:g} s"
    )
    click.echo(f"{loop.algorithm}, over the average by {loop.target_threshold:g}, under it by {loop.threshold:g}")
    click.echo(f"{loop.limits}\n{loop.ways}")
    where = "the lab's" if loop.central else "its own"
    click.echo(f"exporter {loop.exporter}, Prometheus {loop.prometheus} ({where})")


@click.command()
@click.option("--dry-run", is_flag=True, help="Only say what would be stopped and removed.")
def down(*, dry_run: bool) -> None:
    """Take the loop away, and all that it made."""
    directory = loop_directory(state_dir())
    if not directory.exists():
        click.echo("no rebalancing loop is up")
        return
    if dry_run:
        count = sum(1 for _ in lab_processes(directory))
        click.echo(f"would stop {count} processes; {directory} is removed")
        return
    with Display() as progress:
        count = runtime.down(state_dir(), progress)
    click.echo(f"{count} processes ended; {directory} is removed")


@click.command()
@output_option
def status(output: str) -> None:
    """Show how the loop is, and what is in the descheduler's way; exit status 1 unless all is well."""
    now = loop_status(load_loop(state_dir()))
    if output == "json":
        click.echo(json.dumps(now.document(), indent=2))
    else:
        _show(now)
    if not now.healthy:
        sys.exit(1)


def _show(now: LoopStatus) -> None:
    if now.stopped:
        click.echo(f"{now.stopped}\n  hint: {GO_ON}", err=True)
        return
    rows = [(program.name, program.state, str(program.pid or "-"), program.problem) for program in now.programs]
    print_table(("PROGRAM", "STATE", "PID", ""), rows)
    own = " (its own)" if now.serf == OWN_SERF else ""
    click.echo(f"\nserf {now.serf}{own}; exporter {now.exporter}, Prometheus {now.prometheus}")
    click.echo(
        f"{now.algorithm}, over by {now.target_threshold:g}, under by {now.threshold:g}, every {now.interval:g} s"
    )
    click.echo(f"{now.limits}\n{now.ways}")
    if now.cycle is None:
        click.echo("no cycle yet")
    else:
        ago = time.time() - now.cycle.ended
        click.echo(
            f"last cycle {ago:.0f} s ago: {now.cycle.over} over, {now.cycle.under} under, "
            f"{now.cycle.requested} evictions begun, {now.cycle.in_flight} going on"
        )
        for problem in now.cycle.problems:
            click.echo(f"it gave up: {problem}", err=True)
    for found in now.problems:
        click.echo(f"{found['where']}: {found['problem']}", err=True)
        if found["hint"]:
            click.echo(f"  hint: {found['hint']}", err=True)


@click.command()
@click.argument("algorithm")
@click.option("--target-threshold", type=POINTS, help="Points above the average: overutilized.  [default: as it is]")
@click.option("--threshold", type=POINTS, help="Points below the average: underutilized.  [default: as it is]")
@click.option("--dry-run", is_flag=True, help="Only say what would change.")
def switch(algorithm: str, target_threshold: float | None, threshold: float | None, *, dry_run: bool) -> None:
    """Score the nodes by ALGORITHM from the next cycle on; only the descheduler is restarted."""
    found = ALGORITHMS[find_algorithm(algorithm, file="ALGORITHM", path="").name]
    before = load_loop(state_dir())
    loop = before.changed(
        algorithm=found.name,
        target_threshold=before.target_threshold if target_threshold is None else target_threshold,
        threshold=before.threshold if threshold is None else threshold,
    )
    what = f"{found.name}, over by {loop.target_threshold:g}, under by {loop.threshold:g} (before: {before.algorithm})"
    if dry_run:
        click.echo(f"would switch to {what}")
        return
    loop = runtime.switch(loop)
    click.echo(what)
    if loop.target_threshold != found.threshold:
        click.echo(f"recommended for it: --target-threshold {found.threshold}")
