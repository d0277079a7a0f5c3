"""The load of a cluster's nodes, from the annotations of its VMs' pods, followed by watches."""

from __future__ import annotations

import asyncio
import logging
import math
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, Final

from serflab.emulation.names import NODES_PATH, PODS_PATH, pods_of
from serflab.kube.watch import Collection, Event, EventKind, WatchCache
from serflab.rebalance.names import CPU_CONSUMPTION, DOMAIN, LAUNCHER, MEMORY_CONSUMPTION, SCHEDULABLE
from serflab.rebalance.node_load import NodeSize, VMLoad
from serflab.rebalance.scenario import demand
from serflab.traces.quantity import parse_cpu, parse_memory

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from serflab.kube.client import ApiClient
    from serflab.kube.watch import Key

_log = logging.getLogger(__name__)

PODS: Final = f"kubevirt.io={LAUNCHER}"
NODES: Final = f"{SCHEDULABLE}=true"
"""Selects the nodes that are published: those that the descheduler looks at."""

_ENDED: Final = frozenset({"Succeeded", "Failed"})


class ClusterLoad:
    """The VMs on the nodes of one cluster, and the nodes' sizes.

    A VM's pod counts from the moment it is bound until it ends or is being deleted, so that a migration counts on both
    of its nodes. `on_change` is called after each change that matters. `stale_after` is how many seconds a broken watch
    is trusted.
    """

    source = "cluster"

    def __init__(self, client: ApiClient, *, namespace: str, stale_after: float, on_change: Callable[[], None]) -> None:
        self._client = client
        self._stale_after = stale_after
        self._on_change = on_change
        self._unreadable: set[Key] = set()
        self._sizes: dict[Key, NodeSize] = {}
        self._pods_of = Collection(pods_of(namespace) if namespace else PODS_PATH, label_selector=PODS)
        self._nodes_of = Collection(NODES_PATH, label_selector=NODES)
        self._pods = WatchCache(client, self._pods_of, self._load, on_event=self._pod_changed)
        self._nodes = WatchCache(client, self._nodes_of, node_size, on_event=self._node_changed)
        self._caches: dict[str, WatchCache[Any]] = {
            f"{self._pods_of.path} with {PODS}": self._pods,
            f"{self._nodes_of.path} with {NODES}": self._nodes,
        }

    async def run(self) -> None:
        """Follow the cluster until cancelled; `ApiError` when its API server refuses it."""
        async with AsyncExitStack() as stack:
            for cache in (self._pods, self._nodes):
                await stack.enter_async_context(cache)
            for cache in (self._pods, self._nodes):
                await cache.wait_synced()
            self._on_change()
            await asyncio.Event().wait()

    @property
    def synced(self) -> bool:
        """Whether nodes and pods were read completely at least once."""
        return self._pods.synced and self._nodes.synced

    @property
    def connected(self) -> Mapping[str, bool]:
        """Whether the watch of each collection stands."""
        return {"pods": self._pods.connected, "nodes": self._nodes.connected}

    @property
    def unreadable(self) -> int:
        """How many pods have annotations that cannot be read."""
        return len(self._unreadable)

    def loads(self, _now: float) -> list[VMLoad]:
        """Return the VMs that count."""
        return list(self._pods.objects.values())

    def sizes(self) -> dict[str, NodeSize]:
        """Return the nodes, in the order of their names."""
        return {name: size for (_, name), size in sorted(self._nodes.objects.items())}

    def age(self, now: float) -> float:
        """Return for how many seconds changes may have been missed; 0 while the watches stand."""
        broken = [cache.disconnected_since for cache in (self._pods, self._nodes) if cache.disconnected_since]
        return max((now - since for since in broken), default=0.0)

    def problem(self, now: float) -> str:
        """Return why nothing is to be published, empty when all is well."""
        if not self.synced:
            return "; ".join(_unread(name, cache) for name, cache in self._caches.items() if not cache.synced)
        age = self.age(now)
        return f"nothing was heard of the cluster for {age:.0f} s" if age > self._stale_after else ""

    def state(self, now: float) -> str:
        """Return what else than events changes what is shown."""
        if not self.synced:
            return self.problem(now)
        return "old" if self.age(now) > self._stale_after else ""

    async def read_anew(self) -> tuple[dict[str, NodeSize], list[VMLoad]]:
        """Ask the API server for nodes and pods now, past the watches; `SerflabError` when it does not tell."""
        nodes = await self._client.list(self._nodes_of.path, params=self._nodes_of.params)
        pods = await self._client.list(self._pods_of.path, params=self._pods_of.params)
        sizes = {node["metadata"]["name"]: node_size(node) for node in nodes["items"]}
        loads = [load for load in map(self._load, pods["items"]) if load]
        return dict(sorted(sizes.items())), loads

    def _load(self, pod: dict[str, Any]) -> VMLoad | None:
        metadata = pod["metadata"]
        name, node = metadata["name"], pod["spec"].get("nodeName")
        key = metadata["namespace"], name
        ended = (pod.get("status") or {}).get("phase") in _ENDED or "deletionTimestamp" in metadata
        if not node or ended:
            self._unreadable.discard(key)
            return None
        annotations = metadata.get("annotations") or {}
        try:
            cpu, memory = (_ratio(annotations, key) for key in (CPU_CONSUMPTION, MEMORY_CONSUMPTION))
            self._unreadable.discard(key)
        except ValueError as error:
            if key not in self._unreadable:
                self._unreadable.add(key)
                _log.warning("pod %s/%s counts as a VM without load: %s", metadata["namespace"], name, error)
            cpu = memory = 0.0
        vm = annotations.get(DOMAIN) or (metadata.get("labels") or {}).get(DOMAIN) or name
        return VMLoad.of(vm, node, demand(cpu, memory))

    def _pod_changed(self, event: Event[VMLoad]) -> None:
        if event.kind is EventKind.DELETED:
            self._unreadable.discard(event.key)
        if event.kind is not EventKind.BOOKMARK:
            self._on_change()

    def _node_changed(self, event: Event[NodeSize]) -> None:
        if event.kind is EventKind.LISTED:
            self._sizes = dict(self._nodes.objects)
        elif event.kind is EventKind.BOOKMARK or self._sizes.get(event.key) == event.value:
            return  # KWOK's heartbeats change nothing that is shown here
        elif event.value is None:
            del self._sizes[event.key]
        else:
            self._sizes[event.key] = event.value
        self._on_change()


def _unread(name: str, cache: WatchCache[Any]) -> str:
    why = f": {cache.last_error.message}" if cache.last_error else ""
    return f"{name} has not been read yet{why}"


def node_size(node: dict[str, Any]) -> NodeSize:
    """Return the capacity of a Node object; what it does not tell is that of a reference node."""
    room = (node.get("status") or {}).get("capacity") or {}
    standard = NodeSize()
    try:
        cores = parse_cpu(room["cpu"]) / 1000 if "cpu" in room else standard.cores
        gib = parse_memory(room["memory"]) / 1024 if "memory" in room else standard.gib
    except ValueError as error:
        _log.warning("node %s counts as one of %d cores: %s", node["metadata"]["name"], standard.cores, error)
        return standard
    return NodeSize(cores or standard.cores, gib or standard.gib)


def _ratio(annotations: Mapping[str, str], key: str) -> float:
    text = annotations.get(key)
    if text is None:
        raise ValueError(f"it has no annotation {key}")
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise ValueError(f"annotation {key}: expected a ratio of a node such as 0.15, found {text!r}")
    return value
