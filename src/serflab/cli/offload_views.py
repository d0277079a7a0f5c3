"""`serflab offload list`, `show` and `info`: what there is, as tables, JSON and YAML."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import click
import yaml

from serflab.cli.context import output_option
from serflab.cli.offload_names import complete_serf, complete_virtual_pod, serf_names
from serflab.cli.offload_options import asks_viewer, viewer
from serflab.cli.table import print_table
from serflab.cli.viewer_client import path

if TYPE_CHECKING:
    from collections.abc import Iterator

_STATUSES = ("Pending", "Transferring", "Running", "Succeeded", "Failed", "Deleting")


@click.command("list")
@click.option("--source", metavar="SERF", shell_complete=complete_serf, help="Only those of this serf.")
@click.option("--dest", metavar="SERF", shell_complete=complete_serf, help="Only those that run on this serf.")
@click.option("--status", type=click.Choice(_STATUSES, case_sensitive=False), help="Only those in this state.")
@output_option
@asks_viewer
@click.pass_context
def list_pods(context: click.Context, *, source: str | None, dest: str | None, status: str | None, output: str) -> None:
    """List the virtual pods."""
    given = {"source_node": source, "dest_node": dest, "status": status}
    wanted = {name: value for name, value in given.items() if value}
    pods = viewer(context).get("/api/virtual-pods", wanted)["virtual_pods"]
    if output == "json":
        click.echo(json.dumps({"virtual_pods": pods}, indent=2))
        return
    header = ("ID", "STATUS", "SOURCE", "POD", "DEST", "PLAYS", "POINT", "READY", "RESTARTS", "AGE", "")
    print_table(header, map(_row, pods))


@click.command()
@click.argument("identifier", metavar="ID", shell_complete=complete_virtual_pod)
@output_option
@asks_viewer
@click.pass_context
def show(context: click.Context, *, identifier: str, output: str) -> None:
    """Show all about one virtual pod."""
    pod = viewer(context).get(path("virtual-pods", identifier))["virtual_pod"]
    if output == "json":
        click.echo(json.dumps({"virtual_pod": pod}, indent=2))
        return
    print_table(("WHAT", "VALUE"), _facts(pod))


@click.command()
@click.argument("serf", required=False, shell_complete=complete_serf)
@click.option(
    "-o",
    "--output",
    type=click.Choice(["table", "json", "yaml"]),
    default="table",
    show_default=True,
    help="Form of the output.",
)
@asks_viewer
@click.pass_context
def info(context: click.Context, *, serf: str | None, output: str) -> None:
    """Tell of one serf, or of each, and of its peerings what `liqoctl info` tells."""
    client = viewer(context)
    found = [client.get("/api/liqo-info", {"node": name}) for name in ([serf] if serf else serf_names(client))]
    document: dict[str, Any] = found[0] if serf else {"serfs": found}
    if output == "json":
        click.echo(json.dumps(document, indent=2))
    elif output == "yaml":
        click.echo(yaml.safe_dump(document, sort_keys=False, allow_unicode=True), nl=False)
    else:
        click.echo("\n\n".join("\n".join(_info_told(item)) for item in found))


def age(since: float | None) -> str:
    """Return the time since an epoch as kubectl tells it: `45s`, `12m`, `3h`, `2d`; `-` where it is not known."""
    if since is None:
        return "-"
    seconds = max(0, int(time.time() - since))
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length}{unit}"
    return f"{seconds}s"


def _row(pod: dict[str, Any]) -> tuple[str, ...]:
    return (
        pod["id"], pod["status"], pod["source_node"], f"{pod['namespace']}/{pod['source_pod_name']}", pod["dest_node"],
        _plays(pod), _point(pod), "yes" if pod["ready"] else "no", str(pod["restarts"]), age(pod["created_at"]),
        _remark(pod),
    )  # fmt: skip


def _plays(pod: dict[str, Any]) -> str:
    return pod["workload_template"] or f"({pod['origin']})"


def _point(pod: dict[str, Any]) -> str:
    return "-" if pod["point"] is None or pod["points"] is None else f"{pod['point'] + 1}/{pod['points']}"


def _remark(pod: dict[str, Any]) -> str:
    """Return what a pod's line ends with: how far its transfer is, or why it is not as it should be."""
    transfer = pod["transfer"]
    if transfer is not None and pod["status"] == "Transferring" and transfer["seconds"] > 0:
        share = min(1.0, max(0.0, (time.time() - transfer["started"]) / transfer["seconds"]))
        return f"{transfer['direction']} {100 * share:.0f} %"
    return str(pod["reason"])


def _facts(pod: dict[str, Any]) -> Iterator[tuple[str, str]]:
    yield "id", pod["id"]
    yield "status", pod["status"]
    if pod["reason"] or pod["message"]:
        yield "why", ": ".join(filter(None, (pod["reason"], pod["message"])))
    yield "origin", pod["origin"]
    yield "source", f"{pod['source_node']} {pod['namespace']}/{pod['source_pod_name']}"
    yield "destination", f"{pod['dest_node']} {pod['dest_namespace']}/{pod['dest_pod_name']}"
    yield "plays", pod["workload_template"] or "a series of its own"
    if pod["interval"] is not None:
        yield "point", f"{_point(pod)}, each {pod['interval']:g} s, {'over and over' if pod['loop'] else 'once'}"
    yield "ready", "yes" if pod["ready"] else "no"
    yield "IP", pod["pod_ip"] or "-"
    yield "restarts", str(pod["restarts"])
    yield "age", age(pod["created_at"])
    transfer = pod["transfer"]
    if transfer is not None:
        size = f"{transfer['bytes'] / 2**20:.4g} MiB in {transfer['seconds']:.3g} s"
        yield "transfer", f"{transfer['direction']}: {size} over {'-'.join(transfer['path'])}"


def _info_told(item: dict[str, Any]) -> Iterator[str]:
    local = item["local"]
    yield f"Cluster ID:  {local['clusterID']}"
    yield f"Version:     {local['version']}"
    yield f"API server:  {local['apiServerAddr']}"
    yield "Active peerings:" if item["peerings"] else "Active peerings:  none"
    for peering in item["peerings"]:
        yield f"  {peering['clusterID']}"
        yield f"    Role:                   {peering['role']}"
        for module in ("networking", "authentication", "offloading"):
            yield f"    {module.capitalize() + ' status:':<23} {peering[f'{module}Status']}"
        offered = peering["resources"]
        resources = (
            f"cpu {offered['cpu']:g}m, memory {offered['memory']:g}Mi, pods {offered['pods']}" if offered else ""
        )
        namespaces = ", ".join(f"{item['namespace']} → {item['twin']}" for item in peering["namespaces"])
        yield f"    Resources:              {resources or 'none'}"
        yield f"    Virtual nodes:          {', '.join(peering['virtualNodes']) or 'none'}"
        yield f"    Namespaces:             {namespaces or 'none'}"
