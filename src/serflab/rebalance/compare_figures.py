"""How the figures of a comparison are called, in which unit, and what they mean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from serflab.rebalance.compare_statistics import Estimate


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure's heading, unit, digits behind the point, and meaning; a share is shown in percent."""

    heading: str
    unit: str
    digits: int
    meaning: str

    def text(self, estimate: Estimate) -> str:
        """Return a figure as a table shows it: the mean, and ± half of its 95 % confidence interval.

        >>> from serflab.rebalance.compare_statistics import Estimate
        >>> FIGURES["migrations"].text(Estimate(14.24, 1.31, 30)), FIGURES["inert"].text(Estimate(0.1, None, 1))
        ('14.2 ± 1.3', '10')
        """
        if estimate.mean is None:
            return "never"
        scale = 100.0 if self.unit == "%" else 1.0
        text = f"{scale * estimate.mean:.{self.digits}f}"
        return text if not estimate.margin else f"{text} ± {scale * estimate.margin:.{self.digits}f}"


def counted(number: int, word: str) -> str:
    """Return how many of something there are.

    >>> counted(1, "algorithm"), counted(19, "algorithm")
    ('1 algorithm', '19 algorithms')
    """
    return f"{number} {word}{'' if number == 1 else 's'}"


FIGURES: Final[dict[str, Figure]] = {
    "migrations": Figure("migrations", "", 1, "begun in the whole run"),
    "sigma_cpu": Figure(
        "spread CPU", "points", 1, "standard deviation of the nodes' CPU usage, mean of the last fifth"
    ),
    "sigma_memory": Figure("spread memory", "points", 1, "the same of memory usage"),
    "sigma_psi": Figure(
        "spread PSI", "points", 2, "the same of pressure: of each node's CPU and memory pressure the larger"
    ),
    "time_to_balance": Figure(
        "time to balance",
        "s",
        0,
        "until no node uses more CPU or memory than the mean by 10 points (--balanced-within), for 3 cycles",
    ),
    "balanced": Figure("balanced", "%", 0, "draws that were balanced in this sense, early or late"),
    "moves_per_vm": Figure("moves per VM", "", 2, "migrations ÷ VMs"),
    "most_moves_of_a_vm": Figure("most moves", "", 1, "of any one VM"),
    "ping_pong": Figure("ping-pong", "%", 1, "migrations that bring a VM back to the node that it came from"),
    "overshoot": Figure("overshoot", "points", 1, "how far the spread of CPU rises again above its lowest value"),
    "jain_cpu": Figure("Jain CPU", "", 3, "Jain's fairness index: 1 if all nodes are alike, 1/n if one has all"),
    "jain_memory": Figure("Jain memory", "", 3, "the same of memory usage"),
    "jain_psi": Figure("Jain PSI", "", 3, "the same of pressure, the larger of a node's two; 1 where no node has any"),
    "overload_seconds": Figure("overload", "node s", 0, "time of nodes with more CPU or memory wanted than they have"),
    "psi_seconds": Figure("PSI", "node s", 0, "CPU and memory pressure, summed over nodes and time"),
    "gib_moved": Figure("moved", "GiB", 0, "memory of the VMs that migrated"),
    "inert": Figure("inert", "%", 0, "draws in which the algorithm never moved a VM"),
    "at_rest": Figure("at rest", "%", 0, "draws in whose last fifth of the cycles no VM was asked to move"),
    "unplaced": Figure("unplaced", "", 1, "migrations for which no node had room"),
    "failed_cycles": Figure("failed cycles", "", 1, "cycles without usable scores, in which nothing is evicted"),
}
"""In the order in which tables show them."""

SHORT: Final = (
    "migrations",
    "sigma_cpu",
    "sigma_memory",
    "balanced",
    "time_to_balance",
    "ping_pong",
    "psi_seconds",
    "inert",
)
"""What is shown where there is little room."""
