"""(h) Offloading many pods to one provider against creating them there, and what the manager needs for it.

In the shape of Liqo's published benchmark, to which https://docs.liqo.io leads ("Requirements"): many pods at once on
one virtual node, from the first create until all of them run.
"""

from __future__ import annotations

import dataclasses
import statistics
import time
from collections import Counter
from typing import TYPE_CHECKING

from benchmarks.comparison import Aim, Comparison, compare
from benchmarks.offload_lab import CONSUMER, NODES, PROVIDER, OffloadLab, Usage, offload_lab
from benchmarks.offload_pods import AT_ONCE, Batch, clean, direct, seconds_until_running, virtual

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

AIM = Aim(2.5, at_most=True)
PEER = "the same pods created on the provider"
COUNTS = (10, 100, 1_000)
MOST = 10_000
LIQO = "Liqo's virtual kubelet with 10,000 pods, as published"
LIQO_CORES, LIQO_MB = 0.5, 500.0

_WARM_UP = 20
_SETTLE_SECONDS = 15.0
_REST_SECONDS = 60.0
_HOW = (
    f"from the first create, {AT_ONCE} requests at a time, until a watch has shown the last pod Running: in the "
    f"consumer for ours, on the provider for the peer. The provider has {NODES} nodes with room for 110 pods each and "
    "more; no replay runs; which of the two goes first alternates, and all pods are deleted in between"
)


def measure(runs: int = 3) -> tuple[Comparison, ...]:
    """Compare 10, 100 and 1,000 pods."""
    with offload_lab() as made:
        _warm_up(made)
        rows = [_compare(made, count, runs) for count in COUNTS]
        ours, theirs = (_requests(made, make(COUNTS[-1])) for make in (virtual, direct))
        print(f"  requests: {ours}, {PEER}: {theirs}", flush=True)
        note = (
            f"{_HOW}. A virtual pod costs {ours[CONSUMER]:.1f} requests about pods in the consumer and "
            f"{ours[PROVIDER]:.1f} on the provider, a pod that is created there {theirs[PROVIDER]:.1f}"
        )
        rows[-1] = dataclasses.replace(rows[-1], note=note)
        return tuple(rows)


def measure_most(runs: int = 1) -> tuple[Comparison, ...]:
    """Compare 10,000 pods, and measure the manager with them; always one run, with the provider's own pods first."""
    del runs
    with offload_lab() as made:
        _warm_up(made)
        peer = _timed(made, direct(MOST))
        before = made.usage()
        ours = seconds_until_running(made, virtual(MOST))
        created = made.usage()
        row = compare(_name(MOST), "s", lambda: ours, (PEER, lambda: peer), AIM, runs=1)
        note = "measured as `offload`, but once, the provider's own pods first; the manager as in `offload-manager`"
        return (dataclasses.replace(row, note=note), *_of_manager(MOST, [(before, created, *_at_rest(made))]))


def measure_manager(runs: int = 1) -> tuple[Comparison, ...]:
    """Measure the manager's CPU and memory with 1,000 virtual pods: while they are created, and at rest."""
    seen = []
    count = COUNTS[-1]
    with offload_lab() as made:
        _warm_up(made)
        for turn in range(runs):
            batch = virtual(count)
            before = made.usage()
            seconds_until_running(made, batch)
            seen.append((before, made.usage(), *_at_rest(made)))
            if turn < runs - 1:
                clean(made, batch)
    *rows, last = _of_manager(count, seen)
    each = statistics.median((created.cpu - before.cpu) / count for before, created, *_ in seen)
    note = (
        f"CPU of the manager's process: from the first create until all run ({1000 * each:.2g} ms a pod), and over "
        f"{_REST_SECONDS:g} s, {_SETTLE_SECONDS:g} s later. Memory is its proportional set size at the end. "
        "The bounds are Liqo's for ten times as many pods; section `offload-10000` has the manager with as many"
    )
    return (*rows, dataclasses.replace(last, note=note))


def _compare(made: OffloadLab, count: int, runs: int) -> Comparison:
    peer = (PEER, lambda: _timed(made, direct(count)))
    return compare(_name(count), "s", lambda: _timed(made, virtual(count)), peer, AIM, runs=runs, alternate=True)


def _name(count: int) -> str:
    return f"{count:,} virtual pods to Running"


def _timed(made: OffloadLab, batch: Batch) -> float:
    seconds = seconds_until_running(made, batch)
    clean(made, batch)
    return seconds


def _warm_up(made: OffloadLab) -> None:
    for make in (virtual, direct):
        _timed(made, make(_WARM_UP))


def _requests(made: OffloadLab, batch: Batch) -> dict[str, float]:
    """Return how many requests a pod costs, until all has settled, by serf."""

    def total() -> Counter[str]:
        return Counter({serf: made.requests(serf).total() for serf in (CONSUMER, PROVIDER)})

    before = total()
    seconds_until_running(made, batch)
    time.sleep(_SETTLE_SECONDS)
    after = total()
    clean(made, batch)
    return {serf: (after[serf] - before[serf]) / len(batch.pods) for serf in (CONSUMER, PROVIDER)}


def _at_rest(made: OffloadLab) -> tuple[Usage, Usage]:
    time.sleep(_SETTLE_SECONDS)
    begin = made.usage()
    time.sleep(_REST_SECONDS)
    return begin, made.usage()


def _of_manager(count: int, seen: Sequence[tuple[Usage, Usage, Usage, Usage]]) -> tuple[Comparison, ...]:
    """Return the rows of the manager; each of `seen` is before and after creating, and begin and end of the rest."""
    told: dict[str, tuple[str, float, Callable[[tuple[Usage, Usage, Usage, Usage]], float]]] = {
        f"the manager's CPU while {count:,} virtual pods are created": (
            "cores", LIQO_CORES, lambda usage: usage[0].cores_until(usage[1]),
        ),
        f"the manager's CPU with {count:,} virtual pods, at rest": (
            "cores", LIQO_CORES, lambda usage: usage[2].cores_until(usage[3]),
        ),
        f"the manager's memory with {count:,} virtual pods": ("MB", LIQO_MB, lambda usage: usage[3].pss / 1e6),
    }  # fmt: skip
    rows = []
    for name, (unit, bound, value) in told.items():
        values = [value(usage) for usage in seen]
        median = statistics.median(values)
        rows.append(
            Comparison(
                name=name,
                unit=unit,
                ours=median,
                peer_name=LIQO,
                peer=bound,
                ratio=median / bound,
                spread=f"{min(values) / bound:.2f}-{max(values) / bound:.2f}",
                aim=f"≤ {bound:g} {unit}",
                met=median <= bound,
                runs=len(values),
            )
        )
        print(f"  {name}: {median:.4g} {unit}", flush=True)
    return tuple(rows)
