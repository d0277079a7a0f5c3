"""`serflab offload create`, `offload`, `bring-back`, `delete` and `wait`: virtual pods come, move and go."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from serflab.cli import offload_checks as checks
from serflab.cli.offload_names import (
    complete_operation,
    complete_pod,
    complete_provider,
    complete_serf,
    complete_template,
    complete_virtual_pod,
)
from serflab.cli.offload_options import Waiting, asks_viewer, dry_run_option, timeout_option, viewer, waits
from serflab.cli.offload_peerings import ask_first
from serflab.cli.offload_waiting import begun, settle
from serflab.cli.values import SECONDS
from serflab.cli.viewer_client import path
from serflab.errors import SerflabError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from serflab.cli.viewer_client import Answer, ViewerClient

_POD = "NAMESPACE/POD"


def _split(_context: click.Context, _parameter: click.Parameter, value: str | None) -> tuple[str, str] | None:
    """Return namespace and name of a pod that is written `NAMESPACE/POD`."""
    if value is None:
        return None
    namespace, slash, name = value.partition("/")
    if not (namespace and slash and name) or "/" in name:
        raise click.BadParameter(f"{value!r} is not of the form {_POD}, such as ns1/web-0")
    return namespace, name


@click.command()
@click.argument("source", metavar="SOURCE", shell_complete=complete_serf)
@click.argument("target", metavar="DEST", shell_complete=complete_provider)
@click.option("--template", "template_name", metavar="NAME", shell_complete=complete_template, help="What it plays.")
@click.option(
    "--source-pod",
    metavar=_POD,
    callback=_split,
    shell_complete=complete_pod,
    help="Or: play what this pod of SOURCE plays.",
)
@click.option("--interval", type=SECONDS, default=5.0, show_default=True, help="Seconds a point of the series.")
@click.option(
    "--name", metavar="POD", default="", help="Name of the pod.  [default: made of the template's and the id]"
)
@click.option("--namespace", default="default", show_default=True, help="Its namespace in SOURCE.")
@click.option("--no-loop", is_flag=True, help="End after the last point instead of starting over.")
@click.option(
    "--image-mib", type=click.FloatRange(min=0), metavar="MIB", help="Size of its image.  [default: the template's]"
)
@click.option(
    "--count", type=click.IntRange(1, 10_000), default=1, show_default=True, help="So many; with --name, numbered."
)
@waits
@dry_run_option
@asks_viewer
@click.pass_context
def create(  # noqa: PLR0913 - the options of the command
    context: click.Context,
    *,
    source: str,
    target: str,
    template_name: str | None,
    source_pod: tuple[str, str] | None,
    interval: float,
    name: str,
    namespace: str,
    no_loop: bool,
    image_mib: float | None,
    count: int,
    waiting: Waiting,
    dry_run: bool,
) -> None:
    """Create a virtual pod: a pod of the serf SOURCE that runs on the serf DEST."""
    if (template_name is None) == (source_pod is None):
        raise click.UsageError("one of --template and --source-pod says what the pod plays")
    body: dict[str, object] = {
        "source_node": source,
        "dest_node": target,
        "interval": interval,
        "namespace": namespace,
        "loop": not no_loop,
        **({"workload_template": template_name} if template_name else {"source_pod": "/".join(source_pod or ())}),
        **({} if image_mib is None else {"image_mib": image_mib}),
    }
    names = [f"{name}-{number}" for number in range(1, count + 1)] if name and count > 1 else [name] * count
    client = viewer(context)
    if dry_run:
        _check_creation(client, body, names)
        return
    bodies = [{**body, "name": wanted} if wanted else body for wanted in names]
    answers = _each(bodies, lambda wanted: client.post(path("virtual-pods", "create"), wanted), go_on=False)
    _run(context, answers, waiting)


@click.command()
@click.argument("source", metavar="SOURCE", shell_complete=complete_serf)
@click.argument("pod", metavar=_POD, callback=_split, shell_complete=complete_pod)
@click.argument("target", metavar="DEST", shell_complete=complete_provider)
@waits
@dry_run_option
@asks_viewer
@click.pass_context
def offload(  # noqa: PLR0913 - the options of the command
    context: click.Context,
    *,
    source: str,
    pod: tuple[str, str],
    target: str,
    waiting: Waiting,
    dry_run: bool,
) -> None:
    """Move the load of an emulated pod of SOURCE to DEST; it goes on playing where it is."""
    client = viewer(context)
    namespace, name = pod
    if dry_run:
        connection = checks.established(client, source, target)
        cluster = checks.cluster(client, source)
        checks.must_be_one_of(
            "pod", f"{namespace}/{name}", [f"{item['namespace']}/{item['name']}" for item in cluster["pods"]]
        )
        if (checks.pod_in(cluster, namespace, name) or {}).get("virtual"):
            raise SerflabError(f"{namespace}/{name} is a virtual pod already")
        told = checks.transfer_told(connection, None)
        click.echo(f"would offload {namespace}/{name} from {source} to {target}; {told}")
        return
    body = {"source_node": source, "namespace": namespace, "pod": name, "dest_node": target}
    _run(context, ([client.post(path("virtual-pods", "offload"), body)], []), waiting)


@click.command("bring-back")
@click.argument("identifiers", metavar="ID...", nargs=-1, required=True, shell_complete=complete_virtual_pod)
@waits
@dry_run_option
@asks_viewer
@click.pass_context
def bring_back(context: click.Context, *, identifiers: tuple[str, ...], waiting: Waiting, dry_run: bool) -> None:
    """Bring offloaded pods home."""
    client = viewer(context)
    if dry_run:
        for identifier in identifiers:
            _check_return(client, identifier)
        return
    answers, errors = _each(identifiers, lambda identifier: client.post(path("virtual-pods", identifier, "bring-back")))
    for operation in settle(context, map(begun, answers), waiting):
        click.echo(f"{operation['target']} is home again")
    _raise_worst(errors)


@click.command()
@click.argument("identifiers", metavar="[ID...]", nargs=-1, shell_complete=complete_virtual_pod)
@click.option("--all", "everything", is_flag=True, help="All virtual pods; it asks before.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@waits
@dry_run_option
@asks_viewer
@click.pass_context
def delete(  # noqa: PLR0913 - the options of the command
    context: click.Context,
    *,
    identifiers: tuple[str, ...],
    everything: bool,
    yes: bool,
    waiting: Waiting,
    dry_run: bool,
) -> None:
    """Delete virtual pods on both sides; an offloaded pod does not come home."""
    if bool(identifiers) == everything:
        raise click.UsageError("give the ids of virtual pods, or --all")
    client = viewer(context)
    there = {pod["id"]: pod for pod in client.get("/api/virtual-pods")["virtual_pods"]}
    chosen = list(there) if everything else list(dict.fromkeys(identifiers))
    for identifier in chosen:
        if identifier not in there:
            click.echo(f"{identifier} is not there")
    wanted = [identifier for identifier in chosen if identifier in there]
    if dry_run:
        for identifier in wanted:
            click.echo(f"would delete {_called(there[identifier])}")
        return
    if everything and wanted:
        ask_first(f"Delete {len(wanted)} virtual pods?", yes=yes)
    answers, errors = _each(wanted, lambda identifier: client.delete(path("virtual-pods", identifier)))
    for operation in settle(context, map(begun, answers), waiting):
        click.echo(f"{operation['target']} is deleted")
    _raise_worst(errors)


@click.command()
@click.argument("identifiers", metavar="[OPERATION...]", nargs=-1, shell_complete=complete_operation)
@timeout_option
@asks_viewer
@click.pass_context
def wait(context: click.Context, *, identifiers: tuple[str, ...], timeout: float) -> None:
    """Wait for operations such as `create.vp-001`, or for all that are under way."""
    client = viewer(context)
    if identifiers:
        found = [client.get(path("operations", identifier))["operation"] for identifier in identifiers]
    else:
        found = client.get("/api/operations")["operations"]
    if not found:
        click.echo("nothing is under way")
    operations = [{**operation, "location": path("operations", operation["id"])} for operation in found]
    for operation in settle(context, operations, Waiting(wait=True, seconds=timeout)):
        click.echo(f"{operation['id']}: {operation['state']}")


def _each(
    items: Iterable[Any], send: Callable[[Any], Answer], *, go_on: bool = True
) -> tuple[list[Answer], list[SerflabError]]:
    """Return the answers, and the errors of those that were refused; without `go_on` the first one ends it."""
    answers: list[Answer] = []
    errors: list[SerflabError] = []
    for item in items:
        try:
            answers.append(send(item))
        except SerflabError as error:
            errors.append(error)
            if not go_on:
                break
    return answers, errors


def _raise_worst(errors: list[SerflabError]) -> None:
    """Raise the last error; those before it are told."""
    if errors:
        for error in errors[:-1]:
            click.echo(f"error: {error}", err=True)
        raise errors[-1]


def _run(context: click.Context, answers: tuple[list[Answer], list[SerflabError]], waiting: Waiting) -> None:
    """Wait for virtual pods that come to be, and say where each of them runs."""
    client = viewer(context)
    settle(context, map(begun, answers[0]), waiting)
    for answer in answers[0]:
        if waiting.wait:
            pod = checks.virtual_pod(client, answer.data["virtual_pod"]["id"]) or answer.data["virtual_pod"]
            where = f" as {pod['dest_namespace']}/{pod['dest_pod_name']}" if pod["dest_namespace"] else ""
            click.echo(f"{_called(pod)}: {pod['status']}{where}")
    _raise_worst(answers[1])


def _called(pod: dict[str, Any]) -> str:
    return f"{pod['id']} ({pod['namespace']}/{pod['source_pod_name']}, {pod['source_node']} → {pod['dest_node']})"


def _check_creation(client: ViewerClient, body: dict[str, Any], names: list[str]) -> None:
    """Refuse what the viewer would refuse as far as reading shows it, else say what would happen."""
    source, target = body["source_node"], body["dest_node"]
    connection = checks.established(client, source, target)
    size: float | None = body.get("image_mib")
    if "workload_template" in body:
        found = checks.template(client, body["workload_template"])
        size = found.get("image_mib") if size is None else size
    cluster = checks.cluster(client, source)
    checks.must_have_namespace(cluster, body["namespace"])
    for name in names:
        if name and checks.pod_in(cluster, body["namespace"], name):
            raise SerflabError(f"there is a pod {body['namespace']}/{name} in {source} already")
    plays = body.get("workload_template") or body["source_pod"]
    called = f" as {body['namespace']}/{', '.join(names[:3])}{', …' if len(names) > 3 else ''}" if names[0] else ""
    many = f"{len(names)} virtual pods" if len(names) > 1 else "a virtual pod"
    told = checks.transfer_told(connection, size)
    click.echo(f"would create {many}{called} of {source} on {target}, playing {plays}; {told}")


def _check_return(client: ViewerClient, identifier: str) -> None:
    pod = client.get(path("virtual-pods", identifier))["virtual_pod"]
    if pod["origin"] != "offloaded":
        raise SerflabError(f"{_called(pod)} was {pod['origin']}, not offloaded: it has no home to come back to")
    click.echo(f"would bring back {_called(pod)}")
