"""(a) Eleven serfs with 880 pods and live metrics, against eleven bare clusters of kwokctl one after the other."""

from __future__ import annotations

import time

from benchmarks.clusters import kwokctl, lab
from benchmarks.comparison import Aim, Comparison, compare

SERFS = 11


def measure(runs: int = 3) -> Comparison:
    """Time both from nothing to ready; tools are there already."""
    return compare(
        f"`serflab up`, {SERFS} serfs",
        "s",
        _ours,
        ("`kwokctl create cluster`, 11 in a loop", _peer),
        Aim(1.0, at_most=True),
        runs=runs,
        note="ours also creates 880 pods, waits until they run, and starts replays, exporters, Prometheus and viewer; "
        "clusters with running pods are there after about 30 s, the rest is the start of 24 more programs and a scrape",
    )


def _ours() -> float:
    with lab() as made:
        began = time.monotonic()
        made.up(f"--serfs={SERFS}")
        return time.monotonic() - began


def _peer() -> float:
    with kwokctl() as command:
        began = time.monotonic()
        for number in range(SERFS):
            command.create(f"peer{number}")
        return time.monotonic() - began
