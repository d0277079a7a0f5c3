"""`/api/links`: what is in force on the links of the lab, and setting it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import Blueprint, Response, request

from serflab.errors import SerflabError
from serflab.lab.impairments import NETEM, SET, Impairment, Setting, with_settings
from serflab.lab.link_values import parse_delay, parse_loss, parse_rate
from serflab.lab.netem import Netem, NetemError
from serflab.lab.overview import link_entries
from serflab.web import body
from serflab.web.body import fields, json_body
from serflab.web.errors import ApiError, bad_parameter, json_response, one_of, unknown
from serflab.web.lookup import observer

if TYPE_CHECKING:
    from collections.abc import Callable

    from serflab.lab.netem import End
    from serflab.lab.topology import Link
    from serflab.web.body import Check

LONGEST_SECONDS = 3600
LEAST_RATE, MOST_RATE = 1e3, 1e12

blueprint = Blueprint("links", __name__, url_prefix="/api/links")


def _value(check: Check, parse: Callable[[str], float]) -> Check:
    """Return the check of a number, or of a text that `parse` makes one of."""

    def checked(name: str, value: object) -> object:
        if not isinstance(value, str):
            return check(name, value)
        try:
            return check(name, parse(value))
        except ValueError as error:
            raise bad_parameter(name, f"{name} {error}"[:300], "a value with its unit, or a number") from error

    return checked


_TIME = _value(body.number(f"seconds, 0 to {LONGEST_SECONDS}, or a text such as 20ms", 0, LONGEST_SECONDS), parse_delay)
_LOSS = _value(body.number("percents from 0 to below 100, or a text such as 1%", 0, 99.9999), parse_loss)
_RATE = _value(
    body.number("bits a second, 1000 to 1e12, null for no limit, or a text such as 100mbit", LEAST_RATE, MOST_RATE),
    parse_rate,
)


def _rate(name: str, value: object) -> object:
    return None if value is None else _RATE(name, value)


_VALUES = {"delay": _TIME, "jitter": _TIME, "loss": _LOSS, "rate": _rate}


@blueprint.get("")
def links() -> Response:
    """Answer all links."""
    return json_response({"links": _entries()})


@blueprint.put("/<a>/<b>")
def set_link(a: str, b: str) -> Response:
    """Set what a link is impaired by, all of it at once."""
    link = _find(a, b)
    impairment = Impairment(**fields(json_body(), {}, _VALUES))
    if impairment.jitter and not impairment.delay:
        raise bad_parameter("jitter", "jitter is given without a delay that could vary", "given with a delay")
    return _change(link, impairment)


@blueprint.delete("/<a>/<b>")
def clear_link(a: str, b: str) -> Response:
    """Forget what a link was set to."""
    return _change(_find(a, b), None)


def _find(a: str, b: str) -> Link:
    """Return the link between two nodes; 404 for no such nodes or link, 400 where the interface does not tell which."""
    topology = observer().topology
    names = [node.name for node in topology.nodes]
    for name in (a, b):
        if topology.node(name) is None:
            raise unknown("node", name, names)
    ends = [(link, *pair) for link in topology.links for pair in ((link.a, link.b), (link.b, link.a))]
    found = {near.interface: link for link, near, far in ends if (near.node, far.node) == (a, b)}
    if not found:
        near = sorted({far.node for _, near, far in ends if near.node == a})
        hint = f"{a} is linked with {', '.join(near)}" if near else f"{a} has no links"
        raise ApiError(404, "unknown_link", f"no link joins {a} and {b}", hint=hint)
    interface = request.args.get("interface")
    if interface is None and len(found) > 1:
        raise bad_parameter("interface", f"{len(found)} links join {a} and {b}", f"one of {', '.join(found)}", found)
    if interface is not None and interface not in found:
        raise one_of("interface", interface, found)
    return found[interface] if interface is not None else next(iter(found.values()))


def _change(link: Link, impairment: Impairment | None) -> Response:
    lab = observer()
    if lab.inventory is None:
        raise ApiError(503, "lab_absent", f"no lab is up: {lab.inventory_error}", hint="bring it up with `serflab up`")
    settings, ends = lab.link_settings, _containers(link)
    if ends is not None:
        try:
            Netem().reset(ends) if impairment is None else Netem().set(ends, impairment)
        except NetemError as error:
            raise ApiError(409, "netem_refused", error.message, hint=error.hint) from error
    try:
        if impairment is None:
            settings.clear(link.id)
        else:
            settings.put(link.id, Setting(impairment, SET if ends is None else NETEM))
    except SerflabError as error:
        raise ApiError(503, "unavailable", error.message, hint="is the state directory writable?") from error
    return json_response({"link": next(entry for entry in _entries() if entry["id"] == link.id)})


def _entries() -> list[dict[str, Any]]:
    """Return all links as they are set this moment: the observer reads the settings a moment later."""
    lab = observer()
    settings = lab.link_settings.load() if lab.inventory else {}
    return link_entries(lab, with_settings(lab.declared_topology, settings))


def _containers(link: Link) -> list[End] | None:
    """Return the ends of a real link by their containers; None for an emulated one. 409 while they are not known."""
    lab = observer()
    known = lab.interfaces
    if known is None:
        return None
    serfs = lab.inventory.serfs if lab.inventory else ()
    containers = {serf.name: serf.container for serf in serfs} | dict(known.containers)
    ends = [(containers.get(end.node), end.interface) for end in (link.a, link.b)]
    found = [(container, interface) for container, interface in ends if container]
    if len(found) < len(ends):
        missing = " and ".join(end.node for end in (link.a, link.b) if not containers.get(end.node))
        raise ApiError(
            409,
            "netem_refused",
            f"containerlab tells of no container of {missing}",
            hint=lab.interfaces_problem or "`serflab status` shows which nodes are up",
        )
    return found
