"""The viewer's settings: `flask-app/config.yaml`, checked as a whole before anything starts."""

from __future__ import annotations

import difflib
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from serflab.errors import Finding, InputError
from serflab.lab.load import THRESHOLDS

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8080
DEFAULT_PROMETHEUS_PORT = 9091
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass(frozen=True, slots=True)
class Settings:
    """Where the viewer listens and what it reads; every path is absolute.

    `home` is the directory that holds `static/` and `node_modules/`. `prometheus` is used while no lab is up: an
    inventory says itself where its Prometheus is.
    """

    home: Path
    topology_file: Path
    prometheus: str = f"http://localhost:{DEFAULT_PROMETHEUS_PORT}"
    vm_prometheus_port: int = DEFAULT_PROMETHEUS_PORT
    host: str = DEFAULT_HOST
    port: int = DEFAULT_PORT
    debug: bool = False
    thresholds: Mapping[str, tuple[float, float]] = field(default_factory=lambda: dict(THRESHOLDS))

    @property
    def checkout(self) -> Path:
        """Return the directory of the topology file: the lab's state and the workload templates lie below it."""
        return self.topology_file.parent

    @property
    def loopback(self) -> bool:
        """Whether only this machine reaches the viewer."""
        return self.host in LOOPBACK

    @property
    def url(self) -> str:
        """Return the address to open in a browser."""
        host = "127.0.0.1" if self.host == "0.0.0.0" else self.host  # noqa: S104  compared, not bound
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"


def load_settings(file: Path, home: Path) -> Settings:
    """Read `config.yaml`; relative paths in it are seen from its directory.

    Raises `InputError` with every finding.
    """
    try:
        data = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        hint = "give the viewer's config.yaml with --config"
        raise InputError([Finding(str(file), "", f"cannot be read ({error.strerror})", hint)]) from error
    except UnicodeDecodeError as error:
        raise InputError([Finding(str(file), "", "is not UTF-8 text")]) from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise InputError([Finding(str(file), "", f"is not YAML: {place}{getattr(error, 'problem', error)}")]) from error
    return _Reader(file).read({} if data is None else data, home)


class _Reader:
    """Takes the known keys out of the file and gathers what is wrong on the way."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._findings: list[Finding] = []

    def read(self, data: object, home: Path) -> Settings:
        root = self._mapping(data, "$", ("containerlab", "monitoring", "server", "levels"))
        containerlab = self._section(root, "$", "containerlab", ("topology_file",))
        monitoring = self._section(root, "$", "monitoring", ("central_prometheus", "vm_prometheus_port"))
        central = self._section(monitoring, "$.monitoring", "central_prometheus", ("host", "port"))
        server = self._section(root, "$", "server", ("host", "port", "debug"))
        topology = self._text(containerlab, "$.containerlab", "topology_file", "../topology.yaml")
        prometheus_host = self._text(central, "$.monitoring.central_prometheus", "host", "localhost")
        prometheus_port = self._port(central, "$.monitoring.central_prometheus", "port", DEFAULT_PROMETHEUS_PORT)
        settings = Settings(
            home=home,
            topology_file=(self._file.absolute().parent / Path(topology).expanduser()).resolve(),
            prometheus=f"http://{prometheus_host}:{prometheus_port}",
            vm_prometheus_port=self._port(monitoring, "$.monitoring", "vm_prometheus_port", DEFAULT_PROMETHEUS_PORT),
            host=self._text(server, "$.server", "host", DEFAULT_HOST),
            port=self._port(server, "$.server", "port", DEFAULT_PORT),
            debug=self._flag(server, "$.server", "debug", default=False),
            thresholds=self._levels(self._section(root, "$", "levels", tuple(THRESHOLDS))),
        )
        if self._findings:
            raise InputError(self._findings)
        return settings

    def _find(self, path: str, problem: str, hint: str = "") -> None:
        self._findings.append(Finding(str(self._file), path, problem, hint))

    def _section(self, parent: dict[str, Any], path: str, key: str, known: tuple[str, ...]) -> dict[str, Any]:
        value = parent.get(key)
        return {} if value is None else self._mapping(value, f"{path}.{key}", known)

    def _mapping(self, value: object, path: str, known: tuple[str, ...]) -> dict[str, Any]:
        if not isinstance(value, dict):
            self._find(path, f"is {value!r}; expected a mapping with {', '.join(known)}")
            return {}
        for key in value:
            if key not in known:
                near = difflib.get_close_matches(str(key), known, n=1)
                hint = f"did you mean {near[0]}?" if near else f"known here: {', '.join(known)}"
                self._find(f"{path}.{key}", "is not a key of the viewer's config", hint)
        return value

    def _text(self, section: dict[str, Any], path: str, key: str, default: str) -> str:
        value = section.get(key, default)
        if not isinstance(value, str) or not value.strip():
            self._find(f"{path}.{key}", f"is {value!r}; expected a text such as {default!r}")
            return default
        return value.strip()

    def _port(self, section: dict[str, Any], path: str, key: str, default: int) -> int:
        value = section.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 65535:
            self._find(f"{path}.{key}", f"is {value!r}; expected a port, 1 to 65535, such as {default}")
            return default
        return value

    def _flag(self, section: dict[str, Any], path: str, key: str, *, default: bool) -> bool:
        value = section.get(key, default)
        if not isinstance(value, bool):
            self._find(f"{path}.{key}", f"is {value!r}; expected true or false")
            return default
        return value

    def _levels(self, section: dict[str, Any]) -> dict[str, tuple[float, float]]:
        levels = dict(THRESHOLDS)
        for metric, value in section.items():
            if metric not in THRESHOLDS:
                continue
            numbers = value if isinstance(value, list) else []
            if len(numbers) == 2 and all(map(_is_amount, numbers)) and numbers[0] < numbers[1]:
                levels[metric] = (float(numbers[0]), float(numbers[1]))
            else:
                low, high = THRESHOLDS[metric]
                expected = f"expected two ascending numbers of at least 0, such as [{low:g}, {high:g}]"
                hint = "green below the first, amber up to the second, red above"
                self._find(f"$.levels.{metric}", f"is {value!r}; {expected}", hint)
        return levels


def _is_amount(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < math.inf
