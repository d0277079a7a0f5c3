"""What people ask of peerings: to connect and disconnect, to cordon and drain, and how far that is.

Each only writes down what is wanted, in the consumer's cluster; the controller of peerings does the rest.
"""

from __future__ import annotations

import asyncio
import difflib
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from serflab.emulation.names import NAMESPACES_PATH
from serflab.kube.client import MERGE_PATCH, ApiError
from serflab.kube.refusal import Refusal
from serflab.offload.faults import reached
from serflab.offload.names import (
    FINALIZER,
    QUOTA_MODE,
    REMOTE_CLUSTER_LABEL,
    SLICES,
    WANTED,
    namespaced,
    slice_path,
    tenant_namespace,
)
from serflab.offload.node_drain import begin_draining
from serflab.offload.peering_controller import tenant_labels
from serflab.offload.peering_removal import remains, twins_held
from serflab.offload.peerings import ERROR, ESTABLISHED, Peering, connection, node_of, peering
from serflab.offload.release import action
from serflab.offload.requests import missing_is_fine
from serflab.offload.slices import DEFAULTS, asked, is_settled
from serflab.offload.virtual_nodes import set_unschedulable
from serflab.offload.virtual_pods import virtual_pods_between
from serflab.offload.writes import delete

if TYPE_CHECKING:
    from collections.abc import Callable

    from serflab.kube.client import ApiClient
    from serflab.offload.fleet import Fleet

CONNECT, DISCONNECT, DRAIN = "connect", "disconnect", "drain"
_PATIENCE_SECONDS = 15.0
_SEEN_SECONDS = 5.0
_POLL_SECONDS = 0.05
_API: Final = SLICES.removeprefix("/apis/").rpartition("/")[0]


@dataclass(frozen=True, slots=True)
class Ask:
    """What a consumer asks of a provider: quantities (those that were named) and the quota's mode, if it was named."""

    resources: dict[str, str] = field(default_factory=dict)
    quota: str = ""


async def connect(fleet: Fleet, consumer: str, provider: str, ask: Ask) -> tuple[Peering, bool]:
    """Begin a peering, or change what an existing one asks for; return it and whether anything was to be done."""
    require_serfs(fleet, consumer, provider)
    await _require_answer(fleet, consumer)
    cluster = fleet.cluster(consumer)
    async with asyncio.timeout(_PATIENCE_SECONDS * 2):
        await cluster.enable()
    reached("connect.crds")
    link = peering(fleet, consumer, provider)
    if link is not None and link.removing:
        hint = "connect again when it is gone"
        raise Refusal(409, "being_removed", f"the connection of {consumer} with {provider} is being removed", hint=hint)
    if link is not None:
        return await _change(fleet, link, ask)
    client = cluster.connected()
    await _want_tenant(client, provider)
    reached("connect.slice")
    try:
        await client.create(namespaced(SLICES, tenant_namespace(provider)), _slice(consumer, provider, ask))
    except ApiError as error:
        if error.status != 409:
            raise
    link = await _seen(fleet, consumer, provider, lambda found: found is not None)
    if link is None:
        raise Refusal(503, "cluster_unreachable", f"{consumer} has not told of its ResourceSlice yet", hint="try again")
    return link, True


def _slice(consumer: str, provider: str, ask: Ask) -> dict[str, Any]:
    return {
        "apiVersion": _API,
        "kind": "ResourceSlice",
        "metadata": {
            "name": provider,
            "labels": {REMOTE_CLUSTER_LABEL: provider},
            "annotations": {QUOTA_MODE: ask.quota or "None"},
            "finalizers": [FINALIZER],
        },
        "spec": {
            "consumerClusterID": consumer,
            "providerClusterID": provider,
            "class": "default",
            "resources": {**DEFAULTS, **ask.resources},
        },
    }


async def _change(fleet: Fleet, link: Peering, ask: Ask) -> tuple[Peering, bool]:
    resources = {**asked(link.slice), **ask.resources}
    quota = ask.quota or link.quota
    if resources == asked(link.slice) and quota == link.quota:
        return link, False
    patch = {"metadata": {"annotations": {QUOTA_MODE: quota}}, "spec": {"resources": resources}}
    await fleet.client(link.consumer).patch(slice_path(link.provider), patch, kind=MERGE_PATCH)
    wanted = resources, quota
    found = await _seen(
        fleet,
        link.consumer,
        link.provider,
        lambda now: now is not None and (asked(now.slice), now.quota) == wanted,
    )
    return found or link, True


async def _want_tenant(client: ApiClient, provider: str) -> None:
    """Make the namespace of the peering and note when, so that it is not taken for one that was left behind."""
    name, deadline = tenant_namespace(provider), time.monotonic() + _PATIENCE_SECONDS
    path = f"{NAMESPACES_PATH}/{name}"
    reached("connect.namespace")
    while True:
        metadata: dict[str, Any] = {"labels": tenant_labels(provider), "annotations": {WANTED: f"{time.time():.3f}"}}
        try:
            made = await client.create(
                NAMESPACES_PATH, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, **metadata}}
            )
        except ApiError as error:
            if error.status != 409:
                raise
            made = {"metadata": {"deletionTimestamp": ""}}
            with missing_is_fine():
                made = await client.patch(path, {"metadata": metadata})
        if "deletionTimestamp" not in made["metadata"]:
            return
        if time.monotonic() > deadline:
            raise Refusal(503, "being_removed", f"namespace {name} is still on its way out", hint="try again")
        await asyncio.sleep(_POLL_SECONDS * 4)


async def _seen(fleet: Fleet, consumer: str, provider: str, there: Callable[[Peering | None], bool]) -> Peering | None:
    """Wait until the cache shows what was just written, so that the answer tells of it."""
    deadline = time.monotonic() + _SEEN_SECONDS
    while not there(peering(fleet, consumer, provider)) and time.monotonic() < deadline:  # noqa: ASYNC110
        await asyncio.sleep(_POLL_SECONDS)
    return peering(fleet, consumer, provider)


async def disconnect(fleet: Fleet, consumer: str, provider: str) -> bool:
    """Begin to remove a peering; return whether there was one."""
    require_serfs(fleet, consumer, provider)
    await _require_answer(fleet, consumer)
    link = peering(fleet, consumer, provider)
    if link is None:
        return bool(remains(fleet, consumer, provider))
    if not link.removing:
        reached("disconnect.begin")
        await delete(fleet.client(consumer), slice_path(provider))
        await _seen(fleet, consumer, provider, lambda now: now is None or now.removing)
    return True


def cascade(fleet: Fleet, consumer: str, provider: str) -> dict[str, Any]:
    """Return what goes with a peering: its virtual pods, each deleted or brought back, and the twin namespaces."""
    pods = virtual_pods_between(fleet, consumer, provider)
    found = []
    for pod in pods:
        namespace, name = pod.source_key
        found.append({"id": pod.id, "namespace": namespace, "pod": name, "action": action(pod)})
    cluster = fleet.clusters.get(provider)
    return {"virtual_pods": found, "namespaces": twins_held(cluster, consumer) if cluster else []}


async def cordon(fleet: Fleet, consumer: str, provider: str, *, cordoned: bool) -> Peering:
    """Keep new pods off the virtual node of a peering, or let them come again."""
    link = await require_node(fleet, consumer, provider)
    if link.draining and not cordoned:
        hint = "uncordon it when it is empty"
        raise Refusal(409, "being_drained", f"the virtual node {provider} of {consumer} is being drained", hint=hint)
    if link.cordoned != cordoned:
        await set_unschedulable(fleet, link, cordoned=cordoned)
        await _seen(fleet, consumer, provider, lambda now: now is None or now.cordoned == cordoned)
    return peering(fleet, consumer, provider) or link


async def drain(fleet: Fleet, consumer: str, provider: str) -> None:
    """Begin to empty the virtual node of a peering; new pods are kept off."""
    link = await require_node(fleet, consumer, provider)
    if not link.draining:
        reached("drain.begin")
        await begin_draining(fleet, link)

        def begun(now: Peering | None) -> bool:
            # Being cordoned is not enough, as it may have been before; one without pods may be done by now.
            empty = not virtual_pods_between(fleet, consumer, provider)
            return now is None or now.draining or (now.cordoned and empty)

        await _seen(fleet, consumer, provider, begun)


# --- operations ---


def operation(fleet: Fleet, kind: str, consumer: str, provider: str) -> dict[str, Any]:
    """Return how far `connect`, `disconnect` or `drain` of a peering is, with the keys of the REST API."""
    require_serfs(fleet, consumer, provider)
    state, message = {CONNECT: _connecting, DISCONNECT: _disconnecting, DRAIN: _draining}[kind](
        fleet, consumer, provider
    )
    return {
        "id": f"{kind}.{consumer}.{provider}",
        "kind": kind,
        "target": f"{consumer} -> {provider}",
        "state": state,
        "message": message,
        "progress": 1.0 if state == "Succeeded" else None,
        "started": None,
        "ends": None,
    }


def _connecting(fleet: Fleet, consumer: str, provider: str) -> tuple[str, str]:
    link = peering(fleet, consumer, provider)
    cluster = fleet.cluster(consumer)
    if link is None and not cluster.known:
        return "Pending", f"{consumer} was not read yet: {cluster.error or 'a moment'}"
    if link is None:
        return "Failed", f"there is no connection of {consumer} with {provider}"
    if link.removing:
        return "Failed", f"the connection of {consumer} with {provider} is being removed"
    told = connection(fleet, link, ())
    if told["state"] == ESTABLISHED:
        if is_settled(link.slice):
            return "Succeeded", f"{consumer} is connected to {provider}"
    elif told["state"] == ERROR and link.message and fleet.reachable(provider):
        return "Failed", link.message
    # Also an established one whose provider has yet to answer to a changed request.
    return ("Running" if link.accepted else "Pending"), link.message


def _disconnecting(fleet: Fleet, consumer: str, provider: str) -> tuple[str, str]:
    link = peering(fleet, consumer, provider)
    cluster = fleet.cluster(consumer)
    if link is None and not cluster.known:
        return "Pending", f"{consumer} was not read yet: {cluster.error or 'a moment'}"
    if link is not None and not link.removing:
        return "Failed", f"{consumer} is connected to {provider}"
    if link is None:
        left = remains(fleet, consumer, provider)
        if left:
            return "Running", f"still there: {', '.join(left)}"
        return "Succeeded", f"{consumer} is not connected to {provider}"
    return "Running", str(connection(fleet, link)["message"])


def _draining(fleet: Fleet, consumer: str, provider: str) -> tuple[str, str]:
    link = peering(fleet, consumer, provider)
    if link is None or node_of(fleet, consumer, provider) is None:
        return "Failed", f"{consumer} has no virtual node {provider}"
    pods = virtual_pods_between(fleet, consumer, provider)
    if link.draining:
        return "Running", f"{len(pods)} virtual pods are left"
    if link.cordoned and not pods:
        return "Succeeded", f"the virtual node {provider} of {consumer} is empty"
    return "Failed", f"the virtual node {provider} of {consumer} is not being drained"


# --- what has to be so ---


def require_serfs(fleet: Fleet, *names: str) -> None:
    """Raise the `Refusal` for a name that is no serf of the lab."""
    for name in names:
        if name not in fleet.clusters:
            near = difflib.get_close_matches(name, fleet.clusters, n=3)
            hint = (
                f"did you mean {' or '.join(near)}?"
                if near
                else f"the serfs are: {', '.join(fleet.clusters) or 'none'}"
            )
            details = {"name": name, "nearest": near}
            raise Refusal(404, "unknown_node", f"there is no serf {name!r} in this lab", hint=hint, details=details)


async def _require_answer(fleet: Fleet, name: str) -> None:
    """Wait a moment for a consumer of which nothing was read yet; `Refusal` when it does not answer."""
    cluster, deadline = fleet.cluster(name), time.monotonic() + _SEEN_SECONDS
    while not (cluster.reachable and cluster.known):
        silent = time.time() - (cluster.unreachable_since or time.time())
        if silent > _SEEN_SECONDS or time.monotonic() > deadline:
            message = f"{name} does not answer: {cluster.error}"
            hint = "what is wanted is written down there; try again later"
            raise Refusal(503, "cluster_unreachable", message, hint=hint)
        await asyncio.sleep(_POLL_SECONDS)


def require_connection(fleet: Fleet, consumer: str, provider: str) -> Peering:
    """Return a peering; `Refusal` when there is none."""
    require_serfs(fleet, consumer, provider)
    link = peering(fleet, consumer, provider)
    if link is None:
        message = f"{consumer} is not connected to {provider}"
        raise Refusal(404, "unknown_connection", message, hint=f"serflab offload connect {consumer} {provider}")
    return link


async def require_node(fleet: Fleet, consumer: str, provider: str) -> Peering:
    """Return a peering whose virtual node is there; `Refusal` when there is none."""
    require_serfs(fleet, consumer, provider)
    await _require_answer(fleet, consumer)
    link = require_connection(fleet, consumer, provider)
    if node_of(fleet, consumer, provider) is None:
        message = f"the virtual node {provider} is not in {consumer} yet"
        raise Refusal(409, "not_peered", message, hint="the connection is not established; see what it waits for")
    return link
