"""What the tests of peerings stand on."""

from __future__ import annotations

import asyncio

from fleet_sweep import ask, sweep
from local_pods import make_local_pods, runs, until

from serflab.emulation.names import pod_path, pods_of
from serflab.offload.requests import get_or_none

ROUNDS = 30


def test_each_serf_has_one_node_and_nothing_of_a_peering(fleet_serfs):
    for serf in fleet_serfs:
        assert serf.kubectl("get", "nodes", "-o", "name").split() == ["node/emulation-node-1"]
        assert "liqo" not in serf.kubectl("get", "namespaces", "-o", "name")


def test_a_sweep_removes_what_a_peering_would_leave(fleet_serfs):
    serf = fleet_serfs["serf1"]
    serf.kubectl("create", "namespace", "liqo-tenant-serf2")
    serf.stop("kube-apiserver")
    sweep(fleet_serfs)
    assert "liqo-tenant-serf2" not in serf.kubectl("get", "namespaces", "-o", "name")


def test_a_pod_that_takes_the_name_of_a_deleted_one_at_once_stays(fleet_serfs):
    """KWOK deletes pods by name, and must not when the API server has removed the pod already."""
    [(namespace, name)] = make_local_pods(fleet_serfs["serf1"], 1)
    collection, path = pods_of(namespace), pod_path(namespace, name)

    async def taken_over(client):
        body = await client.get(path)
        plain = {"metadata": {"name": name}, "spec": {"containers": [{"name": "app", "image": "x"}]}}
        nowhere = {**plain, "spec": {**plain["spec"], "nodeSelector": {"no": "where"}}}
        local = {**plain, "spec": {key: body["spec"][key] for key in ("containers", "tolerations", "nodeSelector")}}
        local["spec"]["terminationGracePeriodSeconds"] = 0
        lost = 0
        for _ in range(ROUNDS):
            await client.delete(path, grace=0)
            await client.create(collection, nowhere)
            await asyncio.sleep(0.2)
            there = await get_or_none(client, path)
            lost += there is None
            if there:
                await client.delete(path, grace=0)
            await client.create(collection, local)
            await until(runs(client, path))
        return lost

    assert ask(fleet_serfs["serf1"], taken_over) == 0
