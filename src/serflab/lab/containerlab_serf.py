"""One serf in a container of containerlab's: waiting until it is ready, and how it is reached from this machine."""

from __future__ import annotations

import base64
import time
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import requests
import yaml

from serflab.errors import SerflabError
from serflab.lab.containerlab_plan import API_PORT, EXPORTER_PORT
from serflab.lab.inventory import Serf, write_atomically
from serflab.lab.loopback import session

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from serflab.lab.engine import Container, Engine
    from serflab.lab.plan import Workload

KUBECONFIG = "/var/lib/serflab/kubeconfig"
LOGS = "/var/lib/serflab/logs"
_SUPERVISOR = "/var/lib/serflab/supervisor/supervisord.conf"
# Hashes of the config that the serf plays and of the one that lies there now, a line each.
_HASHES = 'cat /var/lib/serflab/config.sha256; sha256sum < "$1"'
READY_SECONDS = 300.0
_POLL_SECONDS = 0.5
_OUTPUT_LINES = 8
_EMBEDDED = {
    "certificate-authority": "certificate-authority-data",
    "client-certificate": "client-certificate-data",
    "client-key": "client-key-data",
}


@dataclass(frozen=True, slots=True)
class ContainerSerf:
    """A serf that is deployed as a container; `directory` is its own in the state directory.

    `config` is where its emulation config lies in the container, which only `plays_its_config` asks for.
    """

    container: Container
    workload: Workload
    directory: Path
    engine: Engine
    config: PurePosixPath | None = None

    @property
    def inventory_entry(self) -> Serf:
        """Return how the serf is reached."""
        return Serf(
            name=self.container.node,
            kubeconfig=self.directory / "kubeconfig",
            server=f"https://{self._address(API_PORT)}",
            exporter=f"http://{self._address(EXPORTER_PORT)}",
            config=self.workload.config,
            logs=Path(LOGS),
            env=self.workload.env,
            container=self.container.name,
        )

    def is_ready(self) -> bool:
        """Whether the serf does its work: its health check says so, or its exporter answers.

        The exporter starts last but for the replay, when the serf has its pods; the check comes only every few seconds.
        """
        if self.container.health == "healthy":
            return True
        try:
            with session() as http:
                return http.get(f"{self.inventory_entry.exporter}/healthz", timeout=2).ok
        except requests.RequestException:
            return False

    def plays_its_config(self) -> bool:
        """Whether the config that the serf has taken up is the one that lies there now."""
        said = b"".join(self.engine.run(self.container, ["sh", "-c", _HASHES, "sh", str(self.config)])).decode().split()
        return len(said) > 1 and said[0] == said[1]

    def take_up_config(self) -> None:
        """Let the serf bring its pods into line with its config, and play that."""
        start = ["supervisorctl", "-c", _SUPERVISOR, "start", f"{self.container.node}:start"]
        for _ in self.engine.run(self.container, start):
            pass

    def export_kubeconfig(self) -> None:
        """Write the administrator's kubeconfig with the address on this machine and all certificates in it."""
        text = self._read(KUBECONFIG)
        try:
            config = yaml.safe_load(text)
            for entry in config["clusters"]:
                entry["cluster"]["server"] = self.inventory_entry.server
                self._embed(entry["cluster"])
            for entry in config["users"]:
                self._embed(entry["user"])
        except (yaml.YAMLError, LookupError, TypeError) as error:
            raise SerflabError(f"{self.container.name}: {KUBECONFIG} is no kubeconfig ({error!r})") from error
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_atomically(self.directory / "kubeconfig", yaml.safe_dump(config, sort_keys=False))

    def _embed(self, holder: dict[str, Any]) -> None:
        for name, embedded in _EMBEDDED.items():
            if path := holder.pop(name, None):
                holder[embedded] = base64.b64encode(self._read(path)).decode()

    def _read(self, path: str) -> bytes:
        content = self.engine.read(self.container, path)
        if content is None:
            hint = f"is {self.container.image} an image of a serf?"
            raise SerflabError(f"{self.container.name} has no file {path}", hint=hint)
        return content

    def _address(self, port: int) -> str:
        """Return where a port of the serf answers: as it is published, else at the container's own address."""
        host, number = self.container.ports.get(port, (self.container.address, port))
        return f"{host}:{number}"


def check_runs(node: str, container: Container | None, engine: Engine) -> Container:
    """Return the container of a node; `SerflabError` with the end of its output when it does not run."""
    if container is None:
        raise SerflabError(f"{node} has no container", hint="`serflab up` makes what is missing")
    if not container.runs:
        raise SerflabError(f"{node}: {container.problem}", hint=_look_at(container, engine))
    return container


def await_serfs(
    look: Callable[[], Sequence[ContainerSerf]],
    advance: Callable[[int, int], None] | None = None,
    *,
    playing: bool = False,
) -> list[ContainerSerf]:
    """Wait until each of the serfs that `look` finds does its work; `advance` hears how many of how many do.

    With `playing` it is waited until each has taken up the config that lies there now, too.

    Raises what `look` raises, and `SerflabError` for the first that is not ready in time.
    """
    ready: set[str] = set()
    deadline = time.monotonic() + READY_SECONDS
    while True:
        serfs = list(look())
        ready |= {
            serf.container.node
            for serf in serfs
            if serf.container.node not in ready and (not playing or serf.plays_its_config()) and serf.is_ready()
        }
        if advance is not None:
            advance(len(ready), len(serfs))
        waiting = [serf for serf in serfs if serf.container.node not in ready]
        if not waiting:
            return serfs
        if time.monotonic() > deadline:
            container, engine = waiting[0].container, waiting[0].engine
            why = container.complaint or "no answer"
            hint = _look_at(container, engine)
            raise SerflabError(f"{container.node} was not ready after {READY_SECONDS:.0f} s: {why}", hint=hint)
        time.sleep(_POLL_SECONDS)


def _look_at(container: Container, engine: Engine) -> str:
    lines = engine.output(container, _OUTPUT_LINES).splitlines()
    end = "; it ends with\n" + "\n".join(f"    {line}" for line in lines) if lines else ""
    return f"`docker logs {container.name}` tells more{end}"
