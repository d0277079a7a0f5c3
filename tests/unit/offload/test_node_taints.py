"""The taints of a virtual node: its own, the one that says that its provider is away, and those of others."""

from __future__ import annotations

from serflab.offload.node_readiness import wanted_taints

OWN = {"key": "virtual-node.liqo.io/not-allowed", "value": "true", "effect": "NoExecute"}
AWAY = {"key": "node.kubernetes.io/not-ready", "effect": "NoExecute", "timeAdded": "2026-01-01T00:00:00Z"}
CORDONED = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}
LIFECYCLE = {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}


def test_a_node_that_is_ready_has_its_own_taint_only():
    assert wanted_taints([], ready=True, now=0) == [OWN]
    assert wanted_taints([OWN], ready=True, now=0) == [OWN]


def test_the_taint_that_evicts_comes_once_and_keeps_its_time():
    first = wanted_taints([OWN], ready=False, now=1_767_225_600)
    assert first == [OWN, AWAY]
    assert wanted_taints(first, ready=False, now=2_000_000_000) == first


def test_it_goes_when_the_provider_is_back():
    unreachable = {"key": "node.kubernetes.io/unreachable", "effect": "NoExecute"}
    assert wanted_taints([OWN, AWAY, unreachable], ready=True, now=0) == [OWN]


def test_taints_of_others_stay():
    assert wanted_taints([CORDONED, OWN, LIFECYCLE], ready=True, now=0) == [CORDONED, OWN, LIFECYCLE]
