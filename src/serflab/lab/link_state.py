"""The interfaces at the ends of links as containerlab tells of them: `events` as they happen, or `inspect interfaces`.

Formats, of containerlab 0.79: https://containerlab.dev/cmd/events/ and https://containerlab.dev/cmd/inspect/interfaces/.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from serflab.errors import SerflabError
from serflab.lab.impairments import Impairment
from serflab.lab.link_values import go_duration, parse_rate

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from serflab.lab.containerlab import Containerlab

UP, DOWN, MISSING = "up", "down", "missing"
_NODE_LABEL: Final = "clab-node-name"
_LAB_LABEL: Final = "containerlab"
_GONE: Final = frozenset({"die", "stop", "destroy", "delete"})

NONE: Final = Impairment()
Place = tuple[str, str]
"""A node's name and one of its interfaces."""


@dataclass(frozen=True, slots=True)
class InterfaceState:
    """An interface: `up`, `down` or `missing`, bytes so far, bits/s lately (None: not told), and what netem does."""

    state: str
    rx_bytes: int | None = None
    tx_bytes: int | None = None
    rx_rate: float | None = None
    tx_rate: float | None = None
    netem: Impairment = NONE


@dataclass(frozen=True, slots=True)
class LabInterfaces:
    """What is known of a lab's interfaces, never changed in place: containers by node, interfaces by node and name."""

    containers: Mapping[str, str]
    interfaces: Mapping[Place, InterfaceState]


NOTHING: Final = LabInterfaces({}, {})


class EventReader:
    """Takes the lines of `containerlab events --format json` and knows the interfaces of one lab from them."""

    def __init__(self, lab: str) -> None:
        self._lab = lab
        self._nodes: dict[str, str] = {}
        self._interfaces: dict[Place, InterfaceState] = {}

    def known(self) -> LabInterfaces:
        """Return what is known now."""
        return LabInterfaces({node: name for name, node in self._nodes.items()}, dict(self._interfaces))

    def take(self, line: str) -> bool:
        """Take one event; return whether something is different from before. What is no event is passed over."""
        try:
            event = json.loads(line)
            kind, action, attributes = event["type"], event["action"], event["attributes"]
        except (ValueError, LookupError, TypeError):
            return False
        before = len(self._nodes), dict(self._interfaces)
        if kind == "container":
            self._container(action, attributes)
        elif kind == "interface" and attributes.get("lab") == self._lab:
            self._interface(action, attributes)
        return before != (len(self._nodes), self._interfaces)

    def _container(self, action: str, attributes: Mapping[str, str]) -> None:
        name, node = attributes.get("name", ""), attributes.get(_NODE_LABEL, "")
        if attributes.get(_LAB_LABEL) != self._lab or not name or not node:
            return
        if action in _GONE:
            for place in [place for place in self._interfaces if place[0] == node]:
                del self._interfaces[place]
            if action in {"destroy", "delete"}:
                self._nodes.pop(name, None)
        else:
            self._nodes[name] = node

    def _interface(self, action: str, attributes: Mapping[str, str]) -> None:
        node = self._nodes.get(attributes.get("name", ""))
        interface = attributes.get("alias") or attributes.get("ifname", "")
        if node is None or not interface:
            return
        place = node, interface
        if action == "delete":
            self._interfaces.pop(place, None)
            return
        found = InterfaceState(_state(attributes.get("state", "")), netem=_netem(attributes))
        counted = self._interfaces.get(place)
        if "rx_bytes" in attributes:
            found = replace(
                found,
                rx_bytes=int(attributes["rx_bytes"]),
                tx_bytes=int(attributes["tx_bytes"]),
                rx_rate=float(attributes["rx_bps"]),
                tx_rate=float(attributes["tx_bps"]),
            )
        elif counted is not None:
            found = replace(counted, state=found.state, netem=found.netem)
        self._interfaces[place] = found


def first_look(containerlab: Containerlab, lab: str, nodes: Mapping[str, str]) -> LabInterfaces:
    """Return what `inspect` tells of a lab, for as long as `events` tells nothing; it says nothing of netem.

    `nodes` tells the node of each container. Takes two processes. Raises `SerflabError`.
    """
    there = {item.container for item in containerlab.inspect(lab)}
    known = {container: node for container, node in nodes.items() if container in there}
    if not known:
        return NOTHING
    try:
        interfaces = read_interfaces(containerlab.inspect_interfaces(lab), known)
    except ValueError as error:
        raise SerflabError(str(error)) from error
    return LabInterfaces({node: container for container, node in known.items()}, interfaces)


def read_interfaces(text: str, nodes: Mapping[str, str]) -> dict[Place, InterfaceState]:
    """Return the interfaces in the answer of `inspect interfaces --format json`.

    It is a list of containers, or such a list below each lab's name. `nodes` tells the node of each container. Raises
    `ValueError` for anything else.
    """
    try:
        return {
            (nodes[name], item.get("alias") or item["name"]): InterfaceState(_state(item["state"]))
            for name, items in _containers(json.loads(text or "[]"))
            if name in nodes
            for item in items
        }
    except (LookupError, TypeError, AttributeError) as error:
        raise ValueError(f"these are no interfaces as containerlab tells them: {error!r}") from error


def _containers(data: Any) -> Iterator[tuple[str, Iterable[Mapping[str, Any]]]]:  # noqa: ANN401 - as JSON has it
    groups = data.values() if isinstance(data, dict) else (data,)
    for group in groups:
        for container in group or ():
            yield container["name"], container["interfaces"] or ()


def _state(told: str) -> str:
    # Of what has no carrier to tell of, the kernel says that it is unknown.
    return UP if told in {"up", "unknown"} else DOWN


def _netem(attributes: Mapping[str, str]) -> Impairment:
    """Return what an interface event says of netem; what says nothing is as if there were none."""
    loss = attributes.get("netem_loss", "").removesuffix("%")
    rate = attributes.get("netem_rate", "")
    return Impairment(
        go_duration(attributes.get("netem_delay", "")),
        go_duration(attributes.get("netem_jitter", "")),
        float(loss) if loss else 0.0,
        parse_rate(rate) if rate else None,
    )
