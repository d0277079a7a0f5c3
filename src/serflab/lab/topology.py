"""The containerlab topology file: its nodes, which of them are serfs, and the links between them.

Source of the format: https://containerlab.dev/manual/topo-def-file/. Only what the lab needs is read; everything else
in the file is containerlab's and left alone.
"""

from __future__ import annotations

import difflib
import os
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import yaml

from serflab.errors import Finding, InputError
from serflab.lab.addresses import address_findings
from serflab.lab.expansion import expand
from serflab.lab.link_values import (
    DELAY_LABEL,
    JITTER_LABEL,
    LOSS_LABEL,
    RATE_LABEL,
    parse_delay,
    parse_loss,
    parse_rate,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

ROLE_LABEL = "serflab.role"
SERF_ROLE = "serf"
_SERF_NAME = re.compile(r"serf(\d+)")
_NAME = re.compile(r"[a-zA-Z0-9]([a-zA-Z0-9._-]*[a-zA-Z0-9])?")
_UNITS_HINT = (
    "rates are in bit, kbit, mbit, gbit (bps: bytes per second), times in us, ms, s, losses in %; leave out what is not"
    " limited"
)
# A link endpoint on the host side ("host:eth0", "mgmt-net:br1", "macvlan:…") names no node of the file.
_SPECIAL_ENDPOINTS = frozenset({"host", "mgmt-net", "macvlan", "vxlan", "vxlan-stitch", "dummy"})


@dataclass(frozen=True, slots=True)
class Node:
    """A node of the topology; `role` is `serf` or whatever its `serflab.role` label or kind says.

    `binds` and `ports` are as they are written, `HOST:CONTAINER[:OPTIONS]` and `[ADDRESS:][HOST:]CONTAINER[/PROTOCOL]`;
    `mgmt_ipv4` is its fixed address in the management network, empty where it has none.
    """

    name: str
    kind: str
    role: str
    image: str = ""
    group: str = ""
    labels: dict[str, str] = field(default_factory=dict)
    env: dict[str, str] = field(default_factory=dict)
    binds: tuple[str, ...] = ()
    ports: tuple[str, ...] = ()
    mgmt_ipv4: str = ""

    @property
    def is_serf(self) -> bool:
        """Whether this node is an emulated cluster."""
        return self.role == SERF_ROLE


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One end of a link."""

    node: str
    interface: str


@dataclass(frozen=True, slots=True)
class Link:
    """A link between the interfaces of two nodes, with its labels and what they say of it.

    `rate` is what it carries (bits/s, None: not limited), `delay` how long it takes one way and `jitter` by how much
    that varies (s), `loss` how much gets lost (percent). `source` says where these come from: `label`, `set` (with
    `serflab link set`), `netem` (found in the kernel), or `none` where nothing is said.
    """

    a: Endpoint
    b: Endpoint
    labels: dict[str, str] = field(default_factory=dict)
    rate: float | None = None
    delay: float = 0.0
    jitter: float = 0.0
    loss: float = 0.0
    source: str = "none"

    @property
    def id(self) -> str:
        """Return what tells it from all other links: `serf1:eth1--serf2:eth2`."""
        return f"{self.a.node}:{self.a.interface}--{self.b.node}:{self.b.interface}"


@dataclass(frozen=True, slots=True)
class Topology:
    """A topology file; nodes and links in the order of the file."""

    file: Path
    name: str
    nodes: tuple[Node, ...]
    links: tuple[Link, ...]

    @property
    def serfs(self) -> tuple[Node, ...]:
        """Return the nodes that are serfs, in the order of the file."""
        return tuple(node for node in self.nodes if node.is_serf)

    def node(self, name: str) -> Node | None:
        """Return the node of that name, or None."""
        return next((node for node in self.nodes if node.name == name), None)


def load_topology(path: Path, environment: Mapping[str, str] | None = None) -> Topology:
    """Read and check a topology file, with variables of `environment` (None: of this process) expanded.

    Raises `InputError` with every finding when the file cannot be read or its nodes and links do not fit together.
    """
    return _Reader(path).read(read_yaml(path, environment))


def read_yaml(path: Path, environment: Mapping[str, str] | None = None) -> Any:  # noqa: ANN401 - whatever YAML holds
    """Return what a topology file holds once its variables are expanded; `InputError` when it cannot be read."""
    try:
        text = path.read_text(encoding="utf-8")
        return yaml.safe_load(expand(text, os.environ if environment is None else environment))
    except OSError as error:
        hint = "give the path of a containerlab topology file with --topology"
        raise InputError([Finding(str(path), "", f"cannot be read ({error.strerror})", hint)]) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError([Finding(str(path), "", f"is not YAML: {_one_line(error)}")]) from error


def _one_line(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    if mark is None:
        return str(error)
    return f"line {mark.line + 1}, column {mark.column + 1}: {getattr(error, 'problem', error)}"


class _Reader:
    """Turns the parsed file into a `Topology` and gathers what is wrong on the way."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._findings: list[Finding] = []

    def read(self, data: object) -> Topology:
        root = self._mapping(data, "$")
        topology = self._mapping(root.get("topology"), "$.topology")
        name = root.get("name")
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            self._find("$.name", f"is {name!r}; expected the lab's name", "add a line such as `name: emulation`")
        nodes = self._nodes(topology)
        links = self._links(topology.get("links"), {node.name for node in nodes})
        self._findings += address_findings(self._path, nodes, links)
        if self._findings:
            raise InputError(self._findings)
        return Topology(self._path, str(name), tuple(nodes), tuple(links))

    def _find(self, path: str, problem: str, hint: str = "") -> None:
        finding = Finding(str(self._path), path, problem, hint)
        # What several nodes inherit is read for each of them.
        if finding not in self._findings:
            self._findings.append(finding)

    def _mapping(self, value: object, path: str, *, required: bool = True) -> dict[str, Any]:
        if isinstance(value, dict):
            return {str(key): item for key, item in value.items()}
        if value is not None or required:
            self._find(path, f"is {_type_name(value)}; expected a mapping")
        return {}

    def _nodes(self, topology: dict[str, Any]) -> list[Node]:
        defaults = self._mapping(topology.get("defaults"), "$.topology.defaults", required=False)
        kinds = self._mapping(topology.get("kinds"), "$.topology.kinds", required=False)
        groups = self._mapping(topology.get("groups"), "$.topology.groups", required=False)
        found = self._mapping(topology.get("nodes"), "$.topology.nodes")
        nodes = []
        for name, value in found.items():
            path = f"$.topology.nodes.{name}"
            if not _NAME.fullmatch(name):
                self._find(path, f"is named {name!r}; expected letters, digits, '-', '_' and '.'")
            own = self._mapping(value, path, required=False)
            group = str(own.get("group") or "")
            group_level = self._mapping(groups.get(group), f"$.topology.groups.{group}", required=False)
            kind = str(own.get("kind") or group_level.get("kind") or defaults.get("kind") or "linux")
            kind_level = self._mapping(kinds.get(kind), f"$.topology.kinds.{kind}", required=False)
            levels = (
                ("$.topology.defaults", defaults),
                (f"$.topology.kinds.{kind}", kind_level),
                (f"$.topology.groups.{group}", group_level),
                (path, own),
            )
            labels = self._merged("labels", levels)
            image = next((str(level["image"]) for _, level in reversed(levels) if level.get("image")), "")
            role = labels.get(ROLE_LABEL) or (SERF_ROLE if _SERF_NAME.fullmatch(name) else kind)
            nodes.append(
                Node(
                    name=name,
                    kind=kind,
                    role=role,
                    image=image,
                    group=group,
                    labels=labels,
                    env=self._merged("env", levels),
                    binds=tuple(text for where, level in levels for text in self._texts("binds", level, where)),
                    ports=self._texts("ports", own, path),
                    mgmt_ipv4=str(own.get("mgmt-ipv4") or ""),
                )
            )
        return nodes

    def _texts(self, key: str, level: dict[str, Any], path: str) -> tuple[str, ...]:
        value = level.get(key)
        if value is None:
            return ()
        if not isinstance(value, list):
            self._find(f"{path}.{key}", f"is {_type_name(value)}; expected a list")
            return ()
        return tuple(str(item) for item in value)

    def _merged(self, key: str, levels: tuple[tuple[str, dict[str, Any]], ...]) -> dict[str, str]:
        merged: dict[str, str] = {}
        for path, level in levels:
            for name, value in self._mapping(level.get(key), f"{path}.{key}", required=False).items():
                if isinstance(value, dict | list):
                    self._find(f"{path}.{key}.{name}", f"is {_type_name(value)}; expected a text or a number")
                merged[name] = "" if value is None else str(value)
        return merged

    def _links(self, value: object, names: set[str]) -> list[Link]:
        if value is None:
            return []
        if not isinstance(value, list):
            self._find("$.topology.links", f"is {_type_name(value)}; expected a list")
            return []
        links, used = [], dict[Endpoint, str]()
        for index, item in enumerate(value):
            path = f"$.topology.links[{index}]"
            link = self._mapping(item, path)
            ends = link.get("endpoints")
            if not isinstance(ends, list) or len(ends) != 2:
                if isinstance(item, dict) and str(link.get("type", "veth")) in {"veth", ""}:
                    self._find(f"{path}.endpoints", "expected two endpoints such as [serf1:eth1, serf2:eth1]")
                continue
            pair = [self._endpoint(end, f"{path}.endpoints[{side}]", names) for side, end in enumerate(ends)]
            for side, end in enumerate(pair):
                if end is None or end.node not in names:
                    continue
                place = f"{path}.endpoints[{side}]"
                if end in used:
                    self._find(place, f"interface {end.node}:{end.interface} is already used by {used[end]}")
                used.setdefault(end, place)
            if pair[0] is not None and pair[1] is not None:
                given = self._mapping(link.get("labels"), f"{path}.labels", required=False)
                labels = {key: str(text) for key, text in given.items()}
                links.append(self._link(pair[0], pair[1], labels, path))
        return links

    def _link(self, a: Endpoint, b: Endpoint, labels: dict[str, str], path: str) -> Link:
        rate = self._link_value(labels, RATE_LABEL, parse_rate, path)
        delay = self._link_value(labels, DELAY_LABEL, parse_delay, path) or 0.0
        jitter = self._link_value(labels, JITTER_LABEL, parse_delay, path) or 0.0
        loss = self._link_value(labels, LOSS_LABEL, parse_loss, path) or 0.0
        said = labels.keys() & {RATE_LABEL, DELAY_LABEL, JITTER_LABEL, LOSS_LABEL}
        return Link(a, b, labels, rate, delay, jitter, loss, "label" if said else "none")

    def _link_value(self, labels: dict[str, str], label: str, parse: Callable[[str], float], path: str) -> float | None:
        try:
            return parse(labels[label]) if label in labels else None
        except ValueError as error:
            self._find(f"{path}.labels.{label}", str(error), _UNITS_HINT)
            return None

    def _endpoint(self, value: object, path: str, names: set[str]) -> Endpoint | None:
        if isinstance(value, dict):
            node, interface = str(value.get("node", "")), str(value.get("interface", ""))
        elif isinstance(value, str):
            node, _, interface = value.partition(":")
        else:
            node, interface = "", ""
        if not node or not interface:
            self._find(path, f"is {value!r}; expected NODE:INTERFACE")
            return None
        if node not in names and node not in _SPECIAL_ENDPOINTS:
            near = difflib.get_close_matches(node, names, n=1)
            hint = f"did you mean {near[0]}?" if near else "declare it below $.topology.nodes"
            self._find(path, f"names node {node!r}, which the file does not declare", hint)
            return None
        return Endpoint(node, interface)


def _type_name(value: object) -> str:
    if value is None:
        return "missing"
    return {dict: "a mapping", list: "a list", str: "a text", bool: "true or false"}.get(type(value), "a number")
