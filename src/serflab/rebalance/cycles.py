"""What the descheduler did, cycle by cycle, read from its log.

The log is that of v0.36 with `--logging-format=json --v=3`: one object a line with `ts` (milliseconds since the epoch),
`msg` and what the message is about. The thresholds are not in it, for their keys are lost in JSON; they follow from the
nodes' usage (`serflab.rebalance.utilization`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

UNDER, APPROPRIATE, OVER = "underutilized", "appropriate", "overutilized"
"""The classes of a node, in the descheduler's own words."""
BACKGROUND, EVICTED, PENDING, REFUSED = "background", "evicted", "already requested", "refused"
"""What became of a victim: its eviction goes on in the background, is done, was asked for before, or was refused."""
_MOST_BYTES = 4 * 2**20

_BEGIN, _END = "Resetting pod evictor counters", "Number of evictions/requests"
_STARTED = "Serving securely on"
_NO_ENVIRONMENT = "unable to reconcile an in cluster"
"""Told instead of a cycle, which then does not even begin."""
_LIMIT_OF_A_CYCLE = "Max number of evictions per node per plugin reached"
_OUTCOMES = {
    "Eviction in background assumed": BACKGROUND,
    "Evicted pod": EVICTED,
    "Eviction in background already requested (ignoring)": PENDING,
    "Error evicting pod": REFUSED,
}


@dataclass(frozen=True, slots=True)
class Victim:
    """A pod that the descheduler took from a node, what became of its eviction, and the reason where it was refused."""

    namespace: str
    pod: str
    node: str
    outcome: str
    problem: str = ""


@dataclass(slots=True)
class Cycle:
    """One cycle: begin and end (seconds since the epoch, `ended` 0 while it lasts).

    `usage` is what the descheduler made of each node's score, in whole percent; `classes` each node's class. `problems`
    are its errors: one that stopped the cycle leaves both empty. `errors` are the evictions that were refused and any
    other line of the log at the level of errors; the cycle went on with them. `notes` tell why it did not go on: nobody
    is over or under, or a limit was reached. `in_flight` are the evictions that went on in the background when the
    cycle ended. `run` counts the starts of the descheduler in this log.
    """

    started: float
    run: int = 0
    ended: float = 0.0
    usage: dict[str, int] = field(default_factory=dict)
    classes: dict[str, str] = field(default_factory=dict)
    victims: list[Victim] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    in_flight: int = 0

    @property
    def complete(self) -> bool:
        """Whether it came to its end and classified the nodes."""
        return self.ended > 0 and bool(self.classes) and not self.problems

    @property
    def requested(self) -> list[Victim]:
        """Return the victims whose eviction this cycle began."""
        return [victim for victim in self.victims if victim.outcome in {BACKGROUND, EVICTED}]


def read_cycles(log: Path) -> list[Cycle]:
    """Return the cycles of a log file, the oldest first; of a long one those at its end. No file: no cycle."""
    try:
        with log.open("rb") as file:
            file.seek(0, 2)
            size = file.tell()
            file.seek(max(0, size - _MOST_BYTES))
            lines = file.read().splitlines()
    except FileNotFoundError:
        return []
    return parse_cycles(lines[1:] if size > _MOST_BYTES else lines)


def parse_cycles(lines: Iterable[bytes]) -> list[Cycle]:
    """Return the cycles that these lines tell; what is no JSON or no cycle's is passed over."""
    reader = _Reader()
    for line in lines:
        if not line.startswith(b"{"):
            continue
        try:
            entry = orjson.loads(line)
        except orjson.JSONDecodeError:  # cut off by a kill
            continue
        reader.read(entry)
    return reader.cycles


class _Reader:
    def __init__(self) -> None:
        self.cycles: list[Cycle] = []
        self._run = 0
        self._source = ""

    def read(self, entry: dict[str, Any]) -> None:
        message, at = entry.get("msg", ""), entry.get("ts", 0) / 1000
        if message.startswith(_STARTED):
            self._run += 1
        elif message == _BEGIN:
            self.cycles.append(Cycle(at, self._run))
        elif not self.cycles or self.cycles[-1].ended:
            if _NO_ENVIRONMENT in message:
                self.cycles.append(Cycle(at, self._run, ended=at, problems=[message]))
        else:
            self._read_in_cycle(self.cycles[-1], message, at, entry)

    def _read_in_cycle(self, cycle: Cycle, message: str, at: float, entry: dict[str, Any]) -> None:
        if message == _END:
            cycle.ended = at
            cycle.in_flight = int(entry.get("evictionRequests", 0))
        elif message in {"Node has been classified", "Node is appropriately utilized"}:
            name = entry["node"]["name"]
            cycle.usage[name] = round(entry["usagePercentage"]["MetricResource"])
            cycle.classes[name] = entry.get("category", APPROPRIATE)
        elif message == "Evicting pods from node":
            self._source = entry["node"]["name"]
        elif message in _OUTCOMES:
            self._read_eviction(cycle, message, entry)
        elif message == _LIMIT_OF_A_CYCLE:
            cycle.notes.append(_limit(entry, message, self._source))
        elif "extension point failed" in message:
            cycle.problems.append(entry.get("err", message))
        elif "nothing to do here" in message or message.startswith("Skipping descheduling cycle"):
            cycle.notes.append(message)
        elif "err" in entry and "v" not in entry:  # only what is no error has a verbosity
            cycle.errors.append(f"{message}: {entry['err']}")

    def _read_eviction(self, cycle: Cycle, message: str, entry: dict[str, Any]) -> None:
        if "pod" not in entry:
            cycle.notes.append(_limit(entry, entry.get("err", message), entry.get("node", "")))
            return
        victim = _victim(entry, self._source, _OUTCOMES[message])
        cycle.victims.append(victim)
        if victim.outcome == REFUSED:
            cycle.errors.append(f"{victim.pod}: {victim.problem or message}")


def _limit(entry: dict[str, Any], message: str, node: str) -> str:
    """Return what is told of a limit with its value and the node whose limit it is."""
    value = f": {entry['limit']}" if "limit" in entry else ""
    return f"{message}{value}{f' ({node})' if node else ''}"


def _victim(entry: dict[str, Any], source: str, outcome: str) -> Victim:
    pod = entry["pod"]
    return Victim(pod.get("namespace", ""), pod["name"], source, outcome, entry.get("err", ""))
