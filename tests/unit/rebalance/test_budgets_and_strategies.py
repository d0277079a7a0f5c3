"""Which VMs have a PodDisruptionBudget: those that an eviction must not end."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from serflab.rebalance.controller_settings import ControllerSettings
from serflab.rebalance.disruption_budgets import wanted
from serflab.rebalance.eviction import STRATEGIES


@pytest.mark.parametrize(
    ("strategy", "migratable", "least"),
    [
        (None, "False", 1),
        ("None", "True", 0),
        ("LiveMigrate", "False", 1),
        ("LiveMigrateIfPossible", "True", 1),
        ("LiveMigrateIfPossible", "False", 0),
        ("External", "False", 1),
    ],
)
def test_a_vm_that_an_eviction_may_end_has_none(strategy, migratable, least):
    spec = {"evictionStrategy": strategy} if strategy else {}
    vm = {"spec": spec, "status": {"conditions": [{"type": "LiveMigratable", "status": migratable}]}}
    objects = SimpleNamespace(migration_of=lambda _: None, settings=ControllerSettings())
    assert wanted(objects, vm) == least
    assert wanted(objects, {**vm, "spec": {**spec, "running": False}}) == 0


@pytest.mark.parametrize("default", STRATEGIES)
@pytest.mark.parametrize("migratable", ["True", "False"])
def test_a_vm_without_a_strategy_is_protected_as_one_with_that_of_the_webhook(default, migratable):
    status = {"conditions": [{"type": "LiveMigratable", "status": migratable}]}
    told, usual = (
        SimpleNamespace(migration_of=lambda _: None, settings=settings)
        for settings in (ControllerSettings(default_strategy=default), ControllerSettings())
    )
    chosen = wanted(usual, {"spec": {"evictionStrategy": default}, "status": status})
    assert wanted(told, {"spec": {}, "status": status}) == chosen
