"""The trace model: what every pod of an emulated cluster uses, point by point, and the nodes that carry them.

Made by `serflab.traces.check`, which alone knows the file format; everything here is already known to be right.
"""

from __future__ import annotations

import hashlib
import sys
from array import array
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

METRICS: Final = ("cpu", "memory", "power", "psi")
DEFAULT_TICK_SECONDS: Final = 30.0

NodeMode = Literal["single", "per_namespace", "pool"]
PsiAggregation = Literal["max", "avg", "sum"]


@dataclass(frozen=True, slots=True)
class Series:
    """Four columns of equal length (one value per point, at least one point), kept as `array('d')`: 8 bytes a value.

    Of a pod: `cpu` in millicores, `memory` in Mi, `power` in W, `psi` in percent. Of a node: the same, except that
    `cpu` is in percent of the node. The columns are not to be written to; numpy reads them without a copy
    (`np.frombuffer`). Raises `ValueError` if the columns differ in length or are empty.
    """

    cpu: array[float]
    memory: array[float]
    power: array[float]
    psi: array[float]

    def __post_init__(self) -> None:
        lengths = {len(self.cpu), len(self.memory), len(self.power), len(self.psi)}
        if len(lengths) != 1 or 0 in lengths:
            raise ValueError(f"the columns of a series need one and the same length above 0, found {sorted(lengths)}")

    @classmethod
    def of(cls, rows: Iterable[tuple[float, float, float, float]]) -> Series:
        """Return the series of `rows`, each `(cpu, memory, power, psi)`."""
        cpu, memory, power, psi = (array("d", column) for column in list(zip(*rows, strict=True)) or [()] * 4)
        return cls(cpu, memory, power, psi)

    @property
    def length(self) -> int:
        """The number of points."""
        return len(self.cpu)

    def row(self, index: int) -> tuple[float, float, float, float]:
        """Return `(cpu, memory, power, psi)` at `index` in [0, length)."""
        return self.cpu[index], self.memory[index], self.power[index], self.psi[index]

    def column(self, metric: str) -> array[float]:
        """Return the column of one of `METRICS`; `KeyError` for any other name."""
        return {"cpu": self.cpu, "memory": self.memory, "power": self.power, "psi": self.psi}[metric]


@dataclass(frozen=True, slots=True)
class PodTrace:
    """A pod and what it uses over time."""

    namespace: str
    name: str
    series: Series

    @property
    def full_name(self) -> str:
        """`namespace/name`."""
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class Template:
    """A workload template: what a pod made of it uses over time, and `image_mib`, the size of its image in MiB.

    `name` is that of its file without `.json`, `description` may be empty, `image_mib` is 0 where none is given.
    """

    name: str
    description: str
    image_mib: float
    series: Series


@dataclass(frozen=True, slots=True)
class NodeSpec:
    """A node to be emulated and its capacity."""

    name: str
    cpu_millicores: float
    memory_mi: float


@dataclass(frozen=True, slots=True)
class NodeConfig:
    """The nodes, and `of_namespace`: the node's name of each namespace, empty in mode `pool`."""

    mode: NodeMode
    nodes: tuple[NodeSpec, ...]
    of_namespace: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class AnnotationKeys:
    """The keys of the annotations that carry a pod's current values."""

    cpu: str = "emulation.metrics.k8s.io/cpu"
    memory: str = "emulation.metrics.k8s.io/memory"
    power: str = "emulation.metrics.k8s.io/power"
    psi: str = "emulation.metrics.k8s.io/psi"
    timestamp: str = "emulation.metrics.k8s.io/timestamp"
    time_index: str = "emulation.metrics.k8s.io/time_index"


@dataclass(frozen=True)
class EmulationConfig:
    """A whole emulation config; all pods' series, and `node_series` where there is one, have the same length.

    `node_series` is what the real machine measured (a `Series` of a node: cpu in percent); fields that were not
    measured are NaN. `tick_seconds` is the time between two points of the recording. `fingerprint` is computed where
    it is not given.
    """

    file: str
    metadata: Mapping[str, Any]
    node_config: NodeConfig
    namespaces: tuple[str, ...]
    pods: tuple[PodTrace, ...]
    annotation_keys: AnnotationKeys = field(default_factory=AnnotationKeys)
    tick_seconds: float = DEFAULT_TICK_SECONDS
    psi_aggregation: PsiAggregation = "max"
    node_series: Series | None = None
    fingerprint: str = ""

    def __post_init__(self) -> None:
        if not self.fingerprint:
            object.__setattr__(self, "fingerprint", fingerprint(self.pods, self.annotation_keys))

    @property
    def length(self) -> int:
        """The number of points of every series."""
        return self.pods[0].series.length

    @property
    def nodes(self) -> tuple[NodeSpec, ...]:
        """All nodes, in every mode."""
        return self.node_config.nodes

    def node_for(self, namespace: str) -> str | None:
        """Return the node of the namespace's pods; `None` in mode `pool`, where the real scheduler decides.

        Raises `KeyError` if the config does not declare `namespace`.
        """
        return None if self.node_config.mode == "pool" else self.node_config.of_namespace[namespace]


def fingerprint(pods: Iterable[PodTrace], keys: AnnotationKeys) -> str:
    """Return the sha256 (hex) of what a replay writes: the pods' names and series and the annotation keys.

    The order of the pods does not count, nor do nodes, metadata and the real node's series: a replay of the same
    fingerprint may go on where another one stopped.
    """
    digest = hashlib.sha256()
    for key in fields(keys):
        digest.update(f"{key.name}={getattr(keys, key.name)}\n".encode())
    for pod in sorted(pods, key=lambda pod: pod.full_name):
        digest.update(f"{pod.full_name} {pod.series.length}\n".encode())
        for metric in METRICS:
            column = pod.series.column(metric)
            if sys.byteorder == "big":
                column = array("d", column)
                column.byteswap()
            digest.update(column)
    return digest.hexdigest()
