"""What is exported: the serfs of a topology as pods of StatefulSets, decided and checked before anything is written."""

from __future__ import annotations

import gzip
import hashlib
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from serflab.errors import Finding, InputError
from serflab.lab.expansion import escape, expand
from serflab.lab.plan import LabSettings, plan_lab, select_serfs
from serflab.lab.ports import PORT_BASE
from serflab.traces.check import load_config

if TYPE_CHECKING:
    from serflab.lab.topology import Node, Topology

SERF_IMAGE = "serflab/serf:k3s"
VIEWER_IMAGE = "serflab/viewer:latest"
PROMETHEUS_IMAGE = "prom/prometheus:v3.15.0"
DEFAULT_GROUP = "serf"
FIRST_ORDINAL = 1

# A Service's name, which a serf's and a group's becomes (RFC 1035); pods of a StatefulSet add `-NUMBER` to its name.
_DNS_LABEL = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_LONGEST_NAME = 52
# A ConfigMap holds 1 MiB; what is left is for its metadata.
_MOST_BYTES = 1000 * 1024
# What a ConfigMap's key may be long, less what is added to it.
_LONGEST_KEY = 200
_NAMES_OF_OURS = frozenset({"prometheus", "viewer"})


@dataclass(frozen=True, slots=True)
class ExportSettings:
    """What was asked for; an empty image means the topology's, `serfs` takes that many from its front (None: all)."""

    checkout: Path
    topology: Path
    namespace: str
    interval: float
    image: str = ""
    viewer_image: str = VIEWER_IMAGE
    serfs: int | None = None


@dataclass(frozen=True, slots=True)
class Config:
    """An emulation config as it travels: `key` is its file name in the cluster, `archive` its gzipped text."""

    key: str
    file: Path
    digest: str
    archive: bytes
    pods: int

    @property
    def name(self) -> str:
        """Return the name of its ConfigMap, which ends in the digest: another text is another object."""
        slug = re.sub(r"[^a-z0-9]+", "-", Path(self.key).stem.lower()).strip("-") or "emulation"
        return f"config-{slug[:40].strip('-')}-{self.digest[:8]}"


@dataclass(frozen=True, slots=True)
class ExportedSerf:
    """One serf: the pod that it becomes, and what it plays."""

    name: str
    pod: str
    config: Config
    phase: int
    interval: float


@dataclass(frozen=True, slots=True)
class Group:
    """Serfs that differ in name, config and clock only: one StatefulSet; `serfs` in the order of their ordinals."""

    name: str
    image: str
    serfs: tuple[ExportedSerf, ...]


@dataclass(frozen=True, slots=True)
class Export:
    """A checked lab that can be written as manifests.

    `topology_text` is the topology file as any environment reads it: with its variables replaced by what they are here.
    """

    settings: ExportSettings
    topology: Topology
    topology_text: str
    groups: tuple[Group, ...]
    configs: tuple[Config, ...]
    prometheus_image: str

    @property
    def serfs(self) -> tuple[ExportedSerf, ...]:
        """Return all serfs, group by group."""
        return tuple(serf for group in self.groups for serf in group.serfs)


def plan_export(settings: ExportSettings) -> Export:
    """Read topology and configs and decide which serf becomes which pod.

    Raises `InputError` with every finding: all that `serflab up` would refuse, and what Kubernetes would.
    """
    lab = LabSettings(settings.checkout, settings.checkout, settings.topology, PORT_BASE, interval=settings.interval)
    topology = lab.load_topology()
    wanted = select_serfs(topology, settings.serfs, ())
    plans = {plan.name: plan for plan in plan_lab(lab, {}, wanted).serfs}
    nodes = [node for node in topology.serfs if node.name in plans]
    findings = list(_name_findings(topology, nodes))
    configs = _configs(sorted({plan.config for plan in plans.values()}), findings)
    members: dict[str, list[Node]] = {}
    for node in nodes:
        members.setdefault(_group_name(node), []).append(node)
    groups = []
    for name, group_nodes in members.items():
        images = {settings.image or node.image or SERF_IMAGE for node in group_nodes}
        if len(images) > 1:
            problem = f"its serfs have several images ({', '.join(sorted(images))}); expected one"
            hint = "give them groups of their own, or one image with --image"
            findings.append(Finding(str(topology.file), f"$.topology.groups.{name}", problem, hint))
        serfs = [
            ExportedSerf(node.name, f"{name}-{ordinal}", configs[plan.config], plan.phase, plan.interval)
            for ordinal, node in enumerate(group_nodes, start=FIRST_ORDINAL)
            if (plan := plans[node.name]).config in configs
        ]
        groups.append(Group(name, min(images), tuple(serfs)))
    if findings:
        raise InputError(findings)
    text = escape(expand(settings.topology.read_text(encoding="utf-8"), lab.environment))
    return Export(
        settings, topology, text, tuple(groups), tuple(dict.fromkeys(configs.values())), _prometheus_image(topology)
    )


def _group_name(node: Node) -> str:
    return node.group or DEFAULT_GROUP


def _prometheus_image(topology: Topology) -> str:
    images = [node.image for node in topology.nodes if node.role == "prometheus" and node.image]
    return images[0] if images else PROMETHEUS_IMAGE


def _name_findings(topology: Topology, nodes: list[Node]) -> list[Finding]:
    """Return what is wrong with the names that become names of Kubernetes objects."""
    file, groups = str(topology.file), {_group_name(node) for node in nodes}
    hint = "at most 52 lower-case letters, digits and '-', beginning with a letter"
    findings = []
    used = Counter([*(node.name for node in nodes), *groups])
    for kind, names in (("nodes", [node.name for node in nodes]), ("groups", sorted(groups))):
        for name in names:
            path = f"$.topology.{kind}.{name}"
            if not _DNS_LABEL.fullmatch(name) or len(name) > _LONGEST_NAME:
                findings.append(Finding(file, path, "cannot be the name of a Service in Kubernetes", hint))
            elif name in _NAMES_OF_OURS:
                findings.append(Finding(file, path, "is a name that the exported lab itself uses", "rename it"))
            elif kind == "groups" and used[name] > 1:
                findings.append(Finding(file, path, "is also the name of a serf", "rename one of them"))
    if len(topology.name) > _LONGEST_NAME:
        problem = f"is too long for the value of a label in Kubernetes; expected at most {_LONGEST_NAME} characters"
        findings.append(Finding(file, "$.name", problem))
    return findings


def _configs(files: list[Path], findings: list[Finding]) -> dict[Path, Config]:
    """Return the configs by file, files of equal text as one; those that a ConfigMap cannot hold become findings."""
    digests = {file: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}
    # The first file of each text gives the config its name.
    chosen = {digest: file for file, digest in reversed(digests.items())}
    names = Counter(_key(file) for file in chosen.values())
    configs = {}
    for digest, file in chosen.items():
        # The time in the header would make each export another one.
        archive = gzip.compress(file.read_bytes(), compresslevel=9, mtime=0)
        key = Path(_key(file))
        name = key.name if names[key.name] == 1 else f"{key.stem}-{digest[:8]}{key.suffix}"
        if len(archive) > _MOST_BYTES:
            problem = f"has {len(archive) // 1024} KiB when it is compressed; a ConfigMap holds 1000"
            findings.append(Finding(str(file), "", problem, "fewer points or pods, or an image that holds the config"))
        configs[digest] = Config(name, file, digest, archive, len(load_config(file).pods))
    return {file: configs[digest] for file, digest in digests.items()}


def _key(file: Path) -> str:
    """Return a file's name as far as it can be a key of a ConfigMap and is seen by a shell's `*`."""
    slug = re.sub(r"[^-._a-zA-Z0-9]+", "-", file.name[-_LONGEST_KEY:]).lstrip(".")
    return slug or "-"
