"""Creating, offloading, bringing back and deleting virtual pods: each writes one object that says what is wanted."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from serflab.emulation.marker import read_marker
from serflab.emulation.names import (
    INSTANCE,
    LEASE_PATH,
    MANAGED_BY,
    MANAGER,
    NAMESPACES_PATH,
    SHADOW_PODS_PATH,
    VIRTUAL,
    pod_path,
    pods_of,
)
from serflab.emulation.workload import Workload
from serflab.errors import InputError, SerflabError
from serflab.kube.client import ApiError
from serflab.kube.refusal import Refusal
from serflab.offload.bodies import CREATED, OFFLOADED, Identity, ShadowState, created_pod, home_pod, shadow_pod
from serflab.offload.faults import reached
from serflab.offload.names import namespaced
from serflab.offload.namespaces import ensure_offloading, twin
from serflab.offload.peerings import peering
from serflab.offload.quota import refusal
from serflab.offload.records import requested
from serflab.offload.release import bring_back, delete
from serflab.offload.requests import get_or_none
from serflab.offload.room import room
from serflab.offload.transfer import HOME, OUT, transfer_between
from serflab.offload.virtual_pods import VirtualPod, virtual_pods
from serflab.offload.workloads import load_workload_template, own_series

if TYPE_CHECKING:
    from serflab.offload.fleet import Fleet
    from serflab.traces.model import Series

_SEEN_SECONDS = 5.0
_SOON_SECONDS = 0.2
_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Creation:
    """What is asked for: a pod from `template`, or with the series of `source_pod` (`namespace/name` in the source)."""

    source: str
    destination: str
    template: str
    interval: float
    name: str = ""
    namespace: str = "default"
    loop: bool = True
    source_pod: str = ""
    image_mib: float | None = None


async def create(fleet: Fleet, wanted: Creation) -> VirtualPod:
    """Create a virtual pod; `Refusal` when it cannot be."""
    _require_peering(fleet, wanted.source, wanted.destination)
    series, image_mib = await _workload(fleet, wanted)
    client = fleet.client(wanted.source)
    if await get_or_none(client, f"{NAMESPACES_PATH}/{wanted.namespace}") is None:
        raise Refusal(
            404,
            "unknown_namespace",
            f"{wanted.source} has no namespace {wanted.namespace!r}",
            hint=f"make it first: serflab kubectl {wanted.source} create namespace {wanted.namespace}",
        )
    identity = Identity(
        id=(taken := fleet.ids.take()),
        consumer=wanted.source,
        provider=wanted.destination,
        namespace=wanted.namespace,
        name=wanted.name or f"{wanted.template or 'pod'}-{taken}",
        kind=CREATED,
        template=wanted.template,
        bytes=round((image_mib if wanted.image_mib is None else wanted.image_mib) * _MIB),
    )
    await ensure_offloading(fleet, wanted.source, wanted.namespace)
    reached("create.source-pod")
    body = created_pod(identity, Workload(series, wanted.interval, wanted.loop))
    try:
        await client.create(pods_of(wanted.namespace), body)
    except ApiError as error:
        if error.status == 409:
            where = f"{wanted.namespace}/{identity.name}"
            raise Refusal(409, "name_taken", f"{wanted.source} has a pod {where} already") from error
        raise
    return await _seen(fleet, identity.id)


async def offload(fleet: Fleet, source: str, namespace: str, name: str, destination: str) -> VirtualPod:
    """Begin to offload an emulated pod that runs; `Refusal` when it cannot be."""
    _require_peering(fleet, source, destination)
    key = source, namespace, name
    if key in fleet.leaving:
        raise Refusal(409, "already_offloaded", f"{source} {namespace}/{name} is on its way already")
    # Until its ShadowPod is in sight, nobody else may send the same pod somewhere.
    fleet.leaving.add(key)
    try:
        return await _offload(fleet, key, destination)
    finally:
        fleet.leaving.discard(key)


async def _offload(fleet: Fleet, key: tuple[str, str, str], destination: str) -> VirtualPod:
    source, namespace, name = key
    local = await get_or_none(fleet.client(source), pod_path(namespace, name))
    if local is None:
        raise Refusal(404, "unknown_pod", f"there is no pod {namespace}/{name} in {source}")
    _require_offloadable(fleet, local, source, f"{source} {namespace}/{name}")
    workload = await _played(fleet, source, namespace, name)
    spec = home_pod(local)["spec"]
    reason = refusal(fleet, source, destination, spec, f"{namespace}/{name}") or _no_room(
        fleet, source, destination, spec
    )
    if reason:
        raise Refusal(409, "no_room", reason, hint="ask for a larger slice, or bring other pods back first")
    identity = Identity(
        id=fleet.ids.take(),
        consumer=source,
        provider=destination,
        namespace=namespace,
        name=name,
        kind=OFFLOADED,
        bytes=round(workload.series.memory[_index(workload)] * _MIB),
    )
    await _begin_to_leave(fleet, identity, local, workload)
    return await _seen(fleet, identity.id)


async def _begin_to_leave(fleet: Fleet, identity: Identity, local: dict[str, Any], workload: Workload) -> None:
    """Make the ShadowPod that sends a local pod on its way."""
    deadline = time.monotonic() + _SEEN_SECONDS
    while True:
        await ensure_offloading(fleet, identity.consumer, identity.namespace)
        namespace = await _twin(fleet, identity.consumer, identity.provider, identity.namespace)
        transfer = transfer_between(fleet, identity.consumer, identity.provider, identity.bytes, OUT)
        home = home_pod(local)
        state = ShadowState(local["metadata"]["uid"], workload, transfer, OUT, orjson.dumps(home).decode())
        body = shadow_pod(identity, namespace, home["spec"], local["metadata"].get("labels") or {}, state)
        reached("offload.shadow-pod")
        try:
            await fleet.client(identity.provider).create(namespaced(SHADOW_PODS_PATH, namespace), body)
        except ApiError as error:
            if error.status == 409:
                where = f"{identity.namespace}/{identity.name}"
                message = f"{identity.provider} has a ShadowPod {where} of {identity.consumer} already"
                raise Refusal(409, "already_offloaded", message) from error
            # The twin that was found was just on its way out; the next one is made at once.
            if error.status not in {403, 404} or time.monotonic() > deadline:
                raise
            await asyncio.sleep(_SOON_SECONDS)
        else:
            return


async def return_home(fleet: Fleet, identifier: str) -> VirtualPod:
    """Begin to bring an offloaded pod back; `Refusal` when it cannot be."""
    pod = find(fleet, identifier)
    if pod is None:
        raise unknown(identifier)
    if pod.origin_kind != OFFLOADED:
        message = f"{identifier} was {pod.origin_kind} as a virtual pod and has no home to go back to"
        raise Refusal(409, "not_offloaded", message, hint="delete it instead")
    if not fleet.reachable(pod.provider):
        message = f"{pod.provider}, where {identifier} runs, does not answer"
        raise Refusal(503, "cluster_unreachable", message, hint="its state is there; try again when it is back")
    await bring_back(fleet, pod)
    await _homeward(fleet, identifier)
    return pod


async def remove(fleet: Fleet, identifier: str) -> VirtualPod | None:
    """Begin to delete a virtual pod, and return it as it was; None when there is none.

    `Refusal` while that cannot be told, because some serf was not read yet.
    """
    pod = find(fleet, identifier)
    if pod is not None:
        await delete(fleet, pod)
    elif fleet.unread:
        message = f"it is not known yet what there is in {', '.join(fleet.unread)}"
        raise Refusal(503, "cluster_unreachable", message, hint="try again in a moment")
    return pod


def find(fleet: Fleet, identifier: str) -> VirtualPod | None:
    """Return the virtual pod of that id."""
    return next((pod for pod in virtual_pods(fleet) if pod.id == identifier), None)


def unknown(identifier: str) -> Refusal:
    """Return the refusal for an id that there is not."""
    return Refusal(404, "unknown_virtual_pod", f"there is no virtual pod {identifier!r}", hint="list them to see which")


def _require_peering(fleet: Fleet, source: str, destination: str) -> None:
    for name in (source, destination):
        if name not in fleet.clusters:
            names = ", ".join(fleet.clusters) or "none"
            raise Refusal(404, "unknown_node", f"there is no serf {name!r} in this lab", hint=f"there are: {names}")
    if not fleet.reachable(source):
        raise Refusal(503, "cluster_unreachable", f"{source} does not answer: {fleet.clusters[source].error}")
    link = peering(fleet, source, destination)
    if link is None or link.removing or not link.established:
        state = "is not established" if link else "does not exist"
        raise Refusal(
            409,
            "not_peered",
            f"the connection from {source} to {destination} {state}",
            hint=f"serflab offload connect {source} {destination}",
        )
    if link.cordoned:
        hint = f"serflab offload uncordon {source} {destination}"
        raise Refusal(409, "cordoned", f"the virtual node of {destination} in {source} is cordoned", hint=hint)


async def _workload(fleet: Fleet, wanted: Creation) -> tuple[Series, float]:
    if wanted.source_pod:
        namespace, _, name = wanted.source_pod.partition("/")
        return await _series(fleet, wanted.source, namespace, name), 0.0
    template = await asyncio.to_thread(load_workload_template, fleet.checkout, wanted.template)
    return template.series, template.image_mib


async def _series(fleet: Fleet, serf: str, namespace: str, name: str) -> Series:
    try:
        found = await asyncio.to_thread(own_series, fleet.cluster(serf).serf.config, namespace, name)
    except InputError as error:
        raise Refusal(503, "bad_input_file", error.message, hint="mend the emulation config of the serf") from error
    if found is None:
        message = f"{namespace}/{name} is not in the emulation config of {serf}"
        raise Refusal(404, "unknown_pod", message, hint="only emulated pods have a recorded series")
    return found


def _require_offloadable(fleet: Fleet, local: dict[str, Any], source: str, where: str) -> None:
    metadata = local["metadata"]
    if (metadata.get("annotations") or {}).get(VIRTUAL) == "true":
        raise Refusal(409, "already_offloaded", f"{where} is a virtual pod already")
    if (source, metadata["namespace"], metadata["name"]) in fleet.shadows_of:
        raise Refusal(409, "already_offloaded", f"{where} is on its way already")
    labels = metadata.get("labels") or {}
    if labels.get(MANAGED_BY) != MANAGER or not labels.get(INSTANCE):
        hint = "to run a pod of your own on another serf, let it be scheduled to the virtual node"
        raise Refusal(409, "not_emulated", f"{where} is not a pod of the emulation", hint=hint)
    if local["status"].get("phase") != "Running" or "deletionTimestamp" in metadata:
        raise Refusal(409, "not_running", f"{where} does not run")


async def _played(fleet: Fleet, serf: str, namespace: str, name: str) -> Workload:
    """Return what a pod of the config plays, by the clock of the serf's replay, so that its time goes on."""
    series = await _series(fleet, serf, namespace, name)
    lease = await get_or_none(fleet.client(serf), LEASE_PATH)
    marker = read_marker(lease) if lease else None
    if marker is None:
        hint = f"its log: serflab logs {serf} replay"
        raise Refusal(409, "not_played", f"no replay has played on {serf} yet", hint=hint)
    return Workload(series, marker.interval, marker.loop, marker.phase, marker.start)


def _index(workload: Workload) -> int:
    clock = workload.clock
    return clock.index(clock.tick_at(time.time())) if clock else 0


def _no_room(fleet: Fleet, source: str, destination: str, spec: dict[str, Any]) -> str:
    """Return why the virtual node could not take the pod that stands for it, empty when it can."""
    cpu, memory = requested(spec)
    free = room(fleet, source, destination)
    if free is None or (cpu <= free[0] and memory <= free[1] and free[2] >= 1):
        return ""
    return (
        f"the slice of {destination} for {source} has {free[0]:g} millicores, {free[1]:g} Mi and {free[2]:g} pods "
        f"left; this pod asks for {cpu:g} millicores and {memory:g} Mi"
    )


async def _twin(fleet: Fleet, source: str, destination: str, namespace: str) -> str:
    deadline = time.monotonic() + _SEEN_SECONDS
    while True:
        try:
            return twin(fleet, source, destination, namespace)
        except SerflabError as error:
            if time.monotonic() > deadline:
                raise Refusal(503, "twin_not_ready", error.message, hint="try again in a moment") from error
        await asyncio.sleep(0.05)


async def _seen(fleet: Fleet, identifier: str) -> VirtualPod:
    """Wait until the watch has told of what was just made, so that whoever asks next finds it."""
    deadline = time.monotonic() + _SEEN_SECONDS
    while time.monotonic() < deadline:
        pod = find(fleet, identifier)
        if pod is not None:
            return pod
        await asyncio.sleep(0.02)
    raise Refusal(
        503, "unavailable", f"{identifier} was made, but its serf does not tell of it", hint="look again soon"
    )


async def _homeward(fleet: Fleet, identifier: str) -> None:
    """Wait until the watch has told that a pod is on its way home: until then whoever asks would hear that it stays."""
    deadline = time.monotonic() + _SEEN_SECONDS
    while time.monotonic() < deadline:
        pod = find(fleet, identifier)
        if pod is None or pod.shadow is None or pod.shadow.handover == HOME:
            return
        await asyncio.sleep(0.02)
    message = f"{identifier} is to come back, but its serf does not tell of it"
    raise Refusal(503, "unavailable", message, hint="look again soon")
