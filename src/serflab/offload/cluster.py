"""One serf as the manager sees it: whether it answers, and its objects of peerings and virtual pods, by watches."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from typing import TYPE_CHECKING, Any, Final

from serflab.emulation.names import (
    MANAGED_BY,
    MANAGER,
    NAMESPACES_PATH,
    NODES_PATH,
    PODS_PATH,
    SHADOW_PODS_CRD,
    SHADOW_PODS_PATH,
    VIRTUAL_POD_ID,
)
from serflab.errors import SerflabError
from serflab.kube.client import ApiClient, RetryPolicy
from serflab.kube.crds import CRDS_PATH, established
from serflab.kube.credentials import load_credentials
from serflab.kube.watch import Collection, Event, EventKind, WatchCache
from serflab.offload.crds import install
from serflab.offload.names import (
    FOREIGN_CLUSTERS,
    OFFLOADINGS,
    QUOTAS,
    SLICES,
    TYPE_LABEL,
    VIRTUAL_NODE_TYPE,
    VIRTUAL_NODES,
)
from serflab.offload.records import PodRecord, ShadowRecord, pod_record, shadow_record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from serflab.kube.watch import Key
    from serflab.lab.inventory import Serf

log = logging.getLogger(__name__)

# Read through to etcd, so that an API server that has lost its store does not pass for a working one.
_HEARTBEAT_PATH = "/api/v1/namespaces/kube-system"
_HEARTBEAT_SECONDS = 2.0
_TIMEOUT_SECONDS = 5.0
_RETRY_SECONDS = 1.0
_RETRY: Final = RetryPolicy(attempts=2, initial=0.1, longest=0.5, longest_retry_after=1.0)


class Cluster:
    """Follows one serf until its `run` is cancelled.

    The caches below are None until the custom resources are installed; `synced` tells whether all were read, `bare`
    that there are no custom resources. `client` is None until credentials were read. `on_change` is called for every
    change, with the cache's name and the object's key; after a new list, for every object that is or was there.
    """

    CACHES: Final = (
        "foreign_clusters", "slices", "virtual_nodes", "nodes", "offloadings", "quotas", "namespaces", "shadows",
        "pods", "others",
    )  # fmt: skip

    def __init__(self, serf: Serf, on_change: Callable[[Cluster, str, Key], None]) -> None:
        self.serf = serf
        self.client: ApiClient | None = None
        self.enabled = False
        self.bare = False
        self.reachable = False
        self.unreachable_since: float | None = time.time()
        self.error = "it was not asked yet"
        self.foreign_clusters: WatchCache[dict[str, Any]] | None = None
        self.slices: WatchCache[dict[str, Any]] | None = None
        self.virtual_nodes: WatchCache[dict[str, Any]] | None = None
        self.nodes: WatchCache[dict[str, Any]] | None = None
        self.offloadings: WatchCache[dict[str, Any]] | None = None
        self.quotas: WatchCache[dict[str, Any]] | None = None
        self.namespaces: WatchCache[dict[str, Any]] | None = None
        self.shadows: WatchCache[ShadowRecord] | None = None
        self.pods: WatchCache[PodRecord] | None = None
        self.others: WatchCache[PodRecord] | None = None
        self._on_change = on_change
        self._known: dict[str, set[Key]] = {name: set() for name in self.CACHES}
        self._enabled = asyncio.Event()

    @property
    def name(self) -> str:
        """Return the serf's name, which is its cluster ID."""
        return self.serf.name

    @property
    def synced(self) -> bool:
        """Whether all objects were read, and the watches stand as far as is known."""
        caches = [getattr(self, name) for name in self.CACHES]
        return all(cache is not None and cache.synced for cache in caches)

    @property
    def known(self) -> bool:
        """Whether it was read what there is of peerings, be it nothing at all."""
        return self.bare or self.synced

    @property
    def current(self) -> bool:
        """Whether what is known of this cluster can be acted upon: it answers and all of its watches stand."""
        return self.reachable and all(
            cache is not None and cache.synced and cache.connected
            for cache in (getattr(self, name) for name in self.CACHES)
        )

    def connected(self) -> ApiClient:
        """Return the client; `SerflabError` while the serf does not answer."""
        if self.client is None or not self.reachable:
            raise SerflabError(f"{self.name} cannot be reached: {self.error}", hint="`serflab status` tells more")
        return self.client

    async def enable(self) -> None:
        """Install the custom resources where they are missing, and wait until all caches were read."""
        await install(self.connected())
        await self._enabled.wait()
        for cache in [getattr(self, name) for name in self.CACHES]:
            await cache.wait_synced()

    # --- following ---

    async def run(self) -> None:
        """Follow the serf, for ever: whatever goes wrong is told by `error` and tried again."""
        while True:
            try:
                await self._follow()
            except* SerflabError as group:
                self._failed(str(getattr(group.exceptions[0], "message", group.exceptions[0])))
            except* Exception as group:  # a fault with one serf must not end the work for all others
                log.error("%s: following it failed", self.name, exc_info=group)  # noqa: TRY400  the group
                self._failed("the manager has a fault; its log holds the details")
            await asyncio.sleep(_RETRY_SECONDS)

    async def _follow(self) -> None:
        credentials = await asyncio.to_thread(load_credentials, self.serf.kubeconfig)
        async with ApiClient(credentials, retry=_RETRY, timeout=_TIMEOUT_SECONDS) as client:
            self.client = client
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._heartbeat(client))
                    group.create_task(self._follow_resources(client))
            finally:
                self.client = None

    async def _heartbeat(self, client: ApiClient) -> None:
        while True:
            try:
                await client.get(_HEARTBEAT_PATH)
            except SerflabError as error:
                self._failed(error.message)
            else:
                self._answered()
            await asyncio.sleep(_HEARTBEAT_SECONDS)

    def _answered(self) -> None:
        was, self.reachable = self.reachable, True
        self.unreachable_since, self.error = None, ""
        if not was:
            log.info("%s answers", self.name)
            self._on_change(self, "reachable", ("", ""))

    def _failed(self, message: str) -> None:
        was, self.reachable = self.reachable, False
        self.error = message
        if self.unreachable_since is None:
            self.unreachable_since = time.time()
        if was:
            log.warning("%s: %s", self.name, message)
            self._on_change(self, "reachable", ("", ""))

    async def _follow_resources(self, client: ApiClient) -> None:
        """Hold the caches while the custom resources are there: a serf without a peering costs one idle watch."""
        there = Collection(CRDS_PATH, field_selector=f"metadata.name={SHADOW_PODS_CRD}")
        async with WatchCache(client, there, lambda crd: established(crd) or None) as crd:
            await crd.wait_synced()
            while True:
                self.bare = not crd.objects
                await crd.wait_for(lambda: bool(crd.objects))
                self.bare = False
                async with asyncio.TaskGroup() as group:
                    tasks = [group.create_task(cache.run()) for cache in self._make_caches(client)]
                    self.enabled = True
                    self._enabled.set()
                    await crd.wait_for(lambda: not crd.objects)
                    for task in tasks:
                        task.cancel()
                self.enabled = False
                self._enabled.clear()

    def _make_caches(self, client: ApiClient) -> Iterator[WatchCache[Any]]:
        virtual = f"{TYPE_LABEL}={VIRTUAL_NODE_TYPE}"
        plain = {
            "foreign_clusters": Collection(FOREIGN_CLUSTERS),
            "slices": Collection(SLICES),
            "virtual_nodes": Collection(VIRTUAL_NODES),
            "nodes": Collection(NODES_PATH, label_selector=virtual),
            "offloadings": Collection(OFFLOADINGS),
            "quotas": Collection(QUOTAS),
            # Those that were made by serflab: of tenants, and twins of namespaces of others.
            "namespaces": Collection(NAMESPACES_PATH, label_selector=f"{MANAGED_BY}={MANAGER}", metadata_only=True),
        }
        for name, collection in plain.items():
            cache: WatchCache[Any] = WatchCache(client, collection, _whole, on_event=self._listener(name))
            setattr(self, name, cache)
            yield cache
        self.shadows = WatchCache(
            client, Collection(SHADOW_PODS_PATH), shadow_record, on_event=self._listener("shadows")
        )
        ours = Collection(PODS_PATH, label_selector=VIRTUAL_POD_ID)
        self.pods = WatchCache(client, ours, pod_record, on_event=self._listener("pods"))
        # Pods of people who use kubectl; those of the emulation change at every tick and are none of them.
        others = Collection(PODS_PATH, label_selector=f"!{VIRTUAL_POD_ID},{MANAGED_BY}!={MANAGER}")
        self.others = WatchCache(client, others, pod_record, on_event=self._listener("others"))
        yield from (self.shadows, self.pods, self.others)

    def _listener(self, name: str) -> Callable[[Event[Any]], None]:
        known = self._known[name]

        def listen(event: Event[Any]) -> None:
            if event.kind is EventKind.BOOKMARK:
                return
            if event.kind is EventKind.LISTED:
                there = set(getattr(self, name).objects)
                changed = known | there
                known.clear()
                known.update(there)
            else:
                changed = {event.key}
                (known.discard if event.value is None else known.add)(event.key)
            for key in changed:
                self._on_change(self, name, key)

        return listen


def _whole(item: dict[str, Any]) -> dict[str, Any]:
    with contextlib.suppress(KeyError):
        del item["metadata"]["managedFields"]
    return item
