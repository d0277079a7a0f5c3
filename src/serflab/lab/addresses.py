"""The addresses of the lab's links: labels of the nodes, checked, and the routes that follow from them."""

from __future__ import annotations

from ipaddress import IPv4Interface, IPv4Network
from typing import TYPE_CHECKING, Final

from serflab.errors import Finding
from serflab.lab.routes import route

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from serflab.lab.topology import Link, Node, Topology

LABEL: Final = "serflab.address."
"""Label of a node: `serflab.address.eth1: 10.20.1.1/30` gives its interface eth1 that address."""
MANAGEMENT: Final = "eth0"
"""The interface by which the container engine reaches a node; nothing of ours ever changes it."""
LOOPBACK: Final = "lo"

_EXPECTED = "expected an IPv4 address with its prefix, such as 10.20.1.1/30"


def addresses(labels: Mapping[str, str]) -> dict[str, str]:
    """Return what the labels of a node say, by interface and as it stands there."""
    return {name.removeprefix(LABEL): text for name, text in labels.items() if name.startswith(LABEL)}


def parse_address(text: str) -> IPv4Interface:
    """Return the address that a label holds; `ValueError`, with a text for people, for anything else."""
    try:
        found = IPv4Interface(text.strip())
    except ValueError as error:
        raise ValueError(f"is {text!r}; {_EXPECTED}") from error
    network = found.network
    if "/" not in text:
        raise ValueError(f"is {text!r}, without a prefix; {_EXPECTED}")
    if network.prefixlen < 31 and found.ip in {network.network_address, network.broadcast_address}:
        raise ValueError(f"is {text!r}, the address of the subnet itself or its broadcast; {_EXPECTED}")
    return found


def address_findings(file: Path, nodes: Sequence[Node], links: Sequence[Link]) -> list[Finding]:
    """Return what is wrong with the addresses of a topology: notation, interfaces, subnets of links, overlaps."""
    return list(_Check(file, nodes, links).findings())


def routes(topology: Topology, name: str) -> list[tuple[IPv4Network, IPv4Interface]]:
    """Return the routes of a node to all networks of the lab that it has no part in: where to, and by which neighbour.

    They follow `serflab.lab.routes.route`, the way that transfers take. A network at the ends of a link is reached by
    the nearer one. Nodes without addresses on the way cannot be passed; what lies behind them has no route.
    """
    known = {node.name: _parsed(node) for node in topology.nodes}
    own = {address.network for address in known.get(name, {}).values()}
    ways = [way for node in topology.nodes if node.name != name and (way := route(topology, name, node.name))]
    found: dict[IPv4Network, IPv4Interface] = {}
    for way in sorted(ways, key=lambda way: len(way.nodes)):
        hop = _next_hop(topology, known, name, way.nodes[1])
        for address in known[way.nodes[-1]].values():
            if hop is not None and address.network not in own:
                found.setdefault(address.network, hop)
    return sorted(found.items())


def _next_hop(
    topology: Topology, known: Mapping[str, Mapping[str, IPv4Interface]], here: str, there: str
) -> IPv4Interface | None:
    """Return the neighbour's address on the first link to it that has one at both ends."""
    for link in topology.links:
        for near, far in ((link.a, link.b), (link.b, link.a)):
            if (near.node, far.node) == (here, there) and near.interface in known[here]:
                address = known[there].get(far.interface)
                if address is not None:
                    return address
    return None


def _parsed(node: Node) -> dict[str, IPv4Interface]:
    return {interface: parse_address(text) for interface, text in addresses(node.labels).items()}


class _Check:
    def __init__(self, file: Path, nodes: Sequence[Node], links: Sequence[Link]) -> None:
        self._file = str(file)
        self._nodes = nodes
        self._links = links
        self._known: dict[tuple[str, str], IPv4Interface] = {}

    def findings(self) -> Iterator[Finding]:
        yield from self._labels()
        yield from self._ends()
        yield from self._overlaps()

    def _finding(self, end: tuple[str, str], problem: str, hint: str = "") -> Finding:
        return Finding(self._file, f"$.topology.nodes.{end[0]}.labels.{LABEL}{end[1]}", problem, hint)

    def _labels(self) -> Iterator[Finding]:
        linked = {(end.node, end.interface) for link in self._links for end in (link.a, link.b)}
        for node in self._nodes:
            for interface, text in addresses(node.labels).items():
                end = (node.name, interface)
                if interface == MANAGEMENT:
                    yield self._finding(end, "is for the management interface, which is the container engine's")
                elif interface != LOOPBACK and end not in linked:
                    others = [name for owner, name in sorted(linked) if owner == node.name]
                    hint = f"its links use {', '.join(others)}" if others else "it has no links"
                    yield self._finding(end, f"names interface {interface!r}, which no link of the file has", hint)
                else:
                    try:
                        self._known[end] = parse_address(text)
                    except ValueError as error:
                        yield self._finding(end, str(error))

    def _ends(self) -> Iterator[Finding]:
        """Find links whose two ends are not different addresses of one subnet."""
        for link in self._links:
            ends = [(end.node, end.interface) for end in (link.a, link.b)]
            one, other = (self._known.get(end) for end in ends)
            if one is None or other is None:
                continue
            there = ":".join(ends[0])
            if one.network != other.network:
                yield self._finding(ends[1], f"is in {other.network}; the other end, {there}, is in {one.network}")
            elif one.ip == other.ip:
                yield self._finding(ends[1], f"is {other.ip}, as is the other end, {there}")

    def _overlaps(self) -> Iterator[Finding]:
        """Find subnets that are another link's, or a part of it."""
        places: dict[IPv4Network, list[tuple[str, str]]] = {}
        for end, address in self._known.items():
            places.setdefault(address.network, []).append(end)
        partners = {
            frozenset({(link.a.node, link.a.interface), (link.b.node, link.b.interface)}) for link in self._links
        }
        for network, (first, *others) in places.items():
            for end in others:
                if frozenset({first, end}) not in partners:
                    yield self._finding(end, f"is in {network}, which {':'.join(first)} uses on another link")
        # In this order a network stands right before those that it contains.
        yield from self._nested(sorted(places), places)

    def _nested(
        self, networks: Iterable[IPv4Network], places: Mapping[IPv4Network, list[tuple[str, str]]]
    ) -> Iterator[Finding]:
        outer: IPv4Network | None = None
        for network in networks:
            if outer is not None and network.subnet_of(outer):
                end, holder = places[network][0], ":".join(places[outer][0])
                yield self._finding(end, f"is in {network}, a part of {outer}, which {holder} uses")
            else:
                outer = network
