"""The program that gives a serf its addresses on the lab's links: `python3 -m serflab.lab.link_addresses`.

It runs inside the serf's network namespace and stays: links come and go with `containerlab deploy` and `restart`, and
each time an interface appears it gets its address again, and the routes over it come back. What it needs:

- addresses from the node's labels, as containerlab hands them on: `CLAB_LABEL_SERFLAB_ADDRESS_ETH1=10.20.1.1/30`;
- routes from the topology file, where that is to be found (`SERFLAB_TOPOLOGY`), for the node of `SERFLAB_NAME`;
- `ip` of iproute2, and the capability NET_ADMIN.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from serflab.errors import SerflabError
from serflab.lab.addresses import LABEL, MANAGEMENT, parse_address, routes
from serflab.lab.topology import load_topology

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from ipaddress import IPv4Interface, IPv4Network

log = logging.getLogger("links")

NAME_ENV: Final = "SERFLAB_NAME"
TOPOLOGY_ENV: Final = "SERFLAB_TOPOLOGY"
DEFAULT_TOPOLOGY: Final = Path("/opt/topology.yaml")
INTERFACES_ENV: Final = "CLAB_INTFS"
_LABEL_ENV: Final = "CLAB_LABEL_"
# By this number of its own (rtnetlink's "protocol") a route is known as one of ours; 186 and above are free.
_PROTOCOL: Final = "205"
_RTMGRP_LINK: Final = 1  # <linux/rtnetlink.h>: interfaces that come, go, or change their state
_SETTLE_SECONDS: Final = 0.2
_LOOK_SECONDS: Final = 10.0


def environment_key(label: str) -> str:
    """Return the name under which containerlab hands a label to a node's processes.

    It replaces `-+./` by an underscore, leaves out what else cannot be in a name, and writes it in capitals.
    """
    return _LABEL_ENV + re.sub(r"[^A-Za-z0-9_]+", "", re.sub(r"[-+./]", "_", label)).upper()


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a node is to have: addresses by the name of their environment variable, and routes by neighbours.

    `interfaces` is how many links containerlab will give it, 0 where it does not say.
    """

    addresses: Mapping[str, IPv4Interface]
    routes: Sequence[tuple[IPv4Network, IPv4Interface]] = ()
    interfaces: int = 0

    def address(self, interface: str) -> IPv4Interface | None:
        """Return the address that an interface is to have."""
        return None if interface == MANAGEMENT else self.addresses.get(environment_key(f"{LABEL}{interface}"))


@dataclass(slots=True)
class Interfaces:
    """The interfaces that there are, without the management one: those that are up, and their addresses."""

    up: set[str] = field(default_factory=set)
    addresses: dict[str, set[str]] = field(default_factory=dict)


def read_wanted(environ: Mapping[str, str]) -> Wanted:
    """Return what the environment of a node asks for; what cannot be used of it is logged and left out."""
    prefix = environment_key(LABEL)
    found = {}
    for key, text in environ.items():
        if key.startswith(prefix):
            try:
                found[key] = parse_address(text)
            except ValueError as error:
                log.warning("%s %s", key, error)
    if found.pop(environment_key(f"{LABEL}{MANAGEMENT}"), None):
        log.warning("%s is the container engine's; it keeps its address", MANAGEMENT)
    count = environ.get(INTERFACES_ENV, "")
    return Wanted(found, _routes(environ), int(count) if count.isdecimal() else 0)


def _routes(environ: Mapping[str, str]) -> list[tuple[IPv4Network, IPv4Interface]]:
    name = environ.get(NAME_ENV) or environ.get(environment_key("clab-node-name")) or socket.gethostname()
    file = Path(environ.get(TOPOLOGY_ENV) or DEFAULT_TOPOLOGY)
    if not file.exists():
        log.info("there is no %s: neighbours are reached, and nothing behind them", file)
        return []
    try:
        return routes(load_topology(file), name)
    except SerflabError as error:
        log.warning("no routes beyond the neighbours: %s", error)
        return []


def look() -> Interfaces:
    """Return the interfaces of this network namespace; raises `SerflabError`."""
    found = Interfaces()
    for item in _ip_json("address", "show"):
        name = item["ifname"]
        if name != MANAGEMENT:
            if "UP" in item["flags"]:
                found.up.add(name)
            known = [entry for entry in item.get("addr_info", ()) if entry.get("family") == "inet"]
            found.addresses[name] = {f"{entry['local']}/{entry['prefixlen']}" for entry in known}
    return found


def changes(wanted: Wanted, found: Interfaces, known_routes: set[tuple[str, str]]) -> list[str]:
    """Return the commands of `ip -batch` that are missing between what there is and what is wanted.

    `known_routes` are those that were set before, as pairs of destination and neighbour.
    """
    commands, reached = [], []
    for name, there in found.addresses.items():
        address = wanted.address(name)
        if address is None:
            continue
        reached.append((name, address.network))
        if address.with_prefixlen not in there:
            commands.append(f"address replace {address.with_prefixlen} dev {name}")
        if name not in found.up:
            commands.append(f"link set {name} up")
    due = {}
    for network, neighbour in wanted.routes:
        device = next((name for name, subnet in reached if neighbour.ip in subnet), None)
        if device is not None:
            due[_destination(network), str(neighbour.ip)] = device
    stale = known_routes - due.keys()
    commands += [f"route delete {to} via {via} proto {_PROTOCOL}" for to, via in sorted(stale)]
    commands += [
        f"route replace {to} via {via} dev {device} proto {_PROTOCOL}"
        for (to, via), device in due.items()
        if (to, via) not in known_routes
    ]
    return commands


def missing(wanted: Wanted, found: Interfaces) -> list[str]:
    """Return the interfaces that are not there yet, by the names of their variables; empty once all are."""
    keys = {environment_key(f"{LABEL}{name}") for name in found.addresses}
    return sorted(key.removeprefix(environment_key(LABEL)) for key in wanted.addresses.keys() - keys)


def reconcile(wanted: Wanted) -> None:
    """Bring addresses and routes up to what is wanted; raises `SerflabError` when that cannot be done."""
    found = look()
    known = {
        (item["dst"], item["gateway"]) for item in _ip_json("route", "show", "proto", _PROTOCOL) if "gateway" in item
    }
    commands = changes(wanted, found, known)
    if not commands:
        return
    # Of several changes each is made that can be; the first that cannot is told.
    _ip("-force", "-batch", "-", given="\n".join(commands) + "\n")
    for command in commands:
        log.info("%s", command)


def _destination(network: IPv4Network) -> str:
    """Return a network as `ip` writes it: one address alone has no prefix."""
    return str(network.network_address) if network.prefixlen == 32 else str(network)


def _ip_json(*arguments: str) -> list[dict[str, Any]]:
    text = _ip("-json", *arguments)
    found: list[dict[str, Any]] = json.loads(text) if text.strip() else []
    # Older versions leave an empty object where a line was filtered out.
    return [item for item in found if item]


def _ip(*arguments: str, given: str = "") -> str:
    program = shutil.which("ip")
    if program is None:
        raise SerflabError("there is no program `ip`", hint="the image needs the package iproute2")
    done = subprocess.run((program, *arguments), input=given, capture_output=True, text=True, check=False)
    if done.returncode:
        problem = done.stderr.strip().splitlines()[0] if done.stderr.strip() else f"exit status {done.returncode}"
        hint = "add `cap-add: [NET_ADMIN]` to the node in the topology file" if "not permitted" in problem else ""
        raise SerflabError(f"ip {' '.join(arguments)}: {problem}", hint=hint)
    return done.stdout


def follow(wanted: Wanted) -> None:
    """Keep addresses and routes as wanted, also when interfaces come and go, until SIGTERM or Ctrl-C."""
    told = ""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.NETLINK_ROUTE) as netlink:
        netlink.bind((0, _RTMGRP_LINK))
        while True:
            try:
                reconcile(wanted)
                waiting = missing(wanted, look())
                state = f"waiting for {', '.join(waiting)}" if waiting else "all interfaces have their addresses"
            except SerflabError as error:
                state = str(error)
            if state != told:
                log.info("%s", state)
                told = state
            select.select([netlink], [], [], _LOOK_SECONDS)
            # One change is told in several messages; what they say is asked of `ip` once they are over.
            select.select([], [], [], _SETTLE_SECONDS)
            _drain(netlink)


def _drain(netlink: socket.socket) -> None:
    # ENOBUFS: more was told than there was room for, which says no less.
    with contextlib.suppress(OSError):
        while netlink.recv(65536):
            pass


def main() -> int:
    """Run until SIGTERM or Ctrl-C; return the exit status."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)-7s %(message)s", stream=sys.stderr)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        wanted = read_wanted(os.environ)
        log.info("%d addresses, %d routes, %d links", len(wanted.addresses), len(wanted.routes), wanted.interfaces)
        follow(wanted)
    except KeyboardInterrupt:
        log.info("stopped")
    return 0


if __name__ == "__main__":
    sys.exit(main())
