"""Remove exactly what `create` made from a config: its pods, nodes and namespaces, and nothing of anybody else."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from serflab.emulation.create import CreateOptions, wait_until_gone
from serflab.emulation.names import INSTANCE, MANAGED_BY, MANAGER, NAMESPACES_PATH, NODES_PATH, PODS_PATH, pods_of
from serflab.emulation.objects import instance_name
from serflab.kube.bulk import run_bulk
from serflab.kube.client import METADATA_LIST, ApiError

if TYPE_CHECKING:
    from serflab.kube.client import ApiClient
    from serflab.traces.model import EmulationConfig

_log = logging.getLogger(__name__)

_DISCOVERY = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
# What Kubernetes itself puts into every namespace, or makes of what others put there.
_DERIVED_KINDS = frozenset({"events", "endpoints", "endpointslices"})
_DERIVED_OBJECTS = frozenset({("serviceaccounts", "default"), ("configmaps", "kube-root-ca.crt")})


@dataclass(slots=True)
class Removal:
    """What was (or, in a dry run, would be) removed, and the namespaces that stay: name -> what others have in it."""

    pods: int = 0
    nodes: list[str] = field(default_factory=list)
    namespaces: list[str] = field(default_factory=list)
    kept: dict[str, list[str]] = field(default_factory=dict)


async def remove(client: ApiClient, config: EmulationConfig, options: CreateOptions) -> Removal:
    """Remove what was made from this config (it may have changed since: what is there counts) and say what."""
    instance = instance_name(config.file)
    selector = {"labelSelector": f"{MANAGED_BY}={MANAGER},{INSTANCE}={instance}"}
    pods = await _names(client, PODS_PATH, selector)
    result = Removal(pods=len(pods), nodes=[name for _, name in await _names(client, NODES_PATH, selector)])
    namespaces = [name for _, name in await _names(client, NAMESPACES_PATH, selector)]
    others = await _objects_of_others(client, set(namespaces), set(pods)) if namespaces else {}
    for name in namespaces:
        if others.get(name):
            result.kept[name] = others[name]
        else:
            result.namespaces.append(name)
    if not options.dry_run:
        await _delete(client, {namespace for namespace, _ in pods}, result, selector, options)
    _report(result, options)
    return result


async def _delete(
    client: ApiClient, namespaces: set[str], result: Removal, selector: dict[str, str], options: CreateOptions
) -> None:
    for namespace in sorted(namespaces):
        # A whole collection at once is three times as fast as its objects one by one; the selector keeps it to ours.
        await client.delete(pods_of(namespace), grace=0, params=selector)
    await client.delete(NODES_PATH, params=selector)

    async def delete_namespace(name: str) -> None:
        path = f"{NAMESPACES_PATH}/{name}"
        await client.delete(path)
        if options.wait:
            await wait_until_gone(client, path, options.timeout)

    done = await run_bulk(result.namespaces, delete_namespace, name=str, limit=options.limit)
    done.raise_for_failures("remove namespaces")


async def _names(client: ApiClient, path: str, selector: dict[str, str]) -> list[tuple[str, str]]:
    items = (await client.list(path, params=selector, accept=METADATA_LIST))["items"]
    return [(item["metadata"].get("namespace", ""), item["metadata"]["name"]) for item in items]


async def _objects_of_others(
    client: ApiClient, namespaces: set[str], ours: set[tuple[str, str]]
) -> dict[str, list[str]]:
    """Return, for each namespace, what is in it beside our pods and what Kubernetes puts there itself."""
    others: dict[str, list[str]] = {}
    for kind, path in await _namespaced_kinds(client):
        try:
            items = await _names(client, path, {})
        except ApiError as error:
            # Kinds of an extension server that is down or of a resource that we may not list.
            _log.debug("%s cannot be listed: %s", path, error)
            continue
        for namespace, name in items:
            if namespace not in namespaces or (kind, name) in _DERIVED_OBJECTS:
                continue
            if kind == "pods" and (namespace, name) in ours:
                continue
            others.setdefault(namespace, []).append(f"{kind}/{name}")
    return others


async def _namespaced_kinds(client: ApiClient) -> list[tuple[str, str]]:
    """Return the plural and the path over all namespaces of every kind that can be listed, each in one version."""
    kinds: list[tuple[str, str]] = []
    for root in ("/api", "/apis"):
        groups = (await client.get(root, accept=_DISCOVERY))["items"]
        for group in groups:
            name = group["metadata"].get("name", "")
            version: dict[str, Any] = group["versions"][0]
            base = f"/apis/{name}/{version['version']}" if name else f"/api/{version['version']}"
            kinds += [
                (resource["resource"], f"{base}/{resource['resource']}")
                for resource in version.get("resources") or ()
                if resource["scope"] == "Namespaced"
                and "list" in resource["verbs"]
                and resource["resource"] not in _DERIVED_KINDS
            ]
    return kinds


def _report(result: Removal, options: CreateOptions) -> None:
    verb = "would remove" if options.dry_run else "removed"
    if not (result.pods or result.nodes or result.namespaces):
        _log.info("nothing to remove")
    else:
        counts = (result.pods, len(result.nodes), len(result.namespaces))
        _log.info("%s %d pods, %d nodes, %d namespaces", verb, *counts)
    for name, objects in result.kept.items():
        _log.warning("namespace %s stays, it holds objects of others: %s", name, ", ".join(sorted(objects)[:5]))
