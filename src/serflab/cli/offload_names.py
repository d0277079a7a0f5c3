"""The names that commands take: from the running lab, for hints about wrong ones and for shell completion."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from click.shell_completion import CompletionItem

from serflab.cli.viewer_client import TOKEN_ENV, ViewerClient, path, viewer_url
from serflab.errors import SerflabError

if TYPE_CHECKING:
    from collections.abc import Callable

    import click

_PATIENCE = 2.0
_SERFS, _PODS, _TEMPLATES = "serf", "virtual_pod", "template"
_SAME = {"node": _SERFS, "serf": _SERFS, "source_node": _SERFS, "dest_node": _SERFS}


def serf_names(client: ViewerClient) -> list[str]:
    """Return the serfs that are up, in the order of the topology."""
    nodes = client.get("/api/topology")["nodes"]
    return [node["name"] for node in nodes if node["role"] == "serf" and node["state"] != "absent"]


def names(client: ViewerClient, kind: str) -> list[str]:
    """Return the names of a kind (`node`, `virtual_pod`, `template`), none where they cannot be had."""
    try:
        return [word for word, _ in _described(client, _SAME.get(kind, kind))]
    except (SerflabError, LookupError, TypeError):
        return []


def _described(client: ViewerClient, kind: str) -> list[tuple[str, str]]:
    """Return names, each with what a shell shows beside it."""
    if kind == _SERFS:
        return [(name, "") for name in serf_names(client)]
    if kind == _PODS:
        return [(pod["id"], _told(pod)) for pod in client.get("/api/virtual-pods")["virtual_pods"]]
    if kind == _TEMPLATES:
        found = client.get("/api/workload-templates")["templates"]
        return [(template["name"], template["description"]) for template in found if not template["problem"]]
    if kind == "operation":
        return [(item["id"], item["state"]) for item in client.get("/api/operations")["operations"]]
    return []


def _told(pod: dict[str, Any]) -> str:
    return f"{pod['namespace']}/{pod['source_pod_name']} {pod['source_node']} → {pod['dest_node']}, {pod['status']}"


def _client(context: click.Context) -> ViewerClient:
    """Return the client for a completion: a shell waits for it, so it is impatient."""
    given = context.params.get("url") or context.meta.get("serflab.url")
    return ViewerClient(viewer_url(given), os.environ.get(TOKEN_ENV, ""), _PATIENCE)


def _completion(
    offer: Callable[[ViewerClient, click.Context], list[tuple[str, str]]],
) -> Callable[[click.Context, click.Parameter, str], list[CompletionItem]]:
    """Return a completion of what `offer` gives; nothing, without a word, where no lab answers."""

    def complete(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
        try:
            offered = offer(_client(context), context)
        except (SerflabError, LookupError, TypeError):
            return []
        given = context.params.get(parameter.name or "")
        used = given if isinstance(given, tuple) else ()
        return [
            CompletionItem(word, help=text or None)
            for word, text in offered
            if word.startswith(incomplete) and word not in used
        ]

    return complete


def _connections(client: ViewerClient) -> list[tuple[str, str]]:
    return [(item["from"], item["to"]) for item in client.get("/api/liqo-connections")["connections"]]


def _consumers(client: ViewerClient, _context: click.Context) -> list[tuple[str, str]]:
    found = _connections(client)
    return [(name, "") for name in dict.fromkeys(source for source, _ in found)]


def _providers(client: ViewerClient, context: click.Context) -> list[tuple[str, str]]:
    """Return the serfs to which the one that was typed before is connected."""
    source = context.params.get("source")
    return [(provider, "") for consumer, provider in _connections(client) if consumer == source]


def _others(client: ViewerClient, context: click.Context) -> list[tuple[str, str]]:
    """Return all serfs but the one that was typed before."""
    return [(name, "") for name in serf_names(client) if name != context.params.get("source")]


def _linked(client: ViewerClient, context: click.Context) -> list[tuple[str, str]]:
    """Return the nodes with a link to the one that was typed before."""
    given = context.params.get("a")
    ends = [[end["node"] for end in item["endpoints"]] for item in client.get("/api/links")["links"]]
    return [(name, "") for pair in ends if given in pair for name in pair if name != given]


def _emulated_pods(client: ViewerClient, context: click.Context) -> list[tuple[str, str]]:
    """Return `NAMESPACE/POD` of the pods in the serf that was typed before."""
    cluster = client.get(path("node", context.params["source"], "cluster-info"))
    pods = [pod for pod in cluster["pods"] if pod["cpu_millicores"] is not None and not pod.get("virtual")]
    return [(f"{pod['namespace']}/{pod['name']}", "") for pod in pods]


complete_serf = _completion(lambda client, _context: _described(client, _SERFS))
complete_linked = _completion(_linked)
complete_other_serf = _completion(_others)
complete_consumer = _completion(_consumers)
complete_provider = _completion(_providers)
complete_pod = _completion(_emulated_pods)
complete_virtual_pod = _completion(lambda client, _context: _described(client, _PODS))
complete_template = _completion(lambda client, _context: _described(client, _TEMPLATES))
complete_operation = _completion(lambda client, _context: _described(client, "operation"))
