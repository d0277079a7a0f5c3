"""The 19 node-scoring algorithms: the one definition from which rules, policy, documentation and choices are made.

A score says how loaded a node is, in [0, 1], from four inputs: u CPU usage, p CPU pressure (PSI some), m memory usage,
q memory pressure, each in [0, 1] and averaged over one minute. x̄ is the mean over the nodes, s = x - x̄ a node's
deviation, d = max(0, s) its excess. `scores.py` computes the same independently, with numpy.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from serflab.errors import Finding, InputError
from serflab.traces.report import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping

WEIGHTS: Final = {"u": 0.15, "p": 0.35, "m": 0.15, "q": 0.35}
"""w of #5 to #7; v of #11 and #12 is 1 for usage and 2 for pressure."""

TIE: Final = 1e-12
"""#13: dimensions whose mean excess is this near to the largest are equal, and the first of them counts."""

PARETO_NODES: Final = 512
"""#8 compares so many nodes with each other, unless told otherwise; with more of them it has no scores."""


PARETO: Final = "pareto_front"


@dataclass(frozen=True, slots=True)
class Algorithm:
    """How nodes are scored, and what is known about it.

    `promql` is an expression in which `$u`, `$p`, `$m`, `$q` stand for the records of the four dimensions, `$s_u` for
    deviations, `$d_u` for excesses, `$mean_d_u` for mean excesses, and a few more (`rules.py` fills them in and clamps
    the result to [0, 1]). `threshold` is the recommended high threshold: points above the nodes' mean score in percent.
    """

    number: int
    name: str
    formula: str
    documentation: str
    good_for: str
    blind_to: str
    threshold: int
    promql: str
    aliases: tuple[str, ...] = ()

    @property
    def record(self) -> str:
        """Return the record of a node's score, which is also the descheduler's query."""
        return f"descheduler:node:{self.name}:avg1m"

    @property
    def cluster_record(self) -> str:
        """Return the record of the mean score over the nodes."""
        return f"descheduler:cluster:{self.name}:avg1m"

    @property
    def alias_records(self) -> tuple[str, ...]:
        """Return the other names under which a node's score is recorded."""
        short = (f"descheduler:node:{alias}:{suffix}" for alias in self.aliases for suffix in ("avg1m", "score"))
        return (f"descheduler:node:{self.name}:score", *short)


def _sum(term: str) -> str:
    """Return the sum of a term over the four dimensions; `?` stands for the letter, `w` for the weight."""
    return " + ".join(term.replace("?", letter).replace("w", f"{weight:g}") for letter, weight in WEIGHTS.items())


_DISTANCE: Final = f"sqrt({_sum('$d_?^2')})"
_DIRECTION: Final = "direction: an idle node among busy ones scores like a busy one among idle ones"
_FULLNESS: Final = "how full the cluster is: only differences between nodes count"

# For each node, the number of nodes that it dominates. What a PromQL operator returns grows with the sum of its sides,
# never with their product, so nodes cannot be paired with nodes. Time is the second axis instead: step k of a subquery
# (of absolute seconds, so `time() % N` takes each value once) looks at the node with the k-th smallest key. The key
# grows with each dimension, so that who is at least as high on all four and has a larger key dominates. Steps beyond
# the number of nodes see the largest key again, above which there is nobody.
_KEY_OF_STEP: Final = "max(bottomk(time() % $most + 1, $order @ end() + 0 * time()))"
_NOT_BELOW: Final = " and ".join(
    f"($? @ end() >= on () group_left () max($? @ end() and on (instance) "
    f"($order @ end() == on () group_left () {_KEY_OF_STEP})))".replace("?", letter)
    for letter in WEIGHTS
)
_DOMINATED: Final = (
    f"count_over_time((($order @ end() > on () group_left () {_KEY_OF_STEP}) and {_NOT_BELOW})[${{most}}s:1s])"
)


def _amplified(number: int, factor: int, threshold: int) -> Algorithm:
    return Algorithm(
        number,
        f"linear_amplified_ideal_point_positive_distance:k{factor}",
        f"min(1, {factor}·‖d‖)",
        "The distance of #14 as it is, under the name of the amplified ones."
        if factor == 1
        else f"The distance of #14, {factor} times as large, up to 1.",
        "a baseline for k3 and k5" if factor == 1 else f"nodes that differ little: {factor} times finer than #14",
        _FULLNESS if factor == 1 else f"{_FULLNESS}; nodes with ‖d‖ above 1/{factor} all score 1",
        threshold,
        f"{factor} * {_DISTANCE}",
        (f"linear_amplified_ippd_k{factor}",),
    )


_LIST: Final = (
    Algorithm(
        1,
        "weighted_average",
        "(u + p + m + q) / 4",
        "The mean of the four inputs.",
        "an overall picture that people can check against their dashboards",
        "one dimension in trouble: it counts a quarter",
        10,
        "($u + $p + $m + $q) / 4",
    ),
    Algorithm(
        2,
        "max_metric",
        "max(u, p, m, q)",
        "The worst of the four inputs.",
        "clusters where any one exhausted resource hurts",
        "everything below the worst dimension: relieving it does not show",
        10,
        "max by (instance) ($inputs and on (instance) $u)",
    ),
    Algorithm(
        3,
        "euclidean_distance",
        "‖x‖ / 2",
        "The distance from an idle node, halved so that 1 is full on all four.",
        "a mixture of mean and worst: high values weigh more",
        "which dimension it is",
        10,
        f"sqrt({_sum('$?^2')}) / 2",
    ),
    Algorithm(
        4,
        "pressure_focused",
        "(2·(p + q)/2 + (u + m)/2) / 3",
        "Pressure counts twice as much as usage.",
        "VMs that already wait for CPU or memory",
        "load that does not press yet: a node at 80 % without PSI scores like one at half of it",
        7,
        "(2 * ($p + $q) / 2 + ($u + $m) / 2) / 3",
    ),
    Algorithm(
        5,
        "weighted_rms_positive_deviation",
        "√Σ w·d²",
        "The weighted root mean square of the excesses.",
        "few nodes that stand out, above all by their pressure",
        _FULLNESS,
        7,
        f"sqrt({_sum('w * $d_?^2')})",
    ),
    Algorithm(
        6,
        "weighted_mean_square_positive_deviation",
        "Σ w·d²",
        "The weighted mean square of the excesses: #5 without the root.",
        "extreme outliers only",
        f"{_FULLNESS}; ordinary differences vanish in the square",
        1,
        _sum("w * $d_?^2"),
    ),
    Algorithm(
        7,
        "linear_weighted_positive_deviation",
        "Σ w·d",
        "The weighted mean of the excesses.",
        "differences that add up over several dimensions",
        _FULLNESS,
        4,
        _sum("w * $d_?"),
    ),
    Algorithm(
        8,
        PARETO,
        "nodes that this one dominates (≥ on all four, > on one) / (n - 1)",
        "The share of the other nodes that are better off in every respect.",
        "a ranking that needs no weights and no scale",
        "by how much nodes differ: the slightest order counts in full, so it hardly rests; nodes that are high on "
        "different dimensions do not dominate each other",
        27,
        f"({_DOMINATED} / on () group_left () clamp_min($nodes - 1, 1) or 0 * $u) and on () ($nodes <= $most)",
    ),
    Algorithm(
        9,
        "centroid_distance",
        "‖s‖ / 2",
        "The distance from the mean of the nodes, to either side.",
        "finding the odd one out, as a measure to look at",
        _DIRECTION,
        7,
        f"sqrt({_sum('$s_?^2')}) / 2",
    ),
    Algorithm(
        10,
        "directional_centroid_distance",
        "‖d‖ / 2",
        "The distance from the mean of the nodes, upwards only.",
        "few nodes that stand out on any dimension",
        _FULLNESS,
        9,
        f"{_DISTANCE} / 2",
    ),
    Algorithm(
        11,
        "variance_minimization",
        "√(Σ v·s²) / √6",
        "The weighted deviation from the mean, to either side; pressure counts twice.",
        "watching how uneven the cluster is, as a measure to look at",
        _DIRECTION,
        5,
        "sqrt($s_u^2 + 2 * $s_p^2 + $s_m^2 + 2 * $s_q^2) / 6 ^ 0.5",
    ),
    Algorithm(
        12,
        "directional_variance_minimization",
        "Σ v·d / 6",
        "The weighted mean of the excesses; pressure counts twice.",
        "differences that add up, with usage taken more seriously than by #7",
        _FULLNESS,
        4,
        "($d_u + 2 * $d_p + $d_m + 2 * $d_q) / 6",
    ),
    Algorithm(
        13,
        "critical_dimension_focus",
        "d on the dimension whose mean d over the nodes is largest",
        "The excess on the dimension that is spread most unevenly; the first of them in a tie.",
        "clusters with one scarce resource, without saying which",
        f"{_FULLNESS}, and all dimensions but one; it jumps when another one takes the lead",
        10,
        " or ".join(
            f"($d_? and on () ($mean_d_? >= on () $largest_mean_d - {TIE:g}))".replace("?", letter)
            for letter in WEIGHTS
        ),
    ),
    Algorithm(
        14,
        "ideal_point_positive_distance",
        "min(1, ‖d‖)",
        "The distance from the ideal point, at which no dimension is above the mean.",
        "few nodes that stand out, at full scale",
        _FULLNESS,
        10,
        _DISTANCE,
    ),
    _amplified(15, 1, 10),
    _amplified(16, 3, 10),
    _amplified(17, 5, 16),
    Algorithm(
        18,
        "cpu_focused",
        "0.7·u + 0.3·p",
        "CPU alone.",
        "clusters with memory to spare",
        "memory",
        10,
        "0.7 * $u + 0.3 * $p",
    ),
    Algorithm(
        19,
        "memory_focused",
        "0.7·m + 0.3·q",
        "Memory alone.",
        "clusters with CPU to spare",
        "CPU",
        10,
        "0.7 * $m + 0.3 * $q",
    ),
)

ALGORITHMS: Final[Mapping[str, Algorithm]] = {algorithm.name: algorithm for algorithm in _LIST}
"""All of them by name, in the order of their numbers."""

DEFAULT_ALGORITHM: Final = "ideal_point_positive_distance"
"""With its threshold a loop comes to rest wherever loads do: docs/decisions/0024-a-default-that-comes-to-rest.md."""


def find_algorithm(name: str, *, file: str = "algorithms", path: str = "") -> Algorithm:
    """Return the algorithm of a name, of an alias such as `linear_amplified_ippd_k3`, or of a record of it.

    Raises `InputError`, a finding at `path` of `file`, when there is none.
    """
    for algorithm in ALGORITHMS.values():
        if name in {algorithm.name, *algorithm.aliases, algorithm.record, *algorithm.alias_records}:
            return algorithm
    known = [*ALGORITHMS, *(alias for algorithm in ALGORITHMS.values() for alias in algorithm.aliases)]
    hint = did_you_mean(name, known, otherwise=f"there are {', '.join(ALGORITHMS)}")
    raise InputError([Finding(file, path, f"there is no algorithm {name!r}", hint)])


def check_size(name: str, nodes: int, *, file: str = "algorithms", path: str = "") -> None:
    """Raise `InputError`, a finding at `path` of `file`, if an algorithm has no scores for so many nodes."""
    if name == PARETO and nodes > PARETO_NODES:
        hint = "take another algorithm; without scores the descheduler would give up every cycle"
        problem = f"{PARETO} compares up to {PARETO_NODES} nodes, found {nodes}"
        raise InputError([Finding(file, path, problem, hint)])
