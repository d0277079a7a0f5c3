"""How a lab is: asked of the API servers, Prometheus and the processes themselves, all at once."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import requests

from serflab.errors import SerflabError
from serflab.kube.client import ApiClient, RetryPolicy
from serflab.kube.credentials import load_credentials
from serflab.lab.inventory import CONTAINERLAB
from serflab.lab.loopback import session
from serflab.lab.processes import lab_processes, memory_bytes
from serflab.lab.supervisor import Supervisor

if TYPE_CHECKING:
    from pathlib import Path

    from serflab.lab.engine import Container
    from serflab.lab.inventory import Inventory, Serf

READY = "Ready"
_TABLE = "application/json;as=Table;g=meta.k8s.io;v=v1"
_TIMEOUT_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class SerfStatus:
    """One serf: `state` is Ready, Starting, Degraded or Stopped, `problem` says why it is not Ready.

    `pods` counts pods by phase; `tick` is the replay's, None while it has none; `target` is the state of the scrape
    target (up, down or missing).
    """

    name: str
    state: str
    problem: str
    version: str
    nodes: int
    pods: dict[str, int]
    tick: int | None
    target: str

    @property
    def running(self) -> int:
        """Return the number of pods that run."""
        return self.pods.get("Running", 0)

    @property
    def total(self) -> int:
        """Return the number of pods."""
        return sum(self.pods.values())


@dataclass(frozen=True, slots=True)
class LabStatus:
    """The whole lab; `services` maps a service's name to its state, `memory` is in bytes."""

    name: str
    runtime: str
    serfs: tuple[SerfStatus, ...]
    services: dict[str, str]
    memory: int
    viewer: str
    prometheus: str
    problems: tuple[str, ...] = field(default=())

    @property
    def healthy(self) -> bool:
        """Whether every serf is ready and scraped, and every service runs."""
        serfs = all(serf.state == READY and serf.target == "up" for serf in self.serfs)
        return serfs and all(state == "RUNNING" for state in self.services.values()) and not self.problems


def lab_status(inventory: Inventory, state_dir: Path) -> LabStatus:
    """Ask for the status of a lab; what does not answer is part of the answer."""
    problems = []
    try:
        programs = {name: state.state for name, state in Supervisor(state_dir).states().items()}
    except SerflabError as error:
        programs = {}
        problems.append(str(error))
    containers = _containers(inventory, problems)
    targets, ticks = target_states(inventory), _ticks(inventory)
    answers = asyncio.run(_ask_all(inventory))
    serfs = []
    for serf, answer in zip(inventory.serfs, answers, strict=True):
        own = containers.programs(serf) if containers else _programs(serf.name, programs)
        state, problem = _state(own, answer)
        if containers and (reason := containers.problem(serf)):
            problem = reason
        pods = dict(answer.pods) if isinstance(answer, _Answer) else {}
        version, nodes = (answer.version, answer.nodes) if isinstance(answer, _Answer) else ("", 0)
        target = targets.get(serf.name, "missing")
        serfs.append(SerfStatus(serf.name, state, problem, version, nodes, pods, ticks.get(serf.name), target))
    services = _programs("services", programs) | (containers.services if containers else {})
    return LabStatus(
        name=inventory.name,
        runtime=inventory.runtime,
        serfs=tuple(serfs),
        services=services,
        memory=memory_bytes(lab_processes(state_dir)) + (containers.memory if containers else 0),
        viewer=inventory.viewer,
        prometheus=inventory.prometheus,
        problems=tuple(problems),
    )


def _programs(group: str, programs: dict[str, str]) -> dict[str, str]:
    return {name.partition(":")[2]: state for name, state in programs.items() if name.startswith(f"{group}:")}


@dataclass(frozen=True, slots=True)
class _Containers:
    """What the engine says of a lab's containers: those of serfs by node, others as services, memory in bytes."""

    serfs: dict[str, Container]
    services: dict[str, str]
    memory: int

    def programs(self, serf: Serf) -> dict[str, str]:
        """Return the container in the place of a serf's programs: RUNNING, STOPPED, or another state of its own."""
        container = self.serfs.get(serf.name)
        if container is None or container.state in {"created", "exited", "dead"}:
            return {serf.container: "STOPPED"}
        return {serf.container: container.state.upper() if not container.problem else "UNHEALTHY"}

    def problem(self, serf: Serf) -> str:
        """Return what is wrong with the serf's container, empty when nothing is."""
        container = self.serfs.get(serf.name)
        return f"container {serf.container} is not there" if container is None else container.problem


def _containers(inventory: Inventory, problems: list[str]) -> _Containers | None:
    """Return the containers of a lab, None with the local runtime or when the engine does not answer."""
    if inventory.runtime != CONTAINERLAB:
        return None
    # Only here: the library of the engine takes longer to load than the rest of a status.
    from serflab.lab.engine import Engine  # noqa: PLC0415

    try:
        engine = Engine.connect()
        found = engine.containers(inventory.name)
    except SerflabError as error:
        problems.append(str(error))
        return None
    serfs = {serf.name for serf in inventory.serfs}
    services = {
        node: "RUNNING" if container.runs else container.state.upper()
        for node, container in found.items()
        if node not in serfs
    }
    return _Containers(found, services, engine.memory(found.values()))


@dataclass(frozen=True, slots=True)
class _Answer:
    version: str
    nodes: int
    pods: Counter[str]


async def _ask_all(inventory: Inventory) -> list[_Answer | SerflabError]:
    async def ask(serf: Serf) -> _Answer | SerflabError:
        try:
            return await _ask(serf)
        except SerflabError as error:
            return error

    return list(await asyncio.gather(*(ask(serf) for serf in inventory.serfs)))


async def _ask(serf: Serf) -> _Answer:
    once = RetryPolicy(attempts=1)
    async with ApiClient(load_credentials(serf.kubeconfig), retry=once, timeout=_TIMEOUT_SECONDS) as api:
        version, nodes, pods = await asyncio.gather(
            api.get("/version"), _rows(api, "/api/v1/nodes"), _rows(api, "/api/v1/pods")
        )
    return _Answer(version["gitVersion"], len(nodes), Counter(pods))


async def _rows(api: ApiClient, path: str) -> list[str]:
    """Return the column STATUS of each object as kubectl shows it, without fetching the objects."""
    table: dict[str, Any] = await api.get(path, params={"includeObject": "None", "resourceVersion": "0"}, accept=_TABLE)
    column = next(index for index, item in enumerate(table["columnDefinitions"]) if item["name"] == "Status")
    return [row["cells"][column] for row in table.get("rows") or []]


def _state(programs: dict[str, str], answer: _Answer | SerflabError) -> tuple[str, str]:
    """Return a serf's state and what is wrong with it."""
    not_running = [f"{name} is {state}" for name, state in programs.items() if state != "RUNNING"]
    if isinstance(answer, SerflabError):
        state = "Stopped" if set(programs.values()) <= {"STOPPED"} else "Starting"
        return state, answer.message
    if not_running:
        return "Degraded", ", ".join(not_running)
    waiting = {phase: count for phase, count in answer.pods.items() if phase not in {"Running", "Completed"}}
    if waiting:
        return "Degraded", ", ".join(f"{count} pods {phase}" for phase, count in waiting.items())
    return READY, ""


def target_states(inventory: Inventory) -> dict[str, str]:
    """Return the state of each serf's scrape target, `up` or `down`; empty when Prometheus does not answer."""
    answer = _prometheus(inventory, "targets?state=active")
    return {
        target["labels"].get("serf", ""): str(target["health"])
        for target in answer.get("activeTargets", [])
        if target["labels"].get("job") == "kwok-emulation"
    }


def _ticks(inventory: Inventory) -> dict[str, int]:
    answer = _prometheus(inventory, "query?query=serflab_replay_tick")
    return {item["metric"].get("serf", ""): int(float(item["value"][1])) for item in answer.get("result", [])}


def _prometheus(inventory: Inventory, path: str) -> dict[str, Any]:
    try:
        answer = session().get(f"{inventory.prometheus}/api/v1/{path}", timeout=_TIMEOUT_SECONDS)
        answer.raise_for_status()
        data: dict[str, Any] = answer.json()["data"]
    except (requests.RequestException, ValueError, KeyError):
        return {}
    return data
