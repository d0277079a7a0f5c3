"""Which migrations the controller makes, ends and lets begin, with an API server's memory alone."""

from __future__ import annotations

import pytest
from cluster_stand_in import ClusterStandIn

from serflab.rebalance.controller_objects import Objects, phase_of
from serflab.rebalance.controller_settings import ControllerSettings
from serflab.rebalance.controller_vm import reconcile
from serflab.rebalance.names import migration_path

KEY = ("default", "vm-1")


@pytest.fixture
def cluster():
    return ClusterStandIn()


@pytest.fixture
def woken():
    return []


@pytest.fixture
def objects(cluster, woken):
    return Objects(cluster, ControllerSettings(), woken.append)


async def migration(cluster, objects, name, phase, *, vm="vm-1", **state):
    """Make a migration as people do, without an owner."""
    body = {"metadata": {"name": name, "namespace": "default"}, "spec": {"vmiName": vm}}
    await cluster.create(migration_path("default"), body)
    made = await cluster.patch(
        f"{migration_path('default', name)}/status", {"status": {"phase": phase, "migrationState": state}}
    )
    objects.migrations.put(made)
    return made


@pytest.mark.parametrize("phase", ["", "Pending", "Running"])
async def test_a_migration_without_its_vm_fails_and_gives_its_slot_back(cluster, objects, phase):
    await migration(cluster, objects, "mine", phase, sourceNode="node-a")
    await reconcile(objects, KEY)
    (found,) = objects.migrations
    assert phase_of(found) == "Failed"
    assert found["status"]["migrationState"]["failureReason"] == "there is no VM vm-1"
    assert cluster.named("virtualmachineinstancemigrations") == [found]


async def test_a_migration_waits_for_a_vm_that_the_watch_has_not_told_of_yet(cluster, objects):
    await cluster.create("/apis/simulation.node-classifier.io/v1alpha1/namespaces/default/virtualmachines", named())
    await migration(cluster, objects, "mine", "Pending")
    await reconcile(objects, KEY)
    assert [phase_of(item) for item in objects.migrations] == ["Pending"]


def named():
    return {"metadata": {"name": "vm-1", "namespace": "default"}, "spec": {}}
