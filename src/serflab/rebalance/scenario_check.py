"""Reading scenarios: all findings at once, each with its JSON path."""

from __future__ import annotations

from math import fsum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from serflab.errors import Finding, InputError
from serflab.rebalance.names import NODE_CORES, NODE_MEMORY_GIB, POD_PREFIX
from serflab.rebalance.scenario import DEFAULT_STEP_SECONDS, VM, Node, Scenario
from serflab.rebalance.scenario_generate import Recipe, generate
from serflab.traces.check import read_template
from serflab.traces.document import child, read_document, show
from serflab.traces.names import label_problem, subdomain_problem, suggestion
from serflab.traces.report import Report, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from serflab.traces.model import Series

TEMPLATES: Final = "workload_templates"
"""The folder of series for VMs, beside a file of scenarios and in the checkout."""

_LONGEST_ID: Final = 63 - len(POD_PREFIX) - 6
"""So that the VM's pod, `virt-launcher-<id>-<random>`, may still be its own host name."""
_VM_KEYS: Final = ("vcpus", "cpu_request", "memory_request", "time_series", "template", "phase")


def load_scenario(where: str | Path, templates: Path | None = None) -> Scenario:
    """Return the scenario of `FILE` or `FILE:NAME`; a file with several needs the name.

    Workload templates are those of the folder `workload_templates` beside the file, then those of `templates`. Raises
    `InputError` with all findings of the file.
    """
    file, name = _split(str(where))
    found = load_scenarios(file, templates)
    if not name and len(found) == 1:
        return next(iter(found.values()))
    if name in found:
        return found[name]
    hint = did_you_mean(name, found, otherwise=f"it has {', '.join(found)}; write {file}:{next(iter(found))}")
    problem = f"there is no scenario {show(name)}" if name else "the file has several scenarios, which one?"
    raise InputError([Finding(str(file), "$.scenarios", problem, hint)])


def load_scenarios(path: str | Path, templates: Path | None = None) -> dict[str, Scenario]:
    """Return the scenarios of a file by name, in its order; as `load_scenario`."""
    document, findings = read_document(Path(path), str(path))
    folders = [Path(path).parent / TEMPLATES, *([templates] if templates else [])]
    reader = _Reader(Report(str(path), findings), folders)
    found = reader.scenarios(document, Path(path).stem)
    reader.report.settle(document)
    return found


def names_to_choose(where: str | Path) -> list[str]:
    """Return the names of the scenarios in a file that has several, in its order; none if `where` names one.

    Raises `InputError` for a file that cannot be read.
    """
    file, name = _split(str(where))
    document = {} if name else read_document(file, str(file))[0]
    several = document.get("scenarios") if isinstance(document, dict) else None
    return list(several) if isinstance(several, dict) and len(several) > 1 else []


def check_scenario(data: object, file: str, templates: Path | None = None) -> Scenario:
    """Return the one scenario in parsed JSON (an object with `nodes`, `vms` or `generate`); as `load_scenario`."""
    reader = _Reader(Report(file), [templates] if templates else [])
    found = reader.scenario(data, "$", "scenario")
    reader.report.settle(data)
    return found


def find_file(where: str, checkout: Path | None = None) -> str:
    """Return `FILE` or `FILE:NAME` with the file's absolute path: from here, else from the checkout if it is there."""
    path, name = _split(where)
    if checkout is not None and not path.exists():
        inside, name_inside = _split(str(checkout / where))
        path, name = (inside, name_inside) if inside.exists() else (path, name)
    return f"{path.absolute()}:{name}" if name else str(path.absolute())


def _split(where: str) -> tuple[Path, str]:
    path, colon, name = where.rpartition(":")
    return (Path(path), name) if colon and path and not Path(where).exists() else (Path(where), "")


class _Reader:
    """Reads one document into scenarios; what is wrong goes to `report`."""

    def __init__(self, report: Report, templates: Sequence[Path]) -> None:
        self.report = report
        self._templates = {file.stem: file for folder in reversed(templates) for file in folder.glob("*.json")}
        self._series: dict[str, Series | None] = {}
        self._ids: dict[str, str] = {}

    def scenarios(self, document: object, name: str) -> dict[str, Scenario]:
        """Read a file: one scenario, or several by name below `scenarios`."""
        top = self.report.mapping(document, "$") or {}
        if "scenarios" not in top:
            found = self.scenario(top, "$", name) if top or not self.report.findings else None
            return {found.name: found} if found else {}
        self.report.keys(top, "$", required=("scenarios",), optional=("description",))
        several = self.report.mapping(top["scenarios"], "$.scenarios") or {}
        if not several and isinstance(top["scenarios"], dict):
            self.report.error("$.scenarios", "expected at least one scenario, found an empty object")
        return {key: self.scenario(value, child("$.scenarios", key), key) for key, value in several.items()}

    def scenario(self, value: object, path: str, name: str) -> Scenario:
        """Read one scenario; VMs and nodes need names of their own within it."""
        self._ids = {}
        entry = self.report.mapping(value, path) or {}
        known = ("name", "description", "step_seconds", "nodes", "vms", "generate")
        self.report.keys(entry, path, optional=known)
        scenario = Scenario(self._text(entry, "name", path) or name, [], [], self._text(entry, "description", path))
        scenario.step_seconds = self._above_zero(entry, "step_seconds", path, "seconds") or DEFAULT_STEP_SECONDS
        if isinstance(value, dict) and not entry.keys() & {"nodes", "generate"}:
            self.report.error(path, "a scenario needs nodes", 'write "nodes", or "generate" to have them made')
        if "generate" in entry:
            if "nodes" in entry:
                self.report.error(child(path, "nodes"), "there is also a generate", "keep one of them")
            scenario.generated, scenario.nodes = self._generate(entry["generate"], child(path, "generate"))
        elif "nodes" in entry:
            scenario.nodes = self._nodes(entry["nodes"], child(path, "nodes"))
        if "vms" in entry:
            scenario.unplaced = self._vms(entry["vms"], child(path, "vms"))
        return scenario

    def _generate(self, value: object, path: str) -> tuple[dict[str, Any], list[Node]]:
        entry = self.report.mapping(value, path) or {}
        before = len(self.report.findings)
        self.report.keys(entry, path, required=("nodes", "vms"), optional=("cpu", "memory", "imbalance", "seed"))
        chosen: dict[str, Any] = {}
        for key in ("nodes", "vms", "seed"):
            if key in entry:
                chosen[key] = self._whole(entry[key], child(path, key), 0 if key == "seed" else 1)
        for key in ("cpu", "memory"):
            if key in entry:
                chosen[key] = self.report.number(entry[key], child(path, key), positive=True)
        if "imbalance" in entry:
            chosen["imbalance"] = self._ratio(entry["imbalance"], child(path, "imbalance"))
        if len(self.report.findings) > before or not isinstance(value, dict):
            return chosen, []
        recipe = Recipe(**chosen)
        return recipe.document(), generate(recipe)

    def _nodes(self, value: object, path: str) -> list[Node]:
        nodes: dict[str, Node] = {}
        for index, item in enumerate(self.report.items(value, path) or []):
            where = child(path, index)
            entry = self.report.mapping(item, where)
            if entry is None:
                continue
            self.report.keys(entry, where, required=("name",), optional=("cpu_cores", "memory_gib", "vms"))
            name = self._name(entry.get("name"), child(where, "name"), subdomain_problem) if "name" in entry else ""
            if name in nodes:
                self.report.error(child(where, "name"), f"a second node {show(name)}")
            cores = self._above_zero(entry, "cpu_cores", where, "cores") or NODE_CORES
            memory = self._above_zero(entry, "memory_gib", where, "GiB") or NODE_MEMORY_GIB
            vms = self._vms(entry["vms"], child(where, "vms")) if "vms" in entry else []
            nodes[name or where] = Node(name, cores, memory, vms)
        return list(nodes.values())

    def _vms(self, value: object, path: str) -> list[VM]:
        if not isinstance(value, list):
            self.report.items(value, path)
            return []
        return [vm for index, item in enumerate(value) if (vm := self._vm(item, child(path, index)))]

    def _vm(self, value: object, path: str) -> VM | None:
        entry = self.report.mapping(value, path)
        if entry is None:
            return None
        before = len(self.report.findings)
        series = self._points(entry, path)
        own = () if series else ("cpu_consumption", "memory_consumption")
        optional = ("cpu_consumption", "memory_consumption", *_VM_KEYS)
        self.report.keys(entry, path, required=("id", *own), optional=optional)
        name = self._name(entry["id"], child(path, "id"), _id_problem) if "id" in entry else ""
        if name and name in self._ids:
            self.report.error(child(path, "id"), f"a second VM {show(name)}", f"the first one is {self._ids[name]}")
        self._ids.setdefault(name, path)
        means = [fsum(point[axis] for point in series) / len(series) if series else 0.0 for axis in (0, 1)]
        cpu = self._above_zero(entry, "cpu_consumption", path, "ratios of a node", means[0])
        memory = self._above_zero(entry, "memory_consumption", path, "ratios of a node", means[1])
        if series and "template" in entry:
            scale = [wanted / mean if mean else 0.0 for wanted, mean in zip((cpu, memory), means, strict=True)]
            series = tuple((scale[0] * point[0], scale[1] * point[1]) for point in series)
        vm = VM(name, cpu, memory, series=series, template=entry.get("template", ""))
        if "vcpus" in entry:
            vm.vcpus = self._whole(entry["vcpus"], child(path, "vcpus"), 1)
        if "phase" in entry:
            vm.phase = self._whole(entry["phase"], child(path, "phase"), 0)
        vm.cpu_request = self._above_zero(entry, "cpu_request", path, "ratios of a node") or None
        vm.memory_request = self._above_zero(entry, "memory_request", path, "ratios of a node") or None
        return vm if len(self.report.findings) == before else None

    def _points(self, entry: dict[str, Any], path: str) -> tuple[tuple[float, float], ...]:
        """Read the points of `time_series` (ratios of a node), or those of `template` (millicores and Mi)."""
        if "time_series" in entry and "template" in entry:
            self.report.error(child(path, "template"), "there is also a time_series", "keep one of them")
        if "time_series" in entry:
            where = child(path, "time_series")
            points = self.report.items(entry["time_series"], where) or []
            return tuple(self._point(point, child(where, index)) for index, point in enumerate(points))
        if "template" not in entry:
            return ()
        series = self._template(entry["template"], child(path, "template"))
        columns = (series.cpu, series.memory) if series else ((), ())
        units = 1000 * NODE_CORES, 1024 * NODE_MEMORY_GIB
        return tuple((cpu / units[0], memory / units[1]) for cpu, memory in zip(*columns, strict=True))

    def _point(self, value: object, path: str) -> tuple[float, float]:
        point = self.report.mapping(value, path)
        if point is None or not self.report.keys(point, path, required=("cpu", "memory"), optional=("time",)):
            return 0.0, 0.0
        cpu, memory = (
            self.report.number(point[key], child(path, key), "ratios of a node") for key in ("cpu", "memory")
        )
        return cpu or 0.0, memory or 0.0

    def _template(self, value: object, path: str) -> Series | None:
        name = self.report.text(value, path)
        if name is None or name in self._series:
            return self._series.get(name or "")
        self._series[name] = None
        known = sorted(self._templates)
        if name not in known:
            hint = did_you_mean(name, known, otherwise=f"there are {', '.join(known)}" if known else "there are none")
            self.report.error(path, f"there is no workload template {show(name)}", hint)
        else:
            try:
                self._series[name] = read_template(self._templates[name]).series
            except InputError as error:
                self.report.findings += error.findings
        return self._series[name]

    def _name(self, value: object, path: str, problem: Callable[[str], str]) -> str:
        name = self.report.text(value, path) or ""
        if name and (wrong := problem(name)):
            self.report.error(path, wrong, suggestion(name, problem))
        return name

    def _text(self, entry: dict[str, Any], key: str, path: str) -> str:
        return self.report.text(entry[key], child(path, key)) or "" if entry.get(key, "") != "" else ""

    def _above_zero(self, entry: dict[str, Any], key: str, path: str, unit: str, otherwise: float = 0.0) -> float:
        if key not in entry:
            return otherwise
        return self.report.number(entry[key], child(path, key), unit, positive=True) or otherwise

    def _whole(self, value: object, path: str, least: int) -> int:
        if isinstance(value, int) and not isinstance(value, bool) and value >= least:
            return value
        self.report.error(path, f"expected a whole number of at least {least}, found {show(value)}")
        return least

    def _ratio(self, value: object, path: str) -> float:
        number = self.report.number(value, path)
        if number is not None and number > 1:
            self.report.error(path, f"expected a number from 0 to 1, found {show(value)}")
        return number or 0.0


def _id_problem(name: str) -> str:
    """Return what is wrong with `name` as the name of a VM, or nothing."""
    if len(name) > _LONGEST_ID:
        return f"too long: the VM's pod adds to it, so at most {_LONGEST_ID} characters; this one has {len(name)}"
    return label_problem(name)
