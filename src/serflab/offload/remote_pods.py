"""The remote pod of a ShadowPod: made once its transfer is over, ended with its series, reflected to its consumer."""

from __future__ import annotations

import functools
import logging
import time
from typing import TYPE_CHECKING

from serflab.emulation.names import CLOCK, SERIES, SHADOW_PODS_PATH, pod_path, pods_of
from serflab.emulation.workload import Workload, read_workload
from serflab.kube.client import METADATA, ApiError
from serflab.lab.cluster_view import annotation_keys
from serflab.offload.bodies import current_values, remote_pod
from serflab.offload.faults import reached
from serflab.offload.names import RESTARTS, namespaced
from serflab.offload.pod_status import reflected, succeeded
from serflab.offload.records import OVER
from serflab.offload.requests import delete_pod, delete_shadow, missing_is_fine

if TYPE_CHECKING:
    from serflab.offload.fleet import Fleet
    from serflab.offload.records import PodRecord, ShadowRecord

log = logging.getLogger(__name__)

_SETTLED_SECONDS = 5.0
_LONGEST_SECONDS = 60.0


async def keep_running(fleet: Fleet, shadow: ShadowRecord, remote: PodRecord | None) -> float | None:
    """Make the remote pod once its transfer is over, end it with its series, and tell the consumer how it is."""
    now = time.time()
    if shadow.transfer and shadow.transfer.under_way(now):
        return shadow.transfer.ends - now
    if remote is None:
        if shadow.phase in OVER:
            return None
        await make_remote(fleet, shadow, now)
        return None
    if remote.deleting:
        return None
    workload = workload_of(shadow)
    ends = workload.ends if workload else None
    if ends is not None and now >= ends and remote.phase == "Running":
        await _end(fleet, shadow, remote, now)
        return None
    await _reflect(fleet, shadow, remote)
    waits = [ends - now] if ends is not None and remote.phase == "Running" else []
    if shadow.phase != remote.phase:
        later = 0.0 if remote.phase in OVER else tells_later(remote.created, fleet.last_made.get(shadow.provider), now)
        if later > 0:
            waits.append(later)
        else:
            await _tell_phase(fleet, shadow, remote.phase)
    return min(waits, default=None)


def tells_later(created: float, last_made: float | None, now: float) -> float:
    """Return in how many seconds a ShadowPod is to be told that its pod, of that age, runs.

    It is for people who look at ShadowPods, and not worth a request while pods are being made: that is a tenth of what
    a virtual pod costs. All times in epoch seconds.
    """
    if now - created >= _LONGEST_SECONDS or now - max(created, last_made or 0.0) >= _SETTLED_SECONDS:
        return 0.0
    rush = last_made is not None and last_made > created + 1
    return _LONGEST_SECONDS / 3 if rush else _SETTLED_SECONDS - (now - created)


def workload_of(shadow: ShadowRecord) -> Workload | None:
    """Return what a ShadowPod's pod does over time."""
    return _workload(shadow.series, shadow.clock) if shadow.series else None


@functools.lru_cache(maxsize=1024)
def _workload(series: str, clock: str) -> Workload | None:
    return read_workload({SERIES: series, CLOCK: clock})


async def make_remote(fleet: Fleet, shadow: ShadowRecord, now: float) -> None:
    """Create the remote pod of a ShadowPod; one that is there already is fine."""
    cluster = fleet.cluster(shadow.provider)
    workload = workload_of(shadow)
    values = current_values(workload, annotation_keys(cluster.serf.config), now) if workload else {}
    if shadow.phase not in {"Unknown", "Pending"}:
        # It was there before.
        patch = {"metadata": {"annotations": {RESTARTS: str(shadow.restarts + 1)}}, "status": None}
        await cluster.connected().patch(_path(shadow), patch)
        await cluster.connected().patch(f"{_path(shadow)}/status", {"status": {"phase": "Pending"}})
    reached("create.remote-pod")
    fleet.last_made[shadow.provider] = now
    try:
        await cluster.connected().create(pods_of(shadow.namespace), remote_pod(shadow, values))
    except ApiError as error:
        if error.status != 409:
            raise


async def remove_shadow(fleet: Fleet, shadow: ShadowRecord, remote: PodRecord | None) -> None:
    """Delete a ShadowPod with its remote pod; the pod first, so that nothing makes it anew."""
    client = fleet.client(shadow.provider)
    log.info("%s: %s/%s goes: its pod in %s is gone", shadow.id, shadow.namespace, shadow.name, shadow.consumer)
    reached("delete.shadow-pod")
    await delete_shadow(client, shadow)
    reached("delete.remote-pod")
    if remote is not None:
        await delete_pod(client, remote.namespace, remote.name, remote.uid)


async def _end(fleet: Fleet, shadow: ShadowRecord, remote: PodRecord, now: float) -> None:
    path = f"{pod_path(remote.namespace, remote.name)}/status"
    with missing_is_fine():
        await fleet.client(shadow.provider).patch(path, {"status": succeeded(remote, now)})


async def _reflect(fleet: Fleet, shadow: ShadowRecord, remote: PodRecord) -> None:
    if not fleet.current(shadow.consumer):
        return
    source = fleet.pod(shadow.consumer, shadow.source_namespace, shadow.source_pod)
    if source is None or source.uid != shadow.source_uid:
        return
    status = reflected(remote, source, shadow.restarts)
    if status is not None:
        reached("create.reflect")
        path = f"{pod_path(source.namespace, source.name)}/status"
        with missing_is_fine():
            await fleet.client(shadow.consumer).patch(path, {"status": status}, accept=METADATA)


async def _tell_phase(fleet: Fleet, shadow: ShadowRecord, phase: str) -> None:
    with missing_is_fine():
        await fleet.client(shadow.provider).patch(f"{_path(shadow)}/status", {"status": {"phase": phase}})


def _path(shadow: ShadowRecord) -> str:
    return f"{namespaced(SHADOW_PODS_PATH, shadow.namespace)}/{shadow.name}"
