"""Emulated pods of a config on a bare serf, and a replay's marker, without the programs that a lab runs for them."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from fleet_sweep import NODE, ask

from serflab.emulation.marker import Marker
from serflab.emulation.names import LEASE_PATH, LEASES_PATH, NAMESPACES_PATH, pod_path, pods_of
from serflab.emulation.objects import PodTemplate, RequestPolicy, instance_name
from serflab.kube.client import ApiClient, ApiError
from serflab.offload.requests import get_or_none
from serflab.traces.check import load_config

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from bare_serfs import BareSerf


def config_of(serf: BareSerf):
    """Return the emulation config that the serf's entry in the inventory names."""
    return load_config(serf.entry.config)


def make_local_pods(serf: BareSerf, count: int) -> list[tuple[str, str]]:
    """Make the first pods of the config on the serf, wait until they run, and return namespace and name of each."""
    config = config_of(serf)
    template = PodTemplate(instance_name(config.file), config.annotation_keys, RequestPolicy())
    traces = config.pods[:count]

    async def make(client: ApiClient) -> None:
        for namespace in sorted({trace.namespace for trace in traces}):
            with suppress(ApiError):
                await client.create(NAMESPACES_PATH, {"metadata": {"name": namespace}})
            await until(_account_of(client, namespace))
        for trace in traces:
            await client.create(pods_of(trace.namespace), template.body(trace, NODE))
        for trace in traces:
            await until(runs(client, pod_path(trace.namespace, trace.name)))

    ask(serf, make)
    return [(trace.namespace, trace.name) for trace in traces]


async def until(look: AsyncIterator[bool]) -> None:
    """Wait until the answer is yes."""
    async for found in look:
        if found:
            return
        await asyncio.sleep(0.05)


async def _account_of(client: ApiClient, namespace: str) -> AsyncIterator[bool]:
    while True:
        yield await get_or_none(client, f"{NAMESPACES_PATH}/{namespace}/serviceaccounts/default") is not None


async def runs(client: ApiClient, path: str) -> AsyncIterator[bool]:
    """Tell again and again whether a pod runs."""
    while True:
        yield (await client.get(path))["status"].get("phase") == "Running"


def mark_replay(serf: BareSerf, *, interval: float = 5.0, start: float | None = None) -> Marker:
    """Write the marker of a replay, as if one had played on the serf since `start` (epoch seconds)."""
    marker = Marker(
        fingerprint=config_of(serf).fingerprint,
        start=time.time() if start is None else start,
        interval=interval,
        loop=True,
        phase=0,
        mode="annotations",
        holder="",
        renewed=time.time(),
        duration=1,
    )

    async def write(client: ApiClient) -> None:
        with suppress(ApiError):
            await client.delete(LEASE_PATH)
        await client.create(LEASES_PATH, marker.body())

    ask(serf, write)
    return marker


def pod_of(serf: BareSerf, namespace: str, name: str) -> dict:
    """Return a pod, empty when there is none."""
    return ask(serf, lambda client: get_or_none(client, pod_path(namespace, name))) or {}


def pods_in(serf: BareSerf, namespace: str) -> list[str]:
    """Return the names of the pods in a namespace."""
    return [item["metadata"]["name"] for item in listed(serf, pods_of(namespace))]


def listed(serf: BareSerf, path: str) -> list[dict]:
    """Return the objects of a collection, none where it is not defined."""

    async def read(client: ApiClient) -> list[dict]:
        try:
            return (await client.list(path))["items"]
        except ApiError as error:
            if error.status != 404:
                raise
            return []

    return ask(serf, read)
