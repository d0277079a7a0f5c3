"""What the overview of the lab tells of a link: its state, what is in force on it, and the interfaces at its ends."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from serflab.lab.cluster_view import UNREACHABLE
from serflab.lab.impairments import impairment_of
from serflab.lab.link_state import DOWN, MISSING, UP, InterfaceState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from serflab.lab.link_state import LabInterfaces
    from serflab.lab.topology import Endpoint, Link

# A serf of the topology that is not up; a link that leads to one.
ABSENT = "absent"


def link_entry(link: Link, states: Mapping[str, str], known: LabInterfaces | None) -> dict[str, Any]:
    """Return a link as the API tells it; `states` are those of the nodes, `known` is None where links are emulated."""
    ends = [_end(end, known) for end in (link.a, link.b)]
    nodes = {states[link.a.node], states[link.b.node]}
    interfaces = {end["state"] for end in ends}
    if ABSENT in nodes:
        state = ABSENT
    elif UNREACHABLE in nodes or interfaces & {DOWN, MISSING}:
        state = DOWN
    else:
        state = UP
    return {
        "id": link.id,
        "endpoints": ends,
        "state": state,
        "labels": link.labels,
        **asdict(impairment_of(link)),
        "source": link.source,
        "emulated": known is None,
    }


def _end(end: Endpoint, known: LabInterfaces | None) -> dict[str, Any]:
    """Return an end; its state is null where nothing is known of its interface, also of a node that is none of ours."""
    found = known.interfaces.get((end.node, end.interface)) if known else None
    if found is None and known and end.node in known.containers:
        found = InterfaceState(MISSING)
    return {
        "node": end.node,
        "interface": end.interface,
        "state": found.state if found else None,
        "rx_bytes": found.rx_bytes if found else None,
        "tx_bytes": found.tx_bytes if found else None,
        "rx_rate": found.rx_rate if found else None,
        "tx_rate": found.tx_rate if found else None,
    }
