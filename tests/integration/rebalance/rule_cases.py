"""Test files for `promtool test rules`: nodes with their samples, and numpy's scores as series beside them.

promtool compares floats for equality, so the comparison is PromQL itself: a series `oracle` holds what is expected, and
an expression counts the nodes that differ by more than the tolerance.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from serflab.rebalance.algorithms import ALGORITHMS
from serflab.rebalance.dimensions import DIMENSIONS
from serflab.rebalance.scores import scores

if TYPE_CHECKING:
    from pathlib import Path

TOLERANCE = 1e-9
# Scrapes every 15 s, four in a window of one minute. The last is at one minute.
SCRAPES = 5
SAMPLES_IN_WINDOW = 4
EVALUATED_AT = "1m"
# Any time after 1970 by more than the pareto front looks back.
START = "2026-01-01T00:00:00Z"


@dataclass
class Case:
    """What Prometheus scrapes: `samples` of shape (nodes, 4, scrapes), among them maybe NaN.

    Samples that are `missing` are none at all; nodes that are `gone` are not exposed any more at the last scrape.
    """

    name: str
    samples: np.ndarray
    missing: np.ndarray | None = None
    gone: frozenset[int] = frozenset()

    @classmethod
    def constant(cls, name: str, nodes: Any, missing: Any = None) -> Case:
        """Return a case whose nodes, of shape (nodes, 4), always show the same."""
        samples = np.repeat(np.asarray(nodes, dtype=float)[..., None], SCRAPES, axis=-1)
        gone = None if missing is None else np.repeat(np.asarray(missing, dtype=bool)[..., None], SCRAPES, axis=-1)
        return cls(name, samples, gone)

    @property
    def inputs(self) -> np.ndarray:
        """The inputs of the scores: the mean of each window, NaN where there is none."""
        window = self.samples[..., -SAMPLES_IN_WINDOW:]
        with np.errstate(invalid="ignore"):
            mean = window.mean(axis=-1)
        if self.missing is not None:
            mean = np.where(self.missing.any(axis=-1), np.nan, mean)
        mean[list(self.gone)] = np.nan
        return mean

    def series(self) -> list[dict[str, str]]:
        """Return the series that the exporter would have left in Prometheus."""
        missing = np.zeros(self.samples.shape, bool) if self.missing is None else self.missing
        found = []
        for node, index in np.ndindex(self.samples.shape[:2]):
            pairs = zip(self.samples[node, index], missing[node, index], strict=True)
            values = ["_" if no else _number(value) for value, no in pairs]
            if node in self.gone:
                values[-1] = "stale"
            labels = f'instance="node-{node}",node="node-{node}",job="exporter"'
            found.append({"series": f"{DIMENSIONS[index].metric}{{{labels}}}", "values": " ".join(values)})
        return found

    def oracle(self) -> list[dict[str, str]]:
        """Return a series for each score that numpy expects, repeated up to the last scrape."""
        inputs = self.inputs
        return [
            {
                "series": f'oracle{{algorithm="{name}",instance="node-{node}"}}',
                "values": f"{_number(value)}x{SCRAPES}",
            }
            for name in ALGORITHMS
            for node, value in enumerate(scores(name, inputs))
            if not np.isnan(value)
        ]

    def expectations(self) -> list[dict[str, Any]]:
        """Return, for each record of a score, that as many nodes have it as expected, and that none is off."""
        checks = []
        for algorithm in ALGORITHMS.values():
            expected = scores(algorithm.name, self.inputs)
            known = expected[~np.isnan(expected)]
            oracle = f'oracle{{algorithm="{algorithm.name}"}}'
            for record in (algorithm.record, *algorithm.alias_records):
                checks.append((f"count({record}) or vector(0)", len(known)))
                off = f"abs({record} - on (instance) {oracle}) <= {TOLERANCE}"
                checks.append((f"count({off}) or vector(0)", len(known)))
            mean = repr(float(known.mean())) if len(known) else "0"
            near = f"abs({algorithm.cluster_record} - {mean}) <= {TOLERANCE}"
            checks.append((f"count({near}) or vector(0)", min(1, len(known))))
        return [
            {"expr": expr, "eval_time": EVALUATED_AT, "exp_samples": [{"labels": "{}", "value": value}]}
            for expr, value in checks
        ]


def promtool_file(rules: Path, cases: list[Case]) -> dict[str, Any]:
    """Return a test file for promtool about the rules in a file."""
    return {
        "rule_files": [str(rules)],
        "evaluation_interval": "15s",
        "tests": [
            {
                "name": case.name,
                "interval": "15s",
                "start_timestamp": START,
                "input_series": case.series() + case.oracle(),
                "promql_expr_test": case.expectations(),
            }
            for case in cases
        ],
    }


def _number(value: float) -> str:
    return {"nan": "NaN", "inf": "+Inf", "-inf": "-Inf"}.get(repr(float(value)), repr(float(value)))
