"""What a VM controller knows of its cluster, and how it writes to it."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from serflab.emulation.names import MANAGED_BY, MANAGER, NODES_PATH, PODS_PATH, pod_path, pods_of
from serflab.kube.client import ApiError
from serflab.kube.watch import Collection
from serflab.rebalance import launchers
from serflab.rebalance.event_recorder import EventRecorder
from serflab.rebalance.followed import Followed
from serflab.rebalance.launchers import owner_uid, vm_of
from serflab.rebalance.names import BUDGETS_PATH, MIGRATIONS_PATH, VMS_PATH, budget_path, migration_path, vm_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from serflab.kube.client import ApiClient
    from serflab.kube.watch import Key
    from serflab.rebalance.controller_settings import ControllerSettings
    from serflab.rebalance.followed import Item

UNDER_WAY: Final = frozenset({"Scheduling", "Scheduled", "PreparingTarget", "TargetReady", "Running"})
_COUNTED_FOR_SECONDS: Final = 1.0
FINISHED: Final = frozenset({"Succeeded", "Failed"})


def phase_of(item: Mapping[str, Any]) -> str:
    """Return the phase in the status of a VM or a migration, empty while it has none."""
    return str((item.get("status") or {}).get("phase") or "")


class Objects:
    """VMs, their pods, migrations and budgets, and the nodes, each as the latest watch or own write has it."""

    def __init__(self, client: ApiClient, settings: ControllerSettings, on_change: Callable[[Key], None]) -> None:
        self.client = client
        self.settings = settings
        self.events = EventRecorder(client)
        ours = settings.namespace
        self.vms = Followed(client, Collection(vm_path(ours) if ours else VMS_PATH), _itself, on_change)
        pods = Collection(pods_of(ours) if ours else PODS_PATH, label_selector=launchers.SELECTOR)
        self.pods = Followed(client, pods, _vm_of_pod, on_change)
        migrations = Collection(migration_path(ours) if ours else MIGRATIONS_PATH)
        self.migrations = Followed(client, migrations, _vm_of_migration, self._migration_changed)
        budgets = Collection(budget_path(ours) if ours else BUDGETS_PATH, label_selector=f"{MANAGED_BY}={MANAGER}")
        self.budgets = Followed(client, budgets, _owner_name, on_change)
        self.nodes = Followed(client, Collection(NODES_PATH, metadata_only=True), _itself, self._node_changed)
        self._on_change = on_change
        self._starting: dict[Key, str] = {}
        self._under_way: set[str] = set()
        self._starting_pods = 0
        self._counted = float("-inf")

    @property
    def collections(self) -> tuple[Followed, ...]:
        """All that is followed."""
        return self.vms, self.pods, self.migrations, self.budgets, self.nodes

    def _migration_changed(self, key: Key) -> None:
        self._on_change(key)
        under_way = {item["metadata"]["uid"] for item in self.migrations if phase_of(item) in UNDER_WAY}
        if self._under_way - under_way:  # ended, or deleted, even if another has begun meanwhile
            for waiting in self.waiting_vms():
                self._on_change(waiting)
        self._under_way = under_way

    def _node_changed(self, key: Key) -> None:
        if self.nodes.get(key) is None:
            for pod in self.pods:
                if launchers.node_of(pod) == key[1]:
                    self._on_change((pod["metadata"]["namespace"], vm_of(pod)))

    # --- what there is ---

    def pods_of(self, vm: Item) -> list[Item]:
        """Return the pods that belong to this very VM."""
        metadata = vm["metadata"]
        there = self.pods.at((metadata["namespace"], metadata["name"]))
        return [pod for pod in there if owner_uid(pod) == metadata["uid"]]

    def migrations_of(self, vm: Item) -> list[Item]:
        """Return the migrations of a VM, the oldest first; those of an earlier VM of its name are none of them."""
        metadata = vm["metadata"]
        there = self.migrations.at((metadata["namespace"], metadata["name"]))
        mine = [item for item in there if owner_uid(item) in {metadata["uid"], ""}]
        return sorted(mine, key=lambda item: (item["metadata"]["creationTimestamp"], item["metadata"]["name"]))

    def migration_of(self, vm: Item) -> Item | None:
        """Return the migration that is to be carried out: one that is under way, else the oldest that waits."""
        open_ = [item for item in self.migrations_of(vm) if phase_of(item) not in FINISHED]
        return next((item for item in open_ if phase_of(item) in UNDER_WAY), open_[0] if open_ else None)

    def starting_pods(self) -> int:
        """Return how many pods of VMs did not run yet within the last second."""
        if time.monotonic() - self._counted >= _COUNTED_FOR_SECONDS:
            self._counted = time.monotonic()
            live = filter(launchers.is_live, self.pods)
            self._starting_pods = sum(launchers.phase_of(pod) != "Running" for pod in live)
        return self._starting_pods

    # --- limits ---

    @contextmanager
    def slot(self, migration: Item, node: str) -> Iterator[str]:
        """Take a slot for a migration out of `node` until the end of the `with`, or yield why it has to wait."""
        key = migration["metadata"]["namespace"], migration["metadata"]["name"]
        nodes = {
            (item["metadata"]["namespace"], item["metadata"]["name"]): source_node(item)
            for item in self.migrations
            if phase_of(item) in UNDER_WAY
        } | self._starting
        sources = list(nodes.values())
        if len(sources) >= self.settings.max_migrations:
            yield f"waits: {len(sources)} of {self.settings.max_migrations} migrations in the cluster are under way"
            return
        if sources.count(node) >= self.settings.max_outbound:
            out = sources.count(node)
            yield f"waits: {out} of {self.settings.max_outbound} migrations out of {node} are under way"
            return
        self._starting[key] = node
        try:
            yield ""
        finally:
            del self._starting[key]

    def waiting_vms(self) -> list[Key]:
        """Return the VMs whose migrations wait for a slot, the longest waiting first."""
        waiting = [item for item in self.migrations if phase_of(item) == "Pending"]
        waiting.sort(key=lambda item: (item["metadata"]["creationTimestamp"], item["metadata"]["name"]))
        return [(item["metadata"]["namespace"], item["spec"]["vmiName"]) for item in waiting]

    # --- writing ---

    async def patch_vm_status(self, vm: Item, changed: Mapping[str, Any], *, unless_changed: bool = False) -> Item:
        """Change fields of a VM's status (None: away with it) and return the VM."""
        path = f"{vm_path(vm['metadata']['namespace'], vm['metadata']['name'])}/status"
        made = await self.client.patch(path, _patch(vm, {"status": changed}, unless_changed=unless_changed))
        self.vms.put(made)
        return made

    async def patch_migration(self, migration: Item, status: Mapping[str, Any]) -> Item:
        """Change the status of a migration, unless somebody else has changed it meanwhile, and return it."""
        metadata = migration["metadata"]
        path = f"{migration_path(metadata['namespace'], metadata['name'])}/status"
        made = await self.client.patch(path, _patch(migration, {"status": status}, unless_changed=True))
        self.migrations.put(made)
        return made

    async def create_pod(self, body: Mapping[str, Any]) -> bool:
        """Make a pod; whether there was none of its name."""
        try:
            self.pods.put(await self.client.create(pods_of(body["metadata"]["namespace"]), body))
        except ApiError as error:
            if error.status != 409 or error.reason != "AlreadyExists":
                raise
            return False
        return True

    async def annotate_pod(self, pod: Item, annotations: Mapping[str, str | None]) -> None:
        """Change annotations of a pod, which may be gone."""
        metadata = pod["metadata"]
        patch = {"metadata": {"uid": metadata["uid"], "annotations": dict(annotations)}}
        try:
            self.pods.put(await self.client.patch(pod_path(metadata["namespace"], metadata["name"]), patch))
        except ApiError as error:
            if not launchers.is_another(error):
                raise

    async def node_is_gone(self, name: str) -> bool:
        """Whether there is no node of that name, by the API server's own word."""
        return self.nodes.get(("", name)) is None and not await self._is_there(f"{NODES_PATH}/{name}")

    async def vm_is_there(self, key: Key) -> bool:
        """Whether there is a VM of this namespace and name, by the API server's own word."""
        return self.vms.get(key) is not None or await self._is_there(vm_path(*key))

    async def _is_there(self, path: str) -> bool:
        try:
            await self.client.get(path)
        except ApiError as error:
            if error.status == 404:
                return False
            raise
        return True


def source_node(migration: Mapping[str, Any]) -> str:
    """Return the node that a migration leaves, empty before it has begun."""
    return str(((migration.get("status") or {}).get("migrationState") or {}).get("sourceNode") or "")


def now() -> float:
    """Return the time (epoch seconds)."""
    return time.time()


def _patch(item: Item, body: dict[str, Any], *, unless_changed: bool) -> dict[str, Any]:
    metadata = {"uid": item["metadata"]["uid"]}
    if unless_changed:
        metadata["resourceVersion"] = item["metadata"]["resourceVersion"]
    return {"metadata": metadata, **body}


def _itself(item: Item) -> Key | None:
    return item["metadata"].get("namespace", ""), item["metadata"]["name"]


def _vm_of_pod(pod: Item) -> Key | None:
    return (pod["metadata"]["namespace"], vm_of(pod)) if owner_uid(pod) else None


def _vm_of_migration(migration: Item) -> Key | None:
    return migration["metadata"]["namespace"], migration["spec"]["vmiName"]


def _owner_name(item: Item) -> Key | None:
    owners = item["metadata"].get("ownerReferences") or ()
    name = next((owner["name"] for owner in owners if owner["kind"] == "VirtualMachine"), None)
    return (item["metadata"]["namespace"], name) if name else None
