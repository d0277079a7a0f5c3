"""The real kube-scheduler puts every pod where the emulated one scores highest, and leaves out what doesn't fit."""

from __future__ import annotations

import json

import numpy as np
import pytest
from kwok_nodes import make_nodes, node
from waiting_for import eventually

from serflab.emulation.names import HOSTNAME, KWOK_NODE
from serflab.rebalance.emulator_scheduler import Scheduler

NODES = tuple(f"placed-{letter}" for letter in "abcdef")
OWN = "serflab.test/placed"
CAPACITY = {"placed-e": (16, 128), "placed-f": (32, 64)}
# Millicores and Mi on the nodes from the start.
BEFORE = ((9000, 20000), (3000, 70000), (15000, 50000), (1000, 1000), (2000, 9000), (4000, 20000))


def pod(name: str, cpu: int, memory: int, **spec: object) -> dict[str, object]:
    resources = {"requests": {"cpu": f"{cpu}m", "memory": f"{memory}Mi"}}
    container = {"name": "c", "image": "none", "resources": resources}
    toleration = {"key": KWOK_NODE, "operator": "Exists"}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {"containers": [container], "tolerations": [toleration], **spec},
    }


def anywhere_but(excluded: str | None) -> dict[str, object]:
    """Return the spec of a pod for the test's nodes except one, as a migration's target pod has it."""
    terms = [{"key": OWN, "operator": "Exists"}]
    terms += [{"key": HOSTNAME, "operator": "NotIn", "values": [excluded]}] if excluded else []
    required = {"nodeSelectorTerms": [{"matchExpressions": terms}]}
    return {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}}


@pytest.fixture(scope="module")
def placed_serf(serf):
    for name in NODES:
        cores, gib = CAPACITY.get(name, (32, 128))
        body = node(name, cpu=str(cores), memory=f"{gib}Gi")
        body["metadata"]["labels"][OWN] = "true"
        make_nodes(serf, body)
    serf.kubectl("create", "namespace", "placed")
    yield serf
    serf.kubectl("delete", "namespace", "placed", "--wait=false")
    serf.kubectl("delete", "nodes", *NODES)


def test_every_pod_lands_where_the_emulated_scheduler_scores_highest(placed_serf):
    def create(body: dict[str, object]) -> None:
        placed_serf.kubectl("-n", "placed", "create", "-f", "-", stdin=json.dumps(body))

    cores, gib = zip(*(CAPACITY.get(name, (32, 128)) for name in NODES), strict=True)
    scheduler = Scheduler(np.array(cores, dtype=float), np.array(gib, dtype=float), 110)
    state = scheduler.state(np.arange(6), *(np.array(column) for column in zip(*BEFORE, strict=True)))
    for name, (cpu, memory) in zip(NODES, BEFORE, strict=True):
        create(pod(f"before-{name}", cpu, memory, nodeName=name))
    chances = np.random.default_rng(11)
    chosen, alone = set(), 0
    for number in range(24):
        cpu, memory = int(chances.integers(200, 6000)), int(chances.integers(500, 24000))
        excluded = int(chances.integers(6)) if number % 2 else None
        create(pod(f"pod-{number}", cpu, memory, **anywhere_but(None if excluded is None else NODES[excluded])))
        ask = ("-n", "placed", "get", "pod", f"pod-{number}", "-o", "jsonpath={.spec.nodeName}")
        where = NODES.index(eventually(lambda ask=ask: placed_serf.kubectl(*ask)))
        possible = scheduler.fits(state, cpu, memory)
        if excluded is not None:
            possible[excluded] = False
        scores = np.where(possible, scheduler.scores(state, cpu, memory), -1)
        best = np.flatnonzero(scores == scores.max()).tolist()
        # Of equals the real one takes the first that its workers found, which is not always the first of the list.
        assert where in best, f"pod-{number}: {scores.tolist()}"
        assert scheduler.place(state, cpu, memory, excluded) in best
        alone += len(best) == 1
        chosen.add(where)
        state.add(where, cpu, memory)
    assert alone > 12
    assert len(chosen) == 6
    create(pod("too-large", 16001, 120000, **anywhere_but(None)))
    assert not scheduler.fits(state, 16001, 120000).any()
    told = ("-n", "placed", "get", "pod", "too-large", "-o", "jsonpath={.status.conditions[0].reason}")
    assert eventually(lambda: placed_serf.kubectl(*told)) == "Unschedulable"
