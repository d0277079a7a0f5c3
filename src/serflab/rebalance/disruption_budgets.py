"""A PodDisruptionBudget for each VM, as KubeVirt has it: none of its pods may be evicted without a migration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from serflab.kube.client import ApiError
from serflab.rebalance.bodies import budget_body, budget_name
from serflab.rebalance.controller_objects import UNDER_WAY, phase_of
from serflab.rebalance.eviction import is_migratable, strategy_of
from serflab.rebalance.launchers import name_of, owner_uid
from serflab.rebalance.names import budget_path

if TYPE_CHECKING:
    from serflab.kube.watch import Key
    from serflab.rebalance.controller_objects import Objects
    from serflab.rebalance.eviction import Strategy
    from serflab.rebalance.followed import Item


def wanted(objects: Objects, vm: Item) -> int:
    """Return how many pods of a VM must not be evicted: two while it migrates, none where eviction just ends it."""
    spec = vm["spec"]
    if not spec.get("running", True) or _ends(vm, objects.settings.default_strategy):
        return 0
    migration = objects.migration_of(vm)
    return 2 if migration is not None and phase_of(migration) in UNDER_WAY else 1


def _ends(vm: Item, default: Strategy) -> bool:
    """Whether an eviction ends the VM, as the webhook sees it."""
    strategy = strategy_of(vm, default)
    return strategy == "None" or (strategy == "LiveMigrateIfPossible" and not is_migratable(vm))


def is_settled(objects: Objects, key: Key) -> bool:
    """Whether a VM has the budget that it should have."""
    vm = objects.vms.get(key)
    if vm is None or "deletionTimestamp" in vm["metadata"]:
        return True
    return _least(_budget(objects, vm)) == wanted(objects, vm)


async def settle(objects: Objects, key: Key) -> None:
    """Make, change or remove the budget of a VM."""
    vm = objects.vms.get(key)
    if vm is None or is_settled(objects, key):
        return
    namespace, name = vm["metadata"]["namespace"], budget_name(name_of(vm))
    least, there = wanted(objects, vm), _budget(objects, vm)
    if not least:
        await _delete(objects, namespace, name)
    elif there is not None:
        patch = {"spec": {"minAvailable": least}}
        objects.budgets.put(await objects.client.patch(budget_path(namespace, name), patch))
    else:
        objects.budgets.put(await objects.client.create(budget_path(namespace), budget_body(vm, least)))


async def _delete(objects: Objects, namespace: str, name: str) -> None:
    try:
        await objects.client.delete(budget_path(namespace, name))
    except ApiError as error:
        if error.status != 404:
            raise


def _budget(objects: Objects, vm: Item) -> Item | None:
    key = vm["metadata"]["namespace"], budget_name(name_of(vm))
    there = objects.budgets.get(key)
    return there if there is not None and owner_uid(there) == vm["metadata"]["uid"] else None


def _least(budget: Item | None) -> int:
    return int(budget["spec"]["minAvailable"]) if budget else 0
