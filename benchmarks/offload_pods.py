"""Many pods at once: made in the consumer for the virtual node, or directly on the provider, until all of them run."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from benchmarks.clusters import CHECKOUT
from benchmarks.offload_lab import CONSUMER, NAMESPACE, PROVIDER, TWIN, OffloadLab
from serflab.emulation.names import MANAGED_BY, MANAGER, SHADOW_PODS_PATH, pod_path, pods_of
from serflab.emulation.objects import RequestPolicy, emulated_spec, formatted, value_annotations
from serflab.emulation.workload import Workload
from serflab.kube.bulk import run_bulk
from serflab.kube.client import METADATA_LIST, ApiClient
from serflab.kube.watch import Collection, Event, WatchCache
from serflab.offload.bodies import Identity, created_pod
from serflab.offload.names import namespaced
from serflab.traces.model import AnnotationKeys, Series

if TYPE_CHECKING:
    from collections.abc import Sequence

AT_ONCE = 16
_LONGEST_SECONDS = 3600.0
_INTERVAL = 30.0
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Batch:
    """Pods to be made in one serf, each as its name and its body in JSON."""

    serf: str
    pods: Sequence[tuple[str, bytes]]


def virtual(count: int) -> Batch:
    """Return pods that the consumer's scheduler binds to the virtual node, as creating virtual pods makes them."""
    workload = Workload(_idle(), _INTERVAL)
    pods = []
    for _ in range(count):
        number = next(_numbers)
        identity = Identity(f"vp-{number:03}", CONSUMER, PROVIDER, NAMESPACE, f"idle-{number}")
        pods.append((identity.name, orjson.dumps(created_pod(identity, workload))))
    return Batch(CONSUMER, pods)


def direct(count: int) -> Batch:
    """Return the same pods for the provider's own nodes."""
    series = _idle()
    values = value_annotations(AnnotationKeys(), formatted(series.row(0)))
    pods = []
    for _ in range(count):
        name = f"idle-{next(_numbers)}"
        labels = {MANAGED_BY: MANAGER, "app.kubernetes.io/name": name}
        metadata = {"name": name, "namespace": NAMESPACE, "labels": labels, "annotations": values}
        spec = emulated_spec(series, RequestPolicy())
        pods.append((name, orjson.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})))
    return Batch(PROVIDER, pods)


def seconds_until_running(made: OffloadLab, batch: Batch) -> float:
    """Make the pods, 16 requests at a time; return the seconds from the first until a watch has shown all running."""
    return asyncio.run(_until_running(made, batch))


async def _until_running(made: OffloadLab, batch: Batch) -> float:
    running: set[str] = set()
    all_run = asyncio.Event()

    def look(event: Event[str]) -> None:
        if event.value == "Running":
            running.add(event.key[1])
            if len(running) == len(batch.pods):
                all_run.set()

    path = pods_of(NAMESPACE)
    async with (
        made.client(batch.serf) as client,
        WatchCache(client, Collection(path), _phase, on_event=look) as cache,
    ):
        await cache.wait_synced()
        began = time.monotonic()
        done = await run_bulk(
            batch.pods, lambda pod: client.create(path, pod[1]), name=lambda pod: pod[0], limit=AT_ONCE
        )
        done.raise_for_failures("creating pods")
        try:
            async with asyncio.timeout(_LONGEST_SECONDS):
                await all_run.wait()
        except TimeoutError:
            raise RuntimeError(f"only {len(running)} of {len(batch.pods)} pods run") from None
        return time.monotonic() - began


def clean(made: OffloadLab, batch: Batch) -> None:
    """Delete the pods and wait until nothing of them is left on either side."""
    asyncio.run(_clean(made, batch))


async def _clean(made: OffloadLab, batch: Batch) -> None:
    async with made.client(CONSUMER) as consumer, made.client(PROVIDER) as provider:
        client = consumer if batch.serf == CONSUMER else provider
        done = await run_bulk(
            [name for name, _ in batch.pods],
            lambda name: client.delete(pod_path(NAMESPACE, name), grace=0),
            name=str,
            limit=AT_ONCE,
        )
        done.raise_for_failures("deleting pods")
        for place, path in (
            (consumer, pods_of(NAMESPACE)),
            (provider, pods_of(NAMESPACE)),
            (provider, pods_of(TWIN)),
            (provider, namespaced(SHADOW_PODS_PATH, TWIN)),
        ):
            await _empty(place, path)


async def _empty(client: ApiClient, path: str) -> None:
    async with asyncio.timeout(_LONGEST_SECONDS):
        while (await client.get(path, params={"limit": "1"}, accept=METADATA_LIST))["items"]:  # noqa: ASYNC110
            await asyncio.sleep(0.5)


def _phase(pod: dict[str, Any]) -> str:
    return str((pod.get("status") or {}).get("phase", ""))


def _idle() -> Series:
    points = json.loads((CHECKOUT / "workload_templates" / "idle.json").read_text(encoding="utf-8"))["time_series"]
    return Series.of((point["cpu"], point["memory"], point["power"], point["psi"]) for point in points)
