"""What a serf is made of: one description of its programs for every runtime.

A serf is a control plane, KWOK and the two programs that bring a recorded workload to life. Each `Component` says what
is run and when it is ready; who runs it, a supervisor on this machine or one in a container, is the runtime's business.
Flags: https://kubernetes.io/docs/reference/command-line-tools-reference/, https://etcd.io/docs/v3.6/op-guide/configuration/
and https://kwok.sigs.k8s.io/docs/generated/kwok/.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from importlib.resources import files
from typing import TYPE_CHECKING

from serflab.lab.certificates import Pki
from serflab.lab.ports import LOOPBACK, SerfPorts

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SERVICE_NETWORK = "10.96.0.0/16"
API_SERVICE_ADDRESS = "10.96.0.1"


class Stage(IntEnum):
    """When a component starts: after all of the stages before it are ready."""

    API = 1
    CONTROLLERS = 2
    EXPORTER = 3
    REPLAY = 4


@dataclass(frozen=True, slots=True)
class Component:
    """One program of a serf.

    `health` is an HTTPS or HTTP URL that answers 200 once the program does its work; empty when it has none.
    `stop_signal` is how it is asked to end.
    """

    name: str
    stage: Stage
    command: tuple[str, ...]
    health: str = ""
    env: Mapping[str, str] = field(default_factory=dict)
    stop_signal: str = "TERM"


@dataclass(frozen=True, slots=True)
class SerfPlan:
    """All that is decided about one serf before anything of it runs.

    `directory` is the serf's own; `programs` maps program names to binaries; `annotations` is the directory of the
    Python programs, run by `python`; `config` the emulation config that it plays from point `phase` on.
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
        """Return the kubeconfig of one of the serf's own components."""
        return self.directory / "pki" / f"{client}.kubeconfig"


def write_files(plan: SerfPlan) -> None:
    """Write what the components read besides the certificates: KWOK's configuration."""
    plan.logs.mkdir(parents=True, exist_ok=True)
    target = plan.directory / "kwok.yaml"
    target.write_text(files("serflab.lab").joinpath("kwok.yaml").read_text(encoding="utf-8"), encoding="utf-8")


def components(plan: SerfPlan) -> tuple[Component, ...]:
    """Return the programs of a serf with the upstream control plane, in the order in which they start."""
    return (
        _etcd(plan),
        _apiserver(plan),
        _controller_manager(plan),
        _scheduler(plan),
        _kwok(plan),
        _exporter(plan),
        _replay(plan),
    )


def _etcd(plan: SerfPlan) -> Component:
    pki, ports = plan.pki, plan.ports
    client, peer = f"https://{plan.address}:{ports.etcd}", f"https://{plan.address}:{ports.etcd_peer}"
    command = (
        str(plan.programs["etcd"]),
        f"--name={plan.name}",
        f"--data-dir={plan.directory / 'etcd'}",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster={plan.name}={peer}",
        f"--cert-file={pki.certificate('server')}",
        f"--key-file={pki.key('server')}",
        f"--trusted-ca-file={pki.certificate('ca')}",
        "--client-cert-auth=true",
        f"--peer-cert-file={pki.certificate('server')}",
        f"--peer-key-file={pki.key('server')}",
        f"--peer-trusted-ca-file={pki.certificate('ca')}",
        "--peer-client-cert-auth=true",
        "--unsafe-no-fsync=true",
        # Else a watch of objects that do not change hears nothing, not even that it is still there.
        "--watch-progress-notify-interval=30s",
        "--max-wals=2",
        "--log-level=warn",
    )
    return Component("etcd", Stage.API, command)


def _apiserver(plan: SerfPlan) -> Component:
    pki = plan.pki
    command = (
        str(plan.programs["kube-apiserver"]),
        f"--bind-address={plan.address}",
        f"--advertise-address={plan.address}",
        f"--secure-port={plan.ports.apiserver}",
        f"--tls-cert-file={pki.certificate('server')}",
        f"--tls-private-key-file={pki.key('server')}",
        f"--client-ca-file={pki.certificate('ca')}",
        f"--etcd-servers=https://{plan.address}:{plan.ports.etcd}",
        f"--etcd-cafile={pki.certificate('ca')}",
        f"--etcd-certfile={pki.certificate('etcd-client')}",
        f"--etcd-keyfile={pki.key('etcd-client')}",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        f"--service-account-key-file={pki.service_account_public_key}",
        f"--service-account-signing-key-file={pki.key('service-account')}",
        f"--service-cluster-ip-range={SERVICE_NETWORK}",
        "--authorization-mode=Node,RBAC",
        "--allow-privileged=true",
        "--endpoint-reconciler-type=none",
        "--profiling=false",
    )
    # It keeps nothing itself, and asked politely it waits ten seconds for an etcd that is ending at the same time.
    return Component("kube-apiserver", Stage.API, command, f"{plan.server}/readyz", stop_signal="KILL")


def _controller_manager(plan: SerfPlan) -> Component:
    pki, port = plan.pki, plan.ports.controller_manager
    command = (
        *_client_of_the_api(plan, "kube-controller-manager", port),
        f"--root-ca-file={pki.certificate('ca')}",
        f"--service-account-private-key-file={pki.key('service-account')}",
        # KWOK's nodes never miss a heartbeat: they have none. These are the values that kwokctl gives as well.
        "--node-monitor-period=600s",
        "--node-monitor-grace-period=3600s",
    )
    health = f"https://{plan.address}:{port}/healthz"
    return Component("kube-controller-manager", Stage.CONTROLLERS, command, health)


def _scheduler(plan: SerfPlan) -> Component:
    port = plan.ports.scheduler
    command = _client_of_the_api(plan, "kube-scheduler", port)
    return Component("kube-scheduler", Stage.CONTROLLERS, command, f"https://{plan.address}:{port}/readyz")


def _client_of_the_api(plan: SerfPlan, name: str, port: int) -> tuple[str, ...]:
    """Return what the command lines of controller manager and scheduler begin with."""
    return (
        str(plan.programs[name]),
        f"--bind-address={plan.address}",
        f"--secure-port={port}",
        f"--tls-cert-file={plan.pki.certificate('server')}",
        f"--tls-private-key-file={plan.pki.key('server')}",
        f"--kubeconfig={plan.client_kubeconfig(name)}",
        "--kube-api-qps=500",
        "--kube-api-burst=1000",
        "--leader-elect=false",
        "--profiling=false",
    )


def _kwok(plan: SerfPlan) -> Component:
    pki, port = plan.pki, plan.ports.kwok
    command = (
        str(plan.programs["kwok"]),
        f"--kubeconfig={plan.client_kubeconfig('kwok')}",
        f"--config={plan.directory / 'kwok.yaml'}",
        # Only nodes that ask for it: a serf may have others, such as virtual nodes.
        "--manage-nodes-with-annotation-selector=kwok.x-k8s.io/node=fake",
        f"--cidr={plan.pod_network}",
        f"--node-ip={plan.address}",
        f"--node-port={port}",
        f"--server-address={plan.address}:{port}",
        f"--tls-cert-file={pki.certificate('server')}",
        f"--tls-private-key-file={pki.key('server')}",
        "--node-lease-duration-seconds=0",
    )
    return Component("kwok", Stage.CONTROLLERS, command, f"https://{plan.address}:{port}/healthz")


def _replay(plan: SerfPlan) -> Component:
    command = (
        *_python(plan, "replay_metrics.py"),
        f"--config={plan.config}",
        f"--kubeconfig={plan.kubeconfig}",
        f"--interval={plan.interval:g}",
        f"--phase={plan.phase}",
        "--loop",
        "--max-concurrent=3",
        "--batch-size=20",
    )
    return Component("replay", Stage.REPLAY, command)


def _exporter(plan: SerfPlan) -> Component:
    command = (
        *_python(plan, "expose_metrics.py"),
        f"--config={plan.config}",
        f"--kubeconfig={plan.kubeconfig}",
        f"--host={plan.address}",
        f"--port={plan.ports.exporter}",
        "--update-interval=2",
    )
    return Component("exporter", Stage.EXPORTER, command, f"{plan.exporter}/healthz")


def _python(plan: SerfPlan, program: str) -> tuple[str, str, str]:
    return str(plan.python), "-u", str(plan.annotations / program)
