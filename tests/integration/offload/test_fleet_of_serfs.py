"""What the tests of peerings stand on."""

from __future__ import annotations

from fleet_sweep import sweep


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
