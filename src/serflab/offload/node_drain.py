"""Draining a virtual node: cordoned, it lets go of its virtual pods until none is left."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from serflab.errors import SerflabError
from serflab.kube.bulk import run_bulk
from serflab.offload.faults import reached
from serflab.offload.names import DRAIN
from serflab.offload.release import release
from serflab.offload.virtual_nodes import node_path
from serflab.offload.virtual_pods import virtual_pods_between

if TYPE_CHECKING:
    from collections.abc import Sequence

    from serflab.offload.fleet import Fleet
    from serflab.offload.peerings import Peering
    from serflab.offload.virtual_pods import VirtualPod

log = logging.getLogger(__name__)

_AGAIN_SECONDS = 1.0


async def begin_draining(fleet: Fleet, link: Peering) -> None:
    """Cordon a virtual node and note that its pods are to go; `go_on_draining` does the rest."""
    patch = {"metadata": {"annotations": {DRAIN: "true"}}, "spec": {"unschedulable": True}}
    await fleet.client(link.consumer).patch(node_path(link.node), patch)


async def go_on_draining(fleet: Fleet, link: Peering) -> float:
    """Let go of what is left; return in how many seconds to look again."""
    pods = virtual_pods_between(fleet, link.consumer, link.provider)
    if pods:
        await let_go(fleet, pods)
        return _AGAIN_SECONDS
    reached("drain.done")
    patch = {"metadata": {"annotations": {DRAIN: None}}}
    await fleet.client(link.consumer).patch(node_path(link.node), patch)
    return _AGAIN_SECONDS


async def let_go(fleet: Fleet, pods: Sequence[VirtualPod]) -> None:
    """Release virtual pods; those that cannot go just now are left for the next time."""

    async def one(pod: VirtualPod) -> None:
        try:
            await release(fleet, pod)
        except SerflabError as error:
            log.debug("%s cannot go yet: %s", pod.id, error.message)

    await run_bulk([pod for pod in pods if not _goes(pod)], one, name=lambda pod: pod.id)


def _goes(pod: VirtualPod) -> bool:
    return bool(pod.source and pod.source.deleting)
