"""Where people have put the nodes of the graph: one JSON file a topology, written whole, kept when a lab goes down."""

from __future__ import annotations

import difflib
import json
import math
import os
import threading
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from serflab.errors import Finding, InputError, SerflabError
from serflab.lab.inventory import write_atomically
from serflab.lab.overview import outside_names

if TYPE_CHECKING:
    from collections.abc import Mapping

    from serflab.lab.topology import Topology

POSITIONS_ENV = "SERFLAB_POSITIONS"
DIRECTORY = "positions"
# containerlab's convention for the place of a node in a drawing: https://containerlab.dev/manual/nodes/#labels
LABELS = ("graph-posX", "graph-posY")
FARTHEST = 1_000_000.0
_MOST_FINDINGS = 50
_AXES = ("x", "y")


@dataclass(frozen=True, slots=True)
class Position:
    """A place in the graph, in the graph's own units."""

    x: float
    y: float


class PositionsError(SerflabError):
    """The positions cannot be read or written."""


class PositionStore:
    """The saved positions below one directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._lock = threading.Lock()

    def load(self, topology: Topology) -> dict[str, Position]:
        """Return the position of each node that has one: the saved one, else that of the node's labels.

        Raises `PositionsError` when the file cannot be read, `InputError` when it holds something else.
        """
        file = self._file(topology)
        try:
            saved = self._saved(file.read_bytes(), topology, str(file))
        except FileNotFoundError:
            saved = {}
        except OSError as error:
            raise _failed("read", file, error) from error
        return _labelled(topology) | saved

    def save(self, topology: Topology, positions: Mapping[str, Position]) -> None:
        """Replace all saved positions of a topology; raises `PositionsError`."""
        file = self._file(topology)
        data = {"topology": topology.name, "positions": {name: asdict(at) for name, at in positions.items()}}
        try:
            with self._lock:
                write_atomically(file, json.dumps(data, indent=1) + "\n")
        except OSError as error:
            raise _failed("written", file, error) from error

    def forget(self, topology: Topology) -> None:
        """Forget all saved positions of a topology; raises `PositionsError`."""
        file = self._file(topology)
        try:
            with self._lock:
                file.unlink(missing_ok=True)
        except OSError as error:
            raise _failed("removed", file, error) from error

    def _file(self, topology: Topology) -> Path:
        return self._directory / f"{topology.name}.json"

    @staticmethod
    def _saved(text: bytes, topology: Topology, file: str) -> dict[str, Position]:
        """Read a file of ours; nodes that the topology no longer has are left out."""
        hint = "mend or remove it; saving positions writes it anew"
        try:
            found = json.loads(text)["positions"]
            names = _names(topology)
            return {name: Position(float(at["x"]), float(at["y"])) for name, at in found.items() if name in names}
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise InputError([Finding(file, "", "holds no positions", hint)]) from error


def positions_directory(home: Path) -> Path:
    """Return where positions are kept: `$SERFLAB_POSITIONS`, else `positions` in the viewer's directory."""
    override = os.environ.get(POSITIONS_ENV)
    return Path(override).absolute() if override else home / DIRECTORY


def read_positions(data: object, topology: Topology) -> dict[str, Position]:
    """Check `{"positions": {NODE: {"x", "y"}}}`; raises `InputError` with every finding (the first 50)."""
    return _Reader(topology).read(data)


class _Reader:
    """Takes positions out of what a client sent and gathers what is wrong on the way."""

    def __init__(self, topology: Topology) -> None:
        self._topology = topology
        self._names = _names(topology)
        self._findings: list[Finding] = []

    def read(self, data: object) -> dict[str, Position]:
        body = self._object(data, "$", ("topology", "positions"))
        name = body.get("topology", self._topology.name)
        if name != self._topology.name:
            self._find("$.topology", f"is {_short(name)}; the topology is {self._topology.name!r} now", "load it again")
        if "positions" not in body and not self._findings:
            self._find("$.positions", "is missing; expected an object of positions by node")
        places = body.get("positions", {})
        positions = {}
        if not isinstance(places, dict):
            self._find("$.positions", f"is {_short(places)}; expected an object of positions by node")
        elif len(places) > len(self._names):
            self._find("$.positions", f"has {len(places)} entries, and the topology {len(self._names)} nodes")
        else:
            for node, place in places.items():
                positions[node] = self._position(node, place)
        if self._findings:
            raise InputError(self._findings[:_MOST_FINDINGS])
        return positions

    def _position(self, node: str, value: object) -> Position:
        path = f"$.positions.{node}"
        if node not in self._names and len(self._findings) < _MOST_FINDINGS:
            near = difflib.get_close_matches(node, sorted(self._names), n=3, cutoff=0.5)
            hint = f"did you mean {' or '.join(near)}?" if near else ""
            self._find(path, "is no node of the topology", hint)
        place = self._object(value, path, _AXES)
        numbers = {}
        for axis in _AXES:
            number = place.get(axis)
            if isinstance(number, int | float) and not isinstance(number, bool) and abs(number) <= FARTHEST:
                numbers[axis] = float(number)
            elif isinstance(value, dict):
                found = "is missing" if axis not in place else f"is {_short(number)}"
                self._find(f"{path}.{axis}", f"{found}; expected a number from -{FARTHEST:,.0f} to {FARTHEST:,.0f}")
        return Position(numbers.get("x", math.nan), numbers.get("y", math.nan))

    def _object(self, value: object, path: str, known: tuple[str, ...]) -> dict[str, Any]:
        if not isinstance(value, dict):
            self._find(path, f"is {_short(value)}; expected an object with {' and '.join(known)}")
            return {}
        for key in value:
            if key not in known:
                self._find(f"{path}.{key}", "is not known here", f"known are {' and '.join(known)}")
        return value

    def _find(self, path: str, problem: str, hint: str = "") -> None:
        self._findings.append(Finding("the request", path, problem, hint))


def _names(topology: Topology) -> set[str]:
    return {node.name for node in topology.nodes}.union(outside_names(topology))


def _labelled(topology: Topology) -> dict[str, Position]:
    """Return the positions that the labels of nodes give; labels that are no numbers give none."""
    found = {}
    for node in topology.nodes:
        try:
            x, y = (float(node.labels[label]) for label in LABELS)
        except (KeyError, ValueError):
            continue
        if abs(x) <= FARTHEST and abs(y) <= FARTHEST:
            found[node.name] = Position(x, y)
    return found


def _failed(what: str, file: Path, error: OSError) -> PositionsError:
    message = f"the positions cannot be {what}: {file}: {error.strerror or error}"
    return PositionsError(message, hint=f"make its directory writable, or name another with {POSITIONS_ENV}")


def _short(value: object) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= 60 else f"{text[:57]}…"
