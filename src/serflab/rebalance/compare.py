"""Comparing algorithms on one scenario: every algorithm on the same draws, in as many processes as there are cores."""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any, Literal

from serflab.errors import Finding, InputError
from serflab.rebalance.algorithms import check_size, find_algorithm
from serflab.rebalance.compare_statistics import Recommendation, Row, estimate, pareto_front, recommend
from serflab.rebalance.emulator import emulate

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from serflab.rebalance.emulator_measures import Outcome
    from serflab.rebalance.emulator_settings import Settings
    from serflab.rebalance.scenario import Scenario

Thresholds = Literal["same", "recommended"]


@dataclass(frozen=True, slots=True)
class Comparison:
    """The rows of all algorithms in the order asked for, what they ran on, and `sigma`, the spread over time.

    `sigma` holds for each algorithm one list a dimension (cpu, memory, psi) with the mean spread at each cycle.
    """

    scenario: str
    nodes: int
    vms: int
    seeds: int
    settings: Settings
    rows: tuple[Row, ...]
    sigma: dict[str, list[list[float]]]

    @property
    def recommendation(self) -> Recommendation:
        """What to take, and why."""
        return recommend(self.rows)

    def document(self) -> dict[str, Any]:
        """Return the comparison as JSON."""
        advice = self.recommendation
        return {
            "scenario": {"name": self.scenario, "nodes": self.nodes, "vms": self.vms},
            "seeds": self.seeds,
            "settings": self.settings.document(),
            "recommendation": {"algorithm": advice.algorithm, "reason": advice.reason},
            "pareto_front": [row.algorithm for row in pareto_front(self.rows)],
            "algorithms": [row.document() for row in self.rows],
            "sigma": self.sigma,
        }


def compare(  # noqa: PLR0913 - what, and how it is run
    scenario: Scenario,
    algorithms: Sequence[str],
    settings: Settings,
    *,
    seeds: int = 30,
    thresholds: Thresholds = "same",
    processes: int | None = None,
    progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> Comparison:
    """Run `algorithms` on the draws 1 to `seeds` of `scenario`.

    With `thresholds` `recommended` each runs with its own upper threshold, otherwise all with that of the settings.
    `processes` is how many work side by side (default: one a core); their number changes no result. `progress` is told
    how many algorithms are done, of how many. Raises `InputError` for names that are none, or given twice, or of an
    algorithm that cannot score so many nodes.
    """
    chosen = named(algorithms)
    for name in chosen:
        check_size(name, len(scenario.nodes), file="--algorithms")
    own = {name: replace(settings, high=_threshold(name, settings, thresholds)) for name in chosen}
    outcomes = _run(scenario, own, range(1, seeds + 1), processes or os.cpu_count() or 1, progress)
    rows = tuple(
        Row(name, own[name].high, {key: estimate(values.tolist()) for key, values in outcomes[name].figures.items()})
        for name in chosen
    )
    sigma = {name: outcomes[name].sigma.mean(axis=0).T.round(6).tolist() for name in chosen}
    vms = sum(1 for _ in scenario.vms())
    return Comparison(scenario.name, len(scenario.nodes), vms, seeds, settings, rows, sigma)


def named(algorithms: Sequence[str]) -> list[str]:
    """Return the proper names of algorithms. Raises `InputError` for all that are none, or given twice."""
    findings: list[Finding] = []
    names: list[str] = []
    for given in algorithms:
        try:
            name = find_algorithm(given, path="--algorithms").name
        except InputError as error:
            findings += error.findings
            continue
        if name in names:
            findings.append(Finding("--algorithms", "", f"{name} is given twice"))
        names.append(name)
    if findings:
        raise InputError(findings)
    return names


def _threshold(name: str, settings: Settings, thresholds: Thresholds) -> float:
    return float(find_algorithm(name).threshold) if thresholds == "recommended" else settings.high


def _run(
    scenario: Scenario,
    settings: dict[str, Settings],
    seeds: range,
    processes: int,
    progress: Callable[[int, int], None],
) -> dict[str, Outcome]:
    progress(0, len(settings))
    if min(processes, len(settings)) == 1:
        done = {}
        for name, own in settings.items():
            done[name] = emulate(scenario, name, own, seeds)
            progress(len(done), len(settings))
        return done
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        futures = {pool.submit(emulate, scenario, name, own, seeds): name for name, own in settings.items()}
        results = {}
        for future in as_completed(futures):
            results[futures[future]] = future.result()
            progress(len(results), len(settings))
    return {name: results[name] for name in settings}
