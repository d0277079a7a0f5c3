"""The container engine: what it knows of the containers of a lab, found by the labels that containerlab gives them."""

from __future__ import annotations

import contextlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import docker
import docker.errors
import requests

from serflab.errors import SerflabError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

LAB_LABEL = "containerlab"
NODE_LABEL = "clab-node-name"
TOPOLOGY_LABEL = "clab-topo-file"
RUNNING, PAUSED = "running", "paused"
_TIMEOUT_SECONDS = 30
_HINT = "is the service running, and may you use it (`docker ps`)?"


class NoEngineError(SerflabError):
    """No container engine answers."""


@dataclass(frozen=True, slots=True)
class Container:
    """The container of a node.

    `state` is the engine's (created, running, paused, restarting, exited, dead); `health` is starting, healthy or
    unhealthy, empty without a health check, and `complaint` what the last check said. `ports` maps a port in the
    container to the address and port of this machine on which it is published.
    """

    id: str
    name: str
    node: str
    topology: str
    image: str
    state: str
    exit_code: int
    health: str
    complaint: str
    address: str
    ports: Mapping[int, tuple[str, int]]

    @property
    def runs(self) -> bool:
        """Whether its programs run."""
        return self.state == RUNNING

    @property
    def problem(self) -> str:
        """Return why it does not do its work, empty when it does."""
        if self.state == "exited":
            return f"container {self.name} has ended with exit status {self.exit_code}"
        if not self.runs:
            return f"container {self.name} is {self.state}"
        return self.complaint if self.health == "unhealthy" else ""

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Container:
        """Take it from the engine's description of a container (`docker inspect`)."""
        labels, state = data["Config"]["Labels"], data["State"]
        networks = data["NetworkSettings"].get("Networks") or {}
        health = state.get("Health") or {}
        log = health.get("Log") or []
        return cls(
            id=data["Id"],
            name=data["Name"].lstrip("/"),
            node=labels[NODE_LABEL],
            topology=labels.get(TOPOLOGY_LABEL, ""),
            image=data["Config"]["Image"],
            state=state["Status"],
            exit_code=state.get("ExitCode", 0),
            health="" if health.get("Status") in {None, "none"} else health["Status"],
            complaint=", ".join(log[-1]["Output"].split("\n")).strip(", ") if log else "",
            address=next((net["IPAddress"] for net in networks.values() if net.get("IPAddress")), ""),
            ports=_published(data["NetworkSettings"].get("Ports") or {}),
        )


class Engine:
    """A Docker engine that answers."""

    def __init__(self, client: docker.DockerClient) -> None:
        self._client = client

    @classmethod
    def connect(cls) -> Engine:
        """Return the engine that the environment names, else this machine's; `NoEngineError` where none answers."""
        try:
            client = docker.from_env(timeout=_TIMEOUT_SECONDS)
            client.ping()
        except (docker.errors.DockerException, requests.RequestException) as error:
            raise NoEngineError(f"no Docker engine answers: {_reason(error)}", hint=_HINT) from error
        return cls(client)

    def containers(self, lab: str) -> dict[str, Container]:
        """Return the containers of a lab by node, those that do not run as well."""
        with _understood():
            found = self._client.containers.list(all=True, filters={"label": f"{LAB_LABEL}={lab}"})
            containers = [Container.of(item.attrs) for item in found if NODE_LABEL in item.labels]
        return {container.node: container for container in containers}

    def has_image(self, name: str) -> bool:
        """Whether the engine has that image."""
        with _understood():
            try:
                self._client.images.get(name)
            except docker.errors.ImageNotFound:
                return False
        return True

    def resume(self, container: Container) -> None:
        """Let a paused container go on."""
        with _understood():
            self._client.containers.get(container.id).unpause()

    def read(self, container: Container, path: str) -> bytes | None:
        """Return a file of a container that runs, None while it is not there."""
        with _understood():
            found = self._client.containers.get(container.id)
            # Not by an archive: that would not see what lies on a tmpfs.
            status, output = found.exec_run(["cat", path], demux=True, user="root")
        return output[0] or b"" if status == 0 else None

    def run(self, container: Container, command: Sequence[str]) -> Iterator[bytes]:
        """Run a command in a container that runs, and yield what it writes as it comes."""
        with _understood():
            _, output = self._client.containers.get(container.id).exec_run(list(command), stream=True)
            yield from output

    def follow(self, container: Container, command: Sequence[str]) -> Iterator[bytes]:
        """Run a command that does not end by itself, as `run` does; it ends with the iterator."""
        output = self.run(container, ["sh", "-c", 'echo $$; exec "$@"', "sh", *command])
        begin = b""
        for chunk in output:
            begin += chunk
            if b"\n" in begin:
                break
        process, _, rest = begin.partition(b"\n")
        try:
            yield rest
            yield from output
        finally:
            # The engine goes on with what it runs in a container when nobody listens any more.
            for _ in self.run(container, ["kill", process.decode()]):
                pass

    def output(self, container: Container, lines: int) -> str:
        """Return the last lines that the container's first process has written."""
        with _understood():
            text: bytes = self._client.containers.get(container.id).logs(tail=lines)
        return text.decode(errors="replace").rstrip()

    def memory(self, containers: Iterable[Container]) -> int:
        """Return the memory of containers in bytes, without the files that the kernel may drop."""
        running = [container.id for container in containers if container.runs]

        def used(identity: str) -> int:
            try:
                found = self._client.api.stats(identity, stream=False, one_shot=True).get("memory_stats") or {}
            except (docker.errors.DockerException, requests.RequestException):
                return 0
            details = found.get("stats") or {}
            cache = details.get("total_inactive_file", details.get("inactive_file", 0))
            return max(0, int(found.get("usage", 0)) - int(cache))

        with ThreadPoolExecutor(max(1, min(8, len(running)))) as pool:
            return sum(pool.map(used, running))


def _published(ports: Mapping[str, list[dict[str, str]] | None]) -> dict[int, tuple[str, int]]:
    found = {}
    for inside, outside in ports.items():
        number, _, protocol = inside.partition("/")
        if outside and protocol in {"", "tcp"}:
            # Published on all addresses is published on loopback.
            host = "127.0.0.1" if outside[0]["HostIp"] in {"", "0.0.0.0", "::"} else outside[0]["HostIp"]  # noqa: S104
            found[int(number)] = (host, int(outside[0]["HostPort"]))
    return found


@contextlib.contextmanager
def _understood() -> Iterator[None]:
    try:
        yield
    except (docker.errors.DockerException, requests.RequestException) as error:
        raise SerflabError(f"the Docker engine failed: {_reason(error)}", hint=_HINT) from error


def _reason(error: Exception) -> str:
    explanation = getattr(error, "explanation", None)
    return str(explanation or error)
