"""Finding the serfs of an exported lab from inside the cluster, for the programs that read an inventory.

Each serf makes its own certificates when it starts, so its kubeconfig is fetched from its pod, once for each start of
its container. The inventory and the kubeconfigs then lie in the state directory as if `serflab up` had written them.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from serflab.errors import Finding, InputError, SerflabError
from serflab.kube.credentials import load_credentials
from serflab.kube.exec import Target, run_in_pod
from serflab.kube.watch import Collection, WatchCache
from serflab.lab.inventory import Inventory, Serf, load_inventory, write_atomically

if TYPE_CHECKING:
    from serflab.kube.client import ApiClient

log = logging.getLogger(__name__)

PLAN_ENV = "SERFLAB_EXPORT"
DIRECTORY = "kubeconfigs"
_COMMAND = ("sh", "-c", 'cat "$KUBECONFIG"')
_AT_ONCE = 8
_AGAIN_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Place:
    """Where a serf of the plan is: its pod, its URLs in the cluster, and what the inventory says of it besides."""

    name: str
    pod: str
    server: str
    exporter: str
    config: Path
    env: dict[str, str]


@dataclass(frozen=True, slots=True)
class Plan:
    """The exported lab, as `serflab export kubernetes` describes it: `selector` finds its pods in `namespace`."""

    name: str
    namespace: str
    selector: str
    container: str
    topology: Path
    prometheus: str
    viewer: str
    serfs: tuple[Place, ...]


def load_plan(file: Path | None = None) -> Plan:
    """Read the plan; by default the file of `$SERFLAB_EXPORT`. Raises `InputError`."""
    source = file or Path(os.environ.get(PLAN_ENV, "lab.json"))
    try:
        data = json.loads(source.read_text(encoding="utf-8"))
        serfs = tuple(Place(**{**serf, "config": Path(serf["config"])}) for serf in data["serfs"])
        return Plan(**{**data, "topology": Path(data["topology"]), "serfs": serfs})
    except OSError as error:
        problem, hint = f"cannot be read ({error.strerror})", f"name the exported lab.json in {PLAN_ENV}"
    except (ValueError, TypeError, LookupError) as error:
        problem, hint = f"is not the description of an exported lab: {error}", "export the lab again"
    raise InputError([Finding(str(source), "", problem, hint)])


@dataclass(frozen=True, slots=True)
class Start:
    """One start of a serf's container: another one has other certificates."""

    pod: str
    restarts: int


class Discovery:
    """Keeps inventory and kubeconfigs in line with the pods."""

    def __init__(self, client: ApiClient, plan: Plan, state_dir: Path) -> None:
        self._client = client
        self._plan = plan
        self._state_dir = state_dir
        self._known: dict[str, Start] = {}
        self._serfs = self._left_by_the_last_one()
        self._changed = asyncio.Event()
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._told: dict[str, str] = {}

    async def run(self) -> None:
        """Follow the pods for ever."""
        pods = Collection(f"/api/v1/namespaces/{self._plan.namespace}/pods", label_selector=self._plan.selector)
        async with WatchCache(self._client, pods, self._start, on_event=lambda _: self._changed.set()) as cache:
            await cache.wait_synced()
            self._changed.set()
            while True:
                complete = await self._catch_up({name: start for (_, name), start in cache.objects.items()})
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._changed.wait(), None if complete else _AGAIN_SECONDS)
                self._changed.clear()

    async def _catch_up(self, starts: dict[str, Start]) -> bool:
        """Fetch what is new and write the inventory; return False while some could not be fetched."""
        due = [
            (place, start)
            for place in self._plan.serfs
            if (start := starts.get(place.pod)) and self._known.get(place.name) != start
        ]
        found = await asyncio.gather(*(self._fetch(place) for place, _ in due))
        for (place, start), kubeconfig in zip(due, found, strict=True):
            if kubeconfig is not None:
                self._known[place.name] = start
                self._serfs[place.name] = self._entry(place, kubeconfig)
        if any(found) or not (self._state_dir / "lab.json").exists():
            self._save()
        return all(found)

    def _start(self, pod: dict[str, Any]) -> Start | None:
        """Return the start of a pod's serf, None until it answers."""
        statuses = pod.get("status", {}).get("containerStatuses") or ()
        serf = next((status for status in statuses if status["name"] == self._plan.container), None)
        if serf is None or not serf.get("started") or "running" not in serf.get("state", {}):
            return None
        return Start(pod["metadata"]["uid"], serf.get("restartCount", 0))

    async def _fetch(self, place: Place) -> Path | None:
        """Return the serf's kubeconfig as a file, None when it cannot be had now."""
        async with self._slots:
            try:
                target = Target(self._plan.namespace, place.pod, self._plan.container)
                text = await run_in_pod(self._client, target, _COMMAND)
                text = readdressed(text, place.server)
                digest = hashlib.sha256(text.encode()).hexdigest()[:12]
                # Another name for another content: those who read the inventory see that something changed.
                file = self._state_dir / DIRECTORY / f"{place.name}-{digest}.kubeconfig"
                await asyncio.to_thread(self._write, file, text)
            except SerflabError as error:
                if self._told.get(place.name) != error.message:
                    log.warning("%s: no kubeconfig yet: %s", place.name, error.message)
                self._told[place.name] = error.message
                return None
        self._told.pop(place.name, None)
        log.info("%s is %s", place.name, place.pod)
        return file

    @staticmethod
    def _write(file: Path, text: str) -> None:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_atomically(file, text)
        try:
            load_credentials(file)
        except SerflabError:
            file.unlink()
            raise

    def _entry(self, place: Place, kubeconfig: Path) -> Serf:
        nowhere = self._state_dir / place.name / "logs"
        return Serf(place.name, kubeconfig, place.server, place.exporter, place.config, nowhere, place.env)

    def _left_by_the_last_one(self) -> dict[str, Serf]:
        """Return what an earlier run of discovery has found: right until the pods say otherwise."""
        try:
            inventory = load_inventory(self._state_dir)
        except SerflabError:
            return {}
        places = {place.name: place for place in self._plan.serfs}
        return {
            serf.name: self._entry(places[serf.name], serf.kubeconfig)
            for serf in inventory.serfs
            if serf.name in places and serf.kubeconfig.exists()
        }

    def _save(self) -> None:
        plan = self._plan
        serfs = tuple(self._serfs[place.name] for place in plan.serfs if place.name in self._serfs)
        self._state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        Inventory(plan.name, "kubernetes", plan.topology, serfs, plan.prometheus, plan.viewer).save(self._state_dir)
        wanted = {serf.kubeconfig for serf in serfs}
        for file in (self._state_dir / DIRECTORY).glob("*.kubeconfig"):
            if file not in wanted:
                file.unlink(missing_ok=True)


def readdressed(text: str, server: str) -> str:
    """Return a kubeconfig of one cluster with another address of its API server; `SerflabError` for anything else."""
    try:
        data = yaml.safe_load(text)
        [cluster] = data["clusters"]
        cluster["cluster"]["server"] = server
    except (yaml.YAMLError, LookupError, TypeError, ValueError) as error:
        raise SerflabError("the pod's kubeconfig is not one of a single cluster") from error
    return yaml.safe_dump(data, sort_keys=False)
