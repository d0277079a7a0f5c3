"""What a command can check by reading before it changes something, and what `--dry-run` tells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from serflab.cli.offload_names import serf_names
from serflab.cli.offload_options import command_line
from serflab.cli.viewer_client import RefusalError, ViewerClient, path
from serflab.errors import SerflabError
from serflab.traces.report import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Collection

Json = dict[str, Any]


class WrongNameError(SerflabError):
    """A name that was given is none of those there are."""

    exit_status = 2


def must_be_one_of(what: str, name: str, known: Collection[str]) -> None:
    """Refuse a name that is not known, with the nearest that is."""
    if name not in known:
        listed = f"there are: {', '.join(known)}" if known else ""
        raise WrongNameError(f"there is no {what} {name!r}", hint=did_you_mean(name, known, otherwise=listed))


def must_be_serfs(client: ViewerClient, *given: str) -> None:
    """Refuse what is no serf of the lab, and a serf that is given twice."""
    known = serf_names(client)
    for name in given:
        must_be_one_of("serf", name, known)
    if len(set(given)) < len(given):
        raise WrongNameError("a serf has no peering with itself")


def connection_between(client: ViewerClient, source: str, target: str) -> Json | None:
    """Return the peering from one serf to another; None where there is none."""
    found: list[Json] = client.get("/api/liqo-connections")["connections"]
    return next((item for item in found if (item["from"], item["to"]) == (source, target)), None)


def established(client: ViewerClient, source: str, target: str) -> Json:
    """Return the peering from one serf to another; `SerflabError` unless pods can be sent over it."""
    must_be_serfs(client, source, target)
    found = connection_between(client, source, target)
    if found is None:
        hint = f"`{command_line(click.get_current_context(), 'connect', source, target)}` connects them"
        raise SerflabError(f"{source} is not connected to {target}", hint=hint)
    if found["state"] != "Established":
        raise SerflabError(f"the connection from {source} to {target} is {found['state']}: {found['message']}")
    return found


def transfer_told(connection: Json, mebibytes: float | None) -> str:
    """Return how long `mebibytes` take over a connection (bits ÷ rate + delay), in words."""
    if mebibytes is None:
        return "the transfer lasts as long as its image needs"
    rate, delay = connection["rate"], connection["delay"] or 0.0
    seconds = delay + (mebibytes * 2**20 * 8 / rate if rate else 0.0)
    return f"{mebibytes:g} MiB are moved in {seconds:.3g} s over {'-'.join(connection['path']) or 'no known path'}"


def template(client: ViewerClient, name: str) -> Json:
    """Return a workload template with its series; `RefusalError` when there is none that can be used."""
    return client.get(path("workload-templates", name))


def cluster(client: ViewerClient, serf: str) -> Json:
    """Return a serf's pods and namespaces; `SerflabError` while it does not answer."""
    found = client.get(path("node", serf, "cluster-info"))
    if found["state"] != "ready":
        raise SerflabError(f"{serf} cannot be looked into: {found['message'] or found['state']}")
    return found


def pod_in(found: Json, namespace: str, name: str) -> Json | None:
    """Return a pod of a cluster; None where there is none."""
    return next((pod for pod in found["pods"] if (pod["namespace"], pod["name"]) == (namespace, name)), None)


def must_have_namespace(found: Json, namespace: str) -> None:
    """Refuse a namespace that a cluster does not have."""
    must_be_one_of("namespace", namespace, [item["name"] for item in found["namespaces"]])


def virtual_pod(client: ViewerClient, identifier: str) -> Json | None:
    """Return a virtual pod; None where there is none."""
    try:
        found: Json = client.get(path("virtual-pods", identifier))["virtual_pod"]
    except RefusalError as error:
        if error.code != "unknown_virtual_pod":
            raise
        return None
    return found
