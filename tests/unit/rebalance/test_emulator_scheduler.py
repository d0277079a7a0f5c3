"""The emulated scheduler: scores in its own integers, which of several equals it takes, and what fits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serflab.rebalance.emulator_scheduler import Requested, Scheduler


def cluster(nodes: int, pods: int = 110) -> tuple[Scheduler, Requested]:
    scheduler = Scheduler(np.full(nodes, 32.0), np.full(nodes, 128.0), pods)
    none = np.zeros(0, dtype=np.int64)
    return scheduler, scheduler.state(none, none, none)


def heap_root(scores: list[int]) -> int:
    """Return the position that Go's heap.Init brings to the top when a higher score is less."""
    heap = list(enumerate(scores))
    for start in range(len(heap) // 2 - 1, -1, -1):
        at = start
        while (child := 2 * at + 1) < len(heap):
            if child + 1 < len(heap) and heap[child + 1][1] > heap[child][1]:
                child += 1
            if not heap[child][1] > heap[at][1]:
                break
            heap[at], heap[child] = heap[child], heap[at]
            at = child
    return heap[0][0]


@given(st.lists(st.integers(0, 3), min_size=1, max_size=40))
def test_of_equals_it_takes_the_one_that_its_heap_has_on_top(loads):
    scheduler, state = cluster(len(loads))
    state.cpu += 3200 * np.array(loads)
    state.memory += 13107 * np.array(loads)
    scores = scheduler.scores(state, 1000, 4096).tolist()
    assert scheduler.place(state, 1000, 4096) == heap_root(scores)


def test_scores_are_the_plugins_integers():
    scheduler, state = cluster(2)
    state.add(0, 16000, 32768)
    # Least allocated: (1 - 20000/32000, 1 - 40960/131072) = 37 and 68, together 52. Balanced: 84 after and 87 before.
    # On the empty node: 87 and 93, together 90; 96 after, 100 before.
    assert scheduler.scores(state, 4000, 8192).tolist() == [
        52 + 50 + (50 + 84 - 87) // 2,
        90 + 50 + (50 + 96 - 100) // 2,
    ]


def test_it_takes_the_emptier_node_and_not_the_excluded_one():
    scheduler, state = cluster(3)
    state.add(0, 8000, 32768)
    state.add(1, 4000, 16384)
    assert scheduler.place(state, 1000, 4096) == 2
    assert scheduler.place(state, 1000, 4096, excluded=2) == 1


@pytest.mark.parametrize(("cpu", "memory"), [(32001, 1), (1, 131073)])
def test_what_fits_nowhere_has_no_node(cpu, memory):
    scheduler, state = cluster(3)
    assert scheduler.place(state, cpu, memory) is None


def test_a_node_is_full_with_its_number_of_pods():
    scheduler, state = cluster(1, pods=2)
    assert scheduler.place(state, 1, 1) == 0
    state.add(0, 1, 1)
    state.add(0, 1, 1)
    assert scheduler.place(state, 1, 1) is None


def test_of_many_nodes_it_looks_at_a_part_and_goes_on_from_there():
    scheduler, state = cluster(300)
    state.cpu[:150] += 1000
    # 300 nodes: 50 - 300 // 125 percent of them, 144; the second pod is offered the next ones.
    assert scheduler.place(state, 1000, 4096) == 0
    assert state.start == 144
    scores = scheduler.scores(state, 1000, 4096).tolist()
    assert scheduler.place(state, 1000, 4096) == 144 + heap_root(scores[144:288])
    assert state.start == 288
