"""What is known of the load of the lab: the last picture that Prometheus gave of each serf, and how old it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from serflab.lab.load import Load

if TYPE_CHECKING:
    from serflab.lab.load import LabLoad


@dataclass(frozen=True, slots=True)
class KnownLoad:
    """The last known load of a serf, and since when (epoch seconds) nothing newer came; None while it is current."""

    load: Load
    stale_since: float | None = None


class LoadMemory:
    """Remembers the polls of one Prometheus; `started` and the times of polls are seconds since the epoch."""

    def __init__(self, started: float) -> None:
        self.error = ""
        self._started = started
        self._succeeded: float | None = None
        self._targets: dict[str, bool] = {}
        self._loads: dict[str, tuple[Load, float]] = {}

    def take(self, lab: LabLoad, now: float) -> None:
        """Remember a poll that was answered."""
        self.error, self._succeeded, self._targets = "", now, lab.targets
        for serf, load in lab.loads.items():
            known = self._loads.get(serf)
            # The series of a dead exporter do not end all at the same moment: the last whole picture stays.
            if known is None or load.cpu is not None or known[0].cpu is None:
                self._loads[serf] = (load, now)

    def fail(self, error: str) -> None:
        """Remember that a poll was not answered, and why."""
        self.error = error

    def forget(self, serf: str) -> None:
        """Forget a serf that left the lab."""
        self._loads.pop(serf, None)

    @property
    def answered(self) -> bool:
        """Whether the last poll was answered."""
        return self._succeeded is not None and not self.error

    @property
    def stale_since(self) -> float | None:
        """Since when Prometheus does not answer, None while it does or was not asked yet."""
        return (self._succeeded or self._started) if self.error else None

    def load(self, serf: str) -> KnownLoad:
        """Return the last known load of a serf; an empty one, stale since the start, where none was ever known."""
        load, seen = self._loads.get(serf, (Load(), self._started))
        return KnownLoad(load, None if self.answered and seen == self._succeeded else seen)

    def target_up(self, serf: str) -> bool | None:
        """Return whether Prometheus reaches the serf's exporter, None when it does not say."""
        return None if self.error else self._targets.get(serf)
