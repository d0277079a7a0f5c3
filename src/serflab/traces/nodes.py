"""Checking `node_config`: which nodes there are, and which one carries which namespace."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from serflab.traces.document import child, show
from serflab.traces.model import NodeConfig, NodeMode, NodeSpec
from serflab.traces.names import subdomain_problem, suggestion
from serflab.traces.quantity import parse_cpu, parse_memory
from serflab.traces.report import Report, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

MODES: Final[dict[str, NodeMode]] = {
    "single": "single",
    "single_node": "single",
    "per_namespace": "per_namespace",
    "per_namespace_nodes": "per_namespace",
    "pool": "pool",
}
PER_NAMESPACE_SECTIONS: Final = ("per_namespace_nodes", "per_namespace", "nodes")
DEFAULT_CPU: Final = "16"
DEFAULT_MEMORY: Final = "60Gi"

# A node's name is also the value of its label kubernetes.io/hostname, and those end at 63 characters.
_LONGEST_NODE_NAME: Final = 63
_SIZES: Final = ("cpu", "memory")


def check_nodes(value: object, namespaces: Sequence[str], report: Report) -> NodeConfig | None:
    """Return the nodes of `node_config`; findings go to `report`, and then the result may be `None` or incomplete."""
    path = "$.node_config"
    config = report.mapping(value, path)
    if config is None or not report.keys(
        config, path, required=("mode",), optional=("single_node", "pool", *PER_NAMESPACE_SECTIONS)
    ):
        return None
    chosen = report.choice(config["mode"], child(path, "mode"), tuple(MODES))
    if chosen is None:
        return None
    mode = MODES[chosen]
    nodes = {"single": _single, "per_namespace": _per_namespace, "pool": _pool}[mode](config, namespaces, report)
    used: dict[str, str] = {}
    for name, where in ((node.name, where) for node, where in nodes.values()):
        if name in used:
            report.error(where, f"a second node with the name {show(name)}", f"the first one is {used[name]}")
        used.setdefault(name, where)
    of_namespace = {key: node.name for key, (node, _) in nodes.items()} if mode == "per_namespace" else {}
    if mode == "single" and nodes:
        of_namespace = dict.fromkeys(namespaces, nodes[""][0].name)
    return NodeConfig(mode, tuple(node for node, _ in nodes.values()), of_namespace)


_Nodes = dict[str, tuple[NodeSpec, str]]


def _single(config: dict[str, Any], _namespaces: Sequence[str], report: Report) -> _Nodes:
    path = "$.node_config.single_node"
    if "single_node" not in config:
        report.error(path, "missing", 'mode single needs {"name": …, "cpu": "16", "memory": "60Gi"} here')
        return {}
    entry = report.mapping(config["single_node"], path)
    if entry is None or not report.keys(entry, path, required=("name", *_SIZES), optional=()):
        return {}
    node = _node(entry, path, "", report)
    return {"": (node, path)} if node else {}


def _per_namespace(config: dict[str, Any], namespaces: Sequence[str], report: Report) -> _Nodes:
    sections = [key for key in PER_NAMESPACE_SECTIONS if key in config]
    for key in sections[1:]:
        report.error(child("$.node_config", key), f"says again what {sections[0]} says", "keep one of them")
    path = child("$.node_config", sections[0] if sections else PER_NAMESPACE_SECTIONS[0])
    entries = _entries(config[sections[0]], path, namespaces, report) if sections else {}
    result: _Nodes = {}
    for namespace in namespaces:
        entry, where = entries.get(namespace, ({}, child(path, namespace)))
        node = _node(entry, where, f"{namespace}-node", report)
        if node:
            result[namespace] = node, where
    return result


def _entries(
    section: object, path: str, namespaces: Sequence[str], report: Report
) -> dict[str, tuple[dict[str, Any], str]]:
    """Return each namespace's entry and its path: from a map by namespace, or a list (by its key, else by position)."""
    if isinstance(section, dict):
        named = [(namespace, entry, child(path, namespace)) for namespace, entry in section.items()]
    else:
        named = []
        for index, entry in enumerate(report.items(section, path) or []):
            where = child(path, index)
            declared = namespaces[index] if index < len(namespaces) else None
            namespace = entry.get("namespace", declared) if isinstance(entry, dict) else declared
            if not isinstance(namespace, str):
                report.error(where, "which namespace's node is this?", 'give it a "namespace"')
                continue
            named.append((namespace, entry, where))
    result: dict[str, tuple[dict[str, Any], str]] = {}
    for namespace, given, where in named:
        entry = report.mapping(given, where)
        if namespace not in namespaces:
            hint = did_you_mean(namespace, namespaces, otherwise='add it to "namespaces"')
            report.error(where, f"a node for the undeclared namespace {show(namespace)}", hint)
        elif namespace in result:
            report.error(where, f"a second node for the namespace {show(namespace)}", "one node a namespace")
        elif entry is not None:
            report.keys(entry, where, optional=("namespace", "name", *_SIZES))
            result[namespace] = entry, where
    return result


def _pool(config: dict[str, Any], _namespaces: Sequence[str], report: Report) -> _Nodes:
    path = "$.node_config.pool"
    if "pool" not in config:
        report.error(path, "missing", 'mode pool needs {"count": 3, "cpu": "16", "memory": "60Gi"} here')
        return {}
    entry = report.mapping(config["pool"], path)
    if entry is None or not report.keys(entry, path, required=("count", *_SIZES), optional=("name",)):
        return {}
    count = entry["count"]
    if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= 5000:
        report.error(child(path, "count"), f"expected a whole number from 1 to 5000, found {show(count)}")
        return {}
    first = _node(entry, path, "emulation-node", report, suffix="-1")
    if first is None:
        return {}
    stem = first.name.removesuffix("-1")
    specs = [NodeSpec(f"{stem}-{number}", first.cpu_millicores, first.memory_mi) for number in range(1, count + 1)]
    return {spec.name: (spec, path) for spec in specs}


def _node(entry: dict[str, Any], path: str, default_name: str, report: Report, suffix: str = "") -> NodeSpec | None:
    name = report.text(entry.get("name", default_name), child(path, "name"))
    if name is not None:
        name += suffix
        problem = subdomain_problem(name, _LONGEST_NODE_NAME)
        if problem:
            report.error(child(path, "name"), problem, suggestion(name) or "give the node a shorter name")
            name = None
    cpu = _size(entry.get("cpu", DEFAULT_CPU), child(path, "cpu"), parse_cpu, 1, report)
    memory = _size(entry.get("memory", DEFAULT_MEMORY), child(path, "memory"), parse_memory, 1, report)
    return NodeSpec(name, cpu, memory) if name is not None and cpu is not None and memory is not None else None


def _size(value: object, path: str, parse: Callable[[Any], float], least: float, report: Report) -> float | None:
    try:
        size = parse(value)
    except ValueError as error:
        report.error(path, str(error), 'cores such as "16" or "500m"' if parse is parse_cpu else 'such as "60Gi"')
        return None
    if size < least:
        unit, hint = (
            ("1m of CPU", "") if parse is parse_cpu else ("1Mi", 'a number without a suffix means bytes: "60Gi"?')
        )
        report.error(path, f"expected at least {unit}, found {show(value)}", hint)
        return None
    return size
