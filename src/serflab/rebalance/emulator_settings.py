"""What a run of the offline emulator is told: the policy, the controller's ways, the time that things take."""

from __future__ import annotations

from dataclasses import dataclass, fields
from math import isfinite
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

from serflab.errors import Finding, InputError
from serflab.rebalance.names import DEFAULT_PSI_FORMULA, NODE_PODS, PSI_FORMULAS, PsiFormula

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Requests = Literal["proportional", "equal"]
REQUESTS: tuple[Requests, ...] = get_args(Requests)


@dataclass(frozen=True, slots=True)
class Settings:
    """How the loop is run; raises `InputError` with all values that cannot be used.

    Of the descheduler: `cycles` of `interval` seconds; `low` and `high` in points around the average; `max_total` and
    `max_per_node` requests in flight; `eviction_limit` a node and cycle (`None`: exactly one); `node_fit`. Of the VM
    controller: whether the target pod is made before the source pod goes (`create_first`), whether the scheduler may
    choose the node that is left (`exclude_source` forbids it), what pods request (`requests`: what each VM uses on
    average, or the mean of all), and `bandwidth` in GiB/s. Of the metrics: `scrape` seconds from sample to sample,
    `delay` seconds until a sample is in the scores, averaged over `window` seconds; the formula of pressure, `psi`.
    `jitter` is how much each VM's load differs from seed to seed, a ratio. A cluster counts as balanced when no node
    uses more CPU or memory than the mean by `balanced_within` points of percent, whatever the policy's thresholds.
    """

    cycles: int = 100
    interval: float = 120.0
    low: float = 0.0
    high: float = 10.0
    max_total: int = 5
    max_per_node: int = 2
    eviction_limit: int | None = 2
    node_fit: bool = True
    create_first: bool = True
    exclude_source: bool = True
    requests: Requests = "proportional"
    bandwidth: float = 1.0
    scrape: float = 15.0
    delay: float = 15.0
    window: float = 60.0
    psi: PsiFormula = DEFAULT_PSI_FORMULA
    jitter: float = 0.1
    pods_per_node: int = NODE_PODS
    balanced_within: float = 10.0

    def __post_init__(self) -> None:
        findings = [Finding("settings", field, problem) for field, problem in self._problems()]
        if findings:
            raise InputError(findings)

    def ticks(self, seconds: float) -> int:
        """Return how many scrapes lie in so many seconds, rounded up."""
        return -int(-seconds // self.scrape)

    def document(self) -> dict[str, Any]:
        """Return the settings as JSON."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def _problems(self) -> Iterator[tuple[str, str]]:
        for name, (expected, right) in _CHECKS.items():
            value = getattr(self, name)
            if not right(value):
                yield name, f"expected {expected}, found {value}"
        if self.scrape > 0 and isfinite(self.interval) and self.interval % self.scrape:
            yield "interval", f"expected a multiple of the {self.scrape:g} s between scrapes, found {self.interval:g}"


_ABOVE_ZERO: Final = ("a number above 0", lambda value: isfinite(value) and value > 0)
_COUNT: Final = ("at least 1", lambda value: value >= 1)
_POINTS: Final = ("points from 0 to 100", lambda value: 0 <= value <= 100)
_CHECKS: Final[dict[str, tuple[str, Callable[[Any], bool]]]] = {
    **dict.fromkeys(("interval", "bandwidth", "scrape", "window"), _ABOVE_ZERO),
    **dict.fromkeys(("cycles", "max_total", "max_per_node", "pods_per_node"), _COUNT),
    **dict.fromkeys(("low", "high", "balanced_within"), _POINTS),
    "eviction_limit": ("at least 1", lambda value: value is None or value >= 1),
    "jitter": ("a ratio from 0 and below 1", lambda value: 0 <= value < 1),
    "delay": ("a number of at least 0", lambda value: isfinite(value) and value >= 0),
    "requests": (f"one of {', '.join(REQUESTS)}", lambda value: value in REQUESTS),
    "psi": (f"one of {', '.join(PSI_FORMULAS)}", lambda value: value in PSI_FORMULAS),
}
