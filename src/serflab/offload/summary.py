"""The state of peerings and virtual pods in short, as the viewer's overview shows it."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Any

from serflab.offload.peerings import connection, peerings
from serflab.offload.transfer import HOME
from serflab.offload.virtual_pod_documents import RUNNING, TRANSFERRING, state
from serflab.offload.virtual_pods import virtual_pods

if TYPE_CHECKING:
    from serflab.offload.manager import Manager
    from serflab.offload.virtual_pods import VirtualPod

MOST_TRANSFERS = 50


class Summaries:
    """Gives the summary, and makes it anew only after a change in the clusters or while a transfer lasts.

    It is asked for every second, and there may be ten thousand virtual pods.
    """

    def __init__(self, manager: Manager) -> None:
        self._manager = manager
        self._kept: dict[str, Any] = {}

    def now(self) -> tuple[dict[str, Any], str]:
        """Return the summary and its entity tag, which is empty while a transfer lasts: then it changes by itself."""
        version = _version(self._manager)
        if self._kept.get("version") != version or self._kept["transfers"]:
            self._kept = summary(self._manager)
        return self._kept, "" if self._kept["transfers"] else f'"{version}"'


def summary(manager: Manager) -> dict[str, Any]:
    """Return the `offload` object of the overview (docs/api.md)."""
    fleet, now = manager.fleet, time.time()
    running: Counter[tuple[str, str]] = Counter()
    total: Counter[tuple[str, str]] = Counter()
    transfers: list[dict[str, Any]] = []
    for pod in virtual_pods(fleet):
        link = pod.consumer, pod.provider
        status = state(fleet, pod, now)[0]
        total[link] += 1
        running[link] += status == RUNNING
        if status == TRANSFERRING and len(transfers) < MOST_TRANSFERS and (entry := _transfer(pod, now)):
            transfers.append(entry)
    connections = []
    for link_ in peerings(fleet):
        told, between = connection(fleet, link_, ()), (link_.consumer, link_.provider)
        node = told["virtual_node"] or {}
        connections.append({
            "from": link_.consumer,
            "to": link_.provider,
            "state": told["state"],
            "ready": bool(node.get("ready")),
            "cordoned": bool(node.get("cordoned")),
            "running": running[between],
            "total": total[between],
        })  # fmt: skip
    return {
        "available": True,
        "message": "",
        "connections": connections,
        "transfers": transfers,
        "virtual_pods": {"running": running.total(), "total": total.total()},
        "version": _version(manager),
    }


def _version(manager: Manager) -> str:
    return f"{manager.started}-{manager.changes}"


def _transfer(pod: VirtualPod, now: float) -> dict[str, Any] | None:
    transfer = pod.shadow.transfer if pod.shadow else None
    if transfer is None or not transfer.under_way(now):
        return None
    home = transfer.direction == HOME
    namespace, name = pod.source_key
    return {
        "id": pod.id,
        "from": pod.provider if home else pod.consumer,
        "to": pod.consumer if home else pod.provider,
        "path": list(transfer.path),
        "started": transfer.started,
        "seconds": transfer.seconds,
        "direction": transfer.direction,
        "pod": f"{namespace}/{name}",
    }
