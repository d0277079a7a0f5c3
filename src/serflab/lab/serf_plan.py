"""What is decided about one serf before anything of it runs, and what its programs are described with."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING

from serflab.lab.certificates import Pki
from serflab.lab.ports import LOOPBACK, SerfPorts

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SERVICE_NETWORK = "10.96.0.0/16"
API_SERVICE_ADDRESS = "10.96.0.1"


class Variant(StrEnum):
    """What the control plane is made of: upstream's four programs, or one `k3s server`."""

    UPSTREAM = "upstream"
    K3S = "k3s"


class Stage(IntEnum):
    """When a component starts: after all of the stages before it are ready."""

    API = 1
    CONTROLLERS = 2
    EXPORTER = 3
    REPLAY = 4


@dataclass(frozen=True, slots=True)
class Component:
    """One program of a serf.

    `health` is an HTTPS or HTTP URL that answers 200 once the program does its work; empty when it has none. It is
    asked with the credentials of the kubeconfig `asked_with`, which the program itself may have to write first; None
    asks without. `stop_signal` is how the program is asked to end. `may_end` says that an end without a failure is
    somebody's wish; `own_user` that it runs as the supervisor's user, not as the plan's.
    """

    name: str
    stage: Stage
    command: tuple[str, ...]
    health: str = ""
    env: Mapping[str, str] = field(default_factory=dict)
    stop_signal: str = "TERM"
    asked_with: Path | None = None
    may_end: bool = False
    own_user: bool = False


@dataclass(frozen=True, slots=True)
class SerfPlan:
    """All that is decided about one serf before anything of it runs.

    `directory` is the serf's own; `programs` maps program names to binaries; `annotations` is the directory of the
    Python programs, run by `python`; `config` the emulation config that it plays from point `phase` on.

    The programs reach each other at `address`. API server and exporter listen on `listen`, all others on `address`; the
    server's certificate is valid for these and for `names` and `addresses` besides. `contained` is a serf that has a
    machine (a container) of its own, `links` one whose interfaces want addresses. `user` is whom the programs run as,
    empty for the supervisor's own user.
    """

    name: str
    index: int
    directory: Path
    ports: SerfPorts
    programs: Mapping[str, Path]
    python: Path
    annotations: Path
    config: Path
    phase: int = 0
    interval: float = 5.0
    address: str = LOOPBACK
    listen: str = LOOPBACK
    variant: Variant = Variant.UPSTREAM
    names: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    contained: bool = False
    links: bool = False
    user: str = ""

    @property
    def pki(self) -> Pki:
        """Return the serf's certificates."""
        return Pki(self.directory / "pki")

    @property
    def kubeconfig(self) -> Path:
        """Return the kubeconfig of the serf's administrator."""
        return self.directory / "kubeconfig"

    @property
    def logs(self) -> Path:
        """Return the directory that holds a log file for each component."""
        return self.directory / "logs"

    @property
    def server(self) -> str:
        """Return the URL of the API server."""
        return f"https://{self.address}:{self.ports.apiserver}"

    @property
    def exporter(self) -> str:
        """Return the URL of the exporter."""
        return f"http://{self.address}:{self.ports.exporter}"

    @property
    def pod_network(self) -> str:
        """Return the network of the serf's pods; each serf has its own, so that addresses tell serfs apart."""
        number = self.index % 16384
        return f"10.{128 + number // 256}.{number % 256}.0/24"

    def client_kubeconfig(self, client: str) -> Path:
        """Return the kubeconfig of one of the serf's own components; K3s writes one only, the administrator's."""
        if self.variant is Variant.K3S:
            return self.kubeconfig
        return self.directory / "pki" / f"{client}.kubeconfig"
