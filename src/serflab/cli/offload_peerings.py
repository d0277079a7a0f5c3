"""`serflab offload connect`, `disconnect`, `connections`, `cordon`, `uncordon` and `drain`: peerings of serfs."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import click

from serflab.cli.context import output_option
from serflab.cli.offload_checks import WrongNameError, connection_between, must_be_serfs
from serflab.cli.offload_names import complete_consumer, complete_other_serf, complete_provider, complete_serf
from serflab.cli.offload_options import asks_viewer, command_line, dry_run_option, viewer, waits
from serflab.cli.offload_waiting import begun, settle
from serflab.cli.running import INTERRUPTED
from serflab.cli.table import print_table
from serflab.cli.viewer_client import path
from serflab.errors import SerflabError
from serflab.traces.quantity import parse_cpu, parse_memory

if TYPE_CHECKING:
    from collections.abc import Callable

    from serflab.cli.offload_options import Waiting

_CONNECTIONS = "/api/liqo-connections"
_QUOTAS = ("None", "Soft", "Hard")


def _quantity(parse: Callable[[str], float]) -> Callable[[click.Context, click.Parameter, str | None], str | None]:
    def callback(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
        try:
            if value is not None:
                parse(value)
        except ValueError as error:
            raise click.BadParameter(str(error)) from error
        return value

    return callback


def _ends(consumer: Any, provider: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:  # noqa: ANN401
    """Add the arguments FROM and TO, with these completions."""

    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        target = click.argument("target", metavar="TO", shell_complete=provider)
        return click.argument("source", metavar="FROM", shell_complete=consumer)(target(command))

    return add


_new_ends = _ends(complete_serf, complete_other_serf)
_known_ends = _ends(complete_consumer, complete_provider)


@click.command()
@_new_ends
@click.option("--cpu", metavar="QUANTITY", callback=_quantity(parse_cpu), help="CPU that TO offers.  [default: 4]")
@click.option("--memory", metavar="QUANTITY", callback=_quantity(parse_memory), help="Its memory.  [default: 8Gi]")
@click.option("--pods", type=click.IntRange(min=1), metavar="N", help="Its pods.  [default: 110]")
@click.option(
    "--quota",
    type=click.Choice(_QUOTAS),
    help="How that is enforced: not, by requests, or by requests and limits.  [default: None]",
)
@waits
@dry_run_option
@asks_viewer
@click.pass_context
def connect(
    context: click.Context,
    /,
    *,
    source: str,
    target: str,
    waiting: Waiting,
    dry_run: bool,
    **resources: object,
) -> None:
    """Peer the serfs FROM (consumer) and TO (provider), so that pods of FROM can run on TO.

    A peering that is there is brought to offer what the options say; what they do not name stays.
    """
    client = viewer(context)
    # What is not given stays as it is where a peering is there, and is the viewer's default where none is.
    asked = {name: value for name, value in resources.items() if value is not None}
    if dry_run:
        must_be_serfs(client, source, target)
        there = connection_between(client, source, target)
        verb = f"would change what {target} offers {source}" if asked else f"{source} is connected to {target} already"
        told = ", ".join(f"{name} {value}" for name, value in asked.items())
        click.echo(": ".join(filter(None, (verb if there else f"would connect {source} to {target}", told))))
        return
    answer = client.post(_CONNECTIONS, {"from": source, "to": target, **asked})
    if answer.status == 200 and answer.data["connection"]["state"] == "Established":
        click.echo(f"{source} is connected to {target} already: {_offer(answer.data['connection'])}")
        return
    if settle(context, [begun(answer)], waiting):
        made = connection_between(client, source, target) or answer.data["connection"]
        click.echo(f"{source} is connected to {target}: {_offer(made)}")


@click.command()
@_known_ends
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@waits
@dry_run_option
@asks_viewer
@click.pass_context
def disconnect(  # noqa: PLR0913 - the options of the command
    context: click.Context, *, source: str, target: str, yes: bool, waiting: Waiting, dry_run: bool
) -> None:
    """End the peering of FROM and TO; first it says which virtual pods go with it, and asks."""
    client = viewer(context)
    ends = {"from": source, "to": target}
    if connection_between(client, source, target) is None:
        must_be_serfs(client, source, target)
        # What an earlier removal had to leave behind, such as on a serf that did not answer.
        rest = None if dry_run else client.delete(_CONNECTIONS, ends)
        if rest is None or rest.status == 200 or settle(context, [begun(rest)], waiting):
            click.echo(f"{source} is not connected to {target}")
        return
    cascade = client.delete(_CONNECTIONS, {**ends, "dry_run": "true"}).data["cascade"]
    click.echo("\n".join(_cascade_told(cascade, source, target)))
    if dry_run:
        return
    ask_first(f"End the peering of {source} and {target}?", yes=yes)
    operation = begun(client.delete(_CONNECTIONS, ends))
    if settle(context, [operation], waiting):
        click.echo(f"{source} is not connected to {target} any more")


@click.command()
@output_option
@asks_viewer
@click.pass_context
def connections(context: click.Context, *, output: str) -> None:
    """List the peerings: states, what is used of what is offered, and the virtual node."""
    found = viewer(context).get(_CONNECTIONS)["connections"]
    if output == "json":
        click.echo(json.dumps({"connections": found}, indent=2))
        return
    header = (
        "FROM",
        "TO",
        "STATE",
        "ROLE",
        "NETWORK",
        "AUTH",
        "OFFLOADING",
        "NODE",
        "CPU",
        "MEMORY",
        "PODS",
        "QUOTA",
        "PATH",
    )
    print_table(header, map(_row, found))
    for item in found:
        if item["message"]:
            click.echo(f"{item['from']} → {item['to']}: {item['message']}")


@click.command()
@_known_ends
@dry_run_option
@asks_viewer
@click.pass_context
def cordon(context: click.Context, *, source: str, target: str, dry_run: bool) -> None:
    """Let no new pods onto the virtual node that stands for TO in FROM."""
    _mark(context, source, target, cordoned=True, dry_run=dry_run)


@click.command()
@_known_ends
@dry_run_option
@asks_viewer
@click.pass_context
def uncordon(context: click.Context, *, source: str, target: str, dry_run: bool) -> None:
    """Let new pods onto the virtual node again."""
    _mark(context, source, target, cordoned=False, dry_run=dry_run)


@click.command()
@_known_ends
@waits
@dry_run_option
@asks_viewer
@click.pass_context
def drain(context: click.Context, *, source: str, target: str, waiting: Waiting, dry_run: bool) -> None:
    """Cordon the virtual node that stands for TO in FROM and remove its pods; offloaded ones come home."""
    client = viewer(context)
    if dry_run:
        ends = {"from": source, "to": target, "dry_run": "true"}
        _must_be_connected(context, source, target)
        cascade = client.delete(_CONNECTIONS, ends).data["cascade"]
        click.echo("\n".join(_pods_told(cascade, f"would drain {source} → {target}")))
        return
    operation = begun(client.post(path("liqo-connections", source, target, "drain")))
    if settle(context, [operation], waiting):
        click.echo(f"{source} → {target} is drained")


def _mark(context: click.Context, source: str, target: str, *, cordoned: bool, dry_run: bool) -> None:
    verb = "cordon" if cordoned else "uncordon"
    if dry_run:
        there = _must_be_connected(context, source, target)
        already = (there["virtual_node"] or {}).get("cordoned") is cordoned
        click.echo(f"{source} → {target} is {verb}ed already" if already else f"would {verb} {source} → {target}")
        return
    viewer(context).post(path("liqo-connections", source, target, verb))
    click.echo(f"{source} → {target} is {verb}ed")


def _must_be_connected(context: click.Context, source: str, target: str) -> dict[str, Any]:
    client = viewer(context)
    there = connection_between(client, source, target)
    if there is None:
        must_be_serfs(client, source, target)
        hint = f"`{command_line(context, 'connect', source, target)}` makes it"
        raise WrongNameError(f"there is no connection from {source} to {target}", hint=hint)
    return there


def ask_first(question: str, *, yes: bool) -> None:
    """Go on if the person at the terminal agrees, or agreed before; bad usage where nobody can be asked."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.UsageError("nobody can be asked here; --yes goes on without asking")
    try:
        agreed = click.confirm(question, err=True)
    except click.Abort:
        click.echo("\nnothing was changed", err=True)
        raise click.exceptions.Exit(INTERRUPTED) from None
    if not agreed:
        raise SerflabError("nothing was changed")


def _cascade_told(cascade: dict[str, Any], source: str, target: str) -> list[str]:
    lines = _pods_told(cascade, f"with the peering {source} → {target}")
    if cascade["namespaces"]:
        lines.append(f"namespaces that go on {target}: {', '.join(cascade['namespaces'])}")
    return lines


def _pods_told(cascade: dict[str, Any], what: str) -> list[str]:
    verbs = {"delete": "is deleted", "bring-back": "comes home"}
    pods = cascade["virtual_pods"]
    count = f"{len(pods)} virtual pod{'' if len(pods) == 1 else 's'}"
    told = [f"  {pod['id']}  {pod['namespace']}/{pod['pod']} {verbs[pod['action']]}" for pod in pods]
    return [f"{what}: {count}{':' if pods else ''}", *told]


def _offer(item: dict[str, Any]) -> str:
    offered = item["resources"]
    resources = f"cpu {offered['cpu'] / 1000:g}, memory {offered['memory'] / 1024:g}Gi, pods {offered['pods']}"
    return f"{resources}, quota {item['quota']}"


def _row(item: dict[str, Any]) -> tuple[str, ...]:
    used, offered = item["used"], item["resources"]
    modules = [item["modules"][name]["state"] for name in ("networking", "authentication", "offloading")]
    return (
        item["from"], item["to"], item["state"], item["role"], *modules, _node(item["virtual_node"]),
        f"{used['cpu'] / 1000:g}/{offered['cpu'] / 1000:g}",
        f"{used['memory'] / 1024:.3g}/{offered['memory'] / 1024:g} Gi",
        f"{used['pods']}/{offered['pods']}", item["quota"], "-".join(item["path"]) or "none",
    )  # fmt: skip


def _node(node: dict[str, Any] | None) -> str:
    if node is None:
        return "none"
    if node["draining"]:
        return "Draining"
    state = "Ready" if node["ready"] else "NotReady"
    return f"{state},SchedulingDisabled" if node["cordoned"] else state
