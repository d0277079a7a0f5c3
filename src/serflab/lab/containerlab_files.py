"""The files that are handed to containerlab, and the note of what was deployed from where.

A part of a lab has a file of its own: with `--node-filter` containerlab can deploy a part, but not repair it later.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from serflab.lab.expansion import escape, variables_in
from serflab.lab.inventory import write_atomically
from serflab.lab.topology import read_yaml

if TYPE_CHECKING:
    from collections.abc import Iterable

    from serflab.lab.containerlab_plan import ContainerPlan

_DIRECTORY = "containerlab"
_NOTE = "deployed.json"
# What containerlab seeks from the directory of the topology file, if it is a path: other texts are loaded from
# elsewhere, are the content itself, begin in a home, or with a variable that becomes an absolute path.
_FILES = ("startup-config", "license")
_NO_RELATIVE_PATH = re.compile(r"(https?|s3|s?ftp|scp)://|~|__clabDir__|__clabNodeDir__|[^\n]*\n|$")


@dataclass(frozen=True, slots=True)
class Deployment:
    """A lab that was handed to containerlab: its name, the file, and where its lab directory lies.

    `variables` are those of the environment that the file asks for: with others the lab would be another one.
    """

    lab: str
    file: Path
    base: Path
    variables: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, plan: ContainerPlan) -> Deployment:
        """Return what a plan deploys."""
        original = plan.topology.file.resolve()
        part = plan.settings.state_dir / _DIRECTORY / f"{plan.topology.name}.clab.yml"
        asked = variables_in(original.read_text(encoding="utf-8"))
        variables = {name: value for name, value in plan.settings.environment.items() if name in asked}
        return cls(plan.topology.name, original if plan.is_whole else part, original.parent, variables)

    def write(self, plan: ContainerPlan) -> None:
        """Write the note, and the file of a part of the lab."""
        if not plan.is_whole:
            # The variables are expanded already; what they hold must not be expanded again.
            text = escape(yaml.safe_dump(part_of(plan), sort_keys=False))
            write_atomically(self.file, f"# A part of a lab, written by `serflab up`.\n{text}")
        note = {"lab": self.lab, "file": str(self.file), "base": str(self.base), "variables": self.variables}
        write_atomically(plan.settings.state_dir / _DIRECTORY / _NOTE, json.dumps(note, indent=2) + "\n")


def load_deployment(state_dir: Path) -> Deployment | None:
    """Return what was deployed from this state directory, None where nothing was."""
    try:
        note = json.loads((state_dir / _DIRECTORY / _NOTE).read_text(encoding="utf-8"))
        return Deployment(note["lab"], Path(note["file"]), Path(note["base"]), dict(note["variables"]))
    except (OSError, ValueError, LookupError, TypeError):
        return None


def part_of(plan: ContainerPlan) -> dict[str, Any]:
    """Return the topology file with the planned nodes and the links between them; its paths are absolute."""
    settings = plan.settings
    data: dict[str, Any] = read_yaml(settings.topology, settings.environment)
    topology, base = data["topology"], plan.topology.file.resolve().parent
    wanted = {node.name for node in plan.nodes}
    topology["nodes"] = {name: node for name, node in topology["nodes"].items() if name in wanted}
    declared = {node.name for node in plan.topology.nodes}
    topology["links"] = [link for link in topology.get("links") or [] if not _ends(link) & (declared - wanted)]
    for level in _levels(topology):
        _make_absolute(level, base)
    authority = (data.get("settings") or {}).get("certificate-authority") or {}
    for key in authority.keys() & {"cert", "key"}:
        authority[key] = _absolute(authority[key], base)
    return data


def _levels(topology: dict[str, Any]) -> Iterable[dict[str, Any]]:
    groups = [topology.get("kinds") or {}, topology.get("groups") or {}, topology["nodes"]]
    found = [topology.get("defaults"), *(level for group in groups for level in group.values())]
    return [level for level in found if level]


def _ends(link: dict[str, Any]) -> set[str]:
    ends = link.get("endpoints") or [link.get("endpoint")]
    return {end["node"] if isinstance(end, dict) else str(end).partition(":")[0] for end in ends if end}


def _make_absolute(level: dict[str, Any], base: Path) -> None:
    """Make the paths in a node, or in what nodes inherit from, absolute."""
    if binds := level.get("binds"):
        level["binds"] = [_absolute_bind(str(bind), base) for bind in binds]
    if files := level.get("env-files"):
        level["env-files"] = [_absolute(file, base) for file in files]
    credentials = level.get("credentials") or {}
    for place, key in [*((level, key) for key in _FILES), (credentials, "identity-file")]:
        if key in place:
            place[key] = _absolute(place[key], base)


def _absolute_bind(bind: str, base: Path) -> str:
    source, colon, rest = bind.partition(":")
    return f"{_absolute(source, base)}{colon}{rest}"


def _absolute(path: object, base: Path) -> object:
    return path if not isinstance(path, str) or _NO_RELATIVE_PATH.match(path) else str(base / path)
