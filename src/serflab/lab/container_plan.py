"""The plan of a serf that has a container of its own, read from the container's environment.

containerlab tells a node's name, its long name and its labels in the environment as `CLAB_LABEL_…`, and the number of
its links as `CLAB_INTFS` (https://containerlab.dev/manual/nodes/#env).
"""

from __future__ import annotations

import re
import shutil
import sys
import zlib
from dataclasses import dataclass
from ipaddress import ip_interface
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from serflab.errors import Finding, InputError
from serflab.lab.ports import SerfPorts
from serflab.lab.serf_plan import SerfPlan, Variant
from serflab.lab.serf_settings import (
    CONFIG_ENV,
    DEFAULT_CONFIG,
    DEFAULT_INTERVAL,
    INTERVAL_ENV,
    PHASE_ENV,
    read_interval,
    read_phase,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

DATA = Path("/var/lib/serflab")
FILES = Path("/opt")
NAME_ENV = "SERFLAB_NAME"
NAMES_ENV = "SERFLAB_NAMES"
VARIANT_ENV = "SERFLAB_VARIANT"
PORTS = SerfPorts(
    apiserver=6443,
    etcd=2379,
    etcd_peer=2380,
    controller_manager=10257,
    scheduler=10259,
    kwok=10247,
    exporter=9090,
)
PROGRAMS = {
    Variant.UPSTREAM: ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok"),
    Variant.K3S: ("k3s", "kwok"),
}
_EVERYWHERE = "0.0.0.0"  # noqa: S104 - a container's addresses are for its network; what is published is the user's choice
SERF_NAME = "lower-case letters, digits and '-', up to 63 of them"
_NODE_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_LINK_ADDRESS = re.compile(r"CLAB_LABEL_SERFLAB_ADDRESS_\w+")
_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class Machine:
    """What a container is, besides its environment: its host name, its addresses, and whom its programs run as.

    `user` is empty when they run as whoever runs the supervisor.
    """

    hostname: str
    addresses: tuple[str, ...]
    user: str = ""


def container_plan(environ: Mapping[str, str], machine: Machine, data: Path = DATA, files: Path = FILES) -> SerfPlan:
    """Return the plan of the serf in this container, which keeps its data in `data` and finds its programs in `files`.

    Raises `InputError` with a finding for each variable that is wrong.
    """
    reader = _Reader(environ)
    name = environ.get(NAME_ENV) or environ.get("CLAB_LABEL_CLAB_NODE_NAME") or machine.hostname
    if not can_be_serf(name):
        reader.find(NAME_ENV, f"is {name!r}; expected {SERF_NAME}")
    names, addresses = _alternatives(environ, machine)
    variant = reader.value(VARIANT_ENV, Variant.UPSTREAM.value, _variant)
    phase = reader.value(PHASE_ENV, "0", read_phase)
    interval = reader.value(INTERVAL_ENV, f"{DEFAULT_INTERVAL:g}", read_interval)
    config = files / (environ.get(CONFIG_ENV) or DEFAULT_CONFIG)
    if not config.is_file():
        reader.find(CONFIG_ENV, f"names {config}, which is no file", f"a path is seen from {files}; is it mounted?")
    if variant is None or phase is None or interval is None or reader.findings:
        raise InputError(reader.findings)
    return SerfPlan(
        name=name,
        index=serf_index(name),
        directory=data,
        ports=PORTS,
        programs=_programs(variant),
        python=Path(sys.executable),
        annotations=files / "annotations",
        config=config,
        phase=phase,
        interval=interval,
        listen=_EVERYWHERE,
        variant=variant,
        names=names,
        addresses=addresses,
        contained=True,
        links=int(environ.get("CLAB_INTFS") or 0) > 0,
        user=machine.user,
    )


def can_be_serf(name: str) -> bool:
    """Whether a serf in a container may have that name, which its certificate holds as one of a host."""
    return _NODE_NAME.fullmatch(name) is not None


def serf_index(name: str) -> int:
    """Return a number for a serf that keeps its pods' addresses apart from others': 0 for serf1, else from its name."""
    number = re.search(r"\d+$", name)
    return int(number[0]) - 1 if number and int(number[0]) > 0 else zlib.crc32(name.encode())


def _programs(variant: Variant) -> dict[str, Path]:
    found = {name: shutil.which(name) for name in PROGRAMS[variant]}
    if missing := [name for name, path in found.items() if path is None]:
        problem = f"is {variant.value}, but this image lacks {', '.join(missing)}"
        raise InputError([Finding(VARIANT_ENV, "", problem, "`serflab image build` makes images that have them")])
    return {name: Path(path) for name, path in found.items() if path}


def _alternatives(environ: Mapping[str, str], machine: Machine) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the DNS names and the addresses for which the server's certificate is to be valid."""
    names = [machine.hostname, *_listed(environ.get("CLAB_LABEL_CLAB_NODE_LONGNAME", ""))]
    # Those of the links come after the start.
    labels = [value for key, value in sorted(environ.items()) if _LINK_ADDRESS.fullmatch(key)]
    addresses = [*machine.addresses]
    for text in (*labels, *_listed(environ.get(NAMES_ENV, ""))):
        try:
            addresses.append(str(ip_interface(text).ip))
        except ValueError:
            names.append(text)
    return tuple(dict.fromkeys(names)), tuple(dict.fromkeys(addresses))


def _listed(text: str) -> Iterable[str]:
    return [part for part in re.split(r"[,\s]+", text) if part]


def _variant(text: str) -> Variant:
    try:
        return Variant(text)
    except ValueError as error:
        raise ValueError(f"is {text!r}; expected {' or '.join(Variant)}") from error


class _Reader:
    """Reads variables and gathers what is wrong with them."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.findings: list[Finding] = []

    def value(self, name: str, default: str, read: Callable[[str], _Value]) -> _Value | None:
        """Return the value of a variable; None, with a finding, when it cannot be read."""
        try:
            return read(self._environ.get(name) or default)
        except ValueError as error:
            self.find(name, str(error))
            return None

    def find(self, name: str, problem: str, hint: str = "") -> None:
        """Note what is wrong with a variable."""
        self.findings.append(Finding(name, "", problem, hint))
