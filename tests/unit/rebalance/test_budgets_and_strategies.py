"""Which VMs have a PodDisruptionBudget: those that an eviction must not end."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from serflab.rebalance.disruption_budgets import wanted


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
    objects = SimpleNamespace(migration_of=lambda _: None)
    assert wanted(objects, vm) == least
    assert wanted(objects, {**vm, "spec": {**spec, "running": False}}) == 0
