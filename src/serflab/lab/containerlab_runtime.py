"""The containerlab runtime: the serfs of a plan as containers with links between them, the services on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from serflab.errors import SerflabError
from serflab.lab import state
from serflab.lab.containerlab_files import Deployment, load_deployment
from serflab.lab.containerlab_plan import PROMETHEUS_PORT_INSIDE, ContainerPlan, config_of, published_ports
from serflab.lab.containerlab_serf import ContainerSerf, await_serfs, check_runs
from serflab.lab.engine import PAUSED
from serflab.lab.health import Watchman
from serflab.lab.inventory import CONTAINERLAB, Inventory, load_inventory
from serflab.lab.plan import workload_of
from serflab.lab.ports import LOOPBACK, check_free
from serflab.lab.processes import end, lab_processes
from serflab.lab.serf_image import REPOSITORY, SerfImage, SerfImageBuilder
from serflab.lab.serf_plan import Variant
from serflab.lab.services import OFFLOAD, VIEWER, Services
from serflab.lab.supervisor import Supervisor
from serflab.lab.tools.toolbox import Toolbox

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from serflab.lab.containerlab import Containerlab
    from serflab.lab.engine import Container, Engine
    from serflab.lab.progress import Progress

_NO_IMAGE_HINT = (
    "without K3s: `serflab image build --variant upstream` and SERFLAB_IMAGE=serflab/serf:upstream; "
    "without any image: --runtime local"
)
_PORT_HINT = "stop it, or publish another one in the topology file; --viewer-port moves the page"


class ContainerlabRuntime:
    """Deploys a planned lab with containerlab and repairs it."""

    def __init__(
        self,
        plan: ContainerPlan,
        containerlab: Containerlab,
        engine: Engine,
        prometheus: Path | None,
        progress: Progress,
    ) -> None:
        self._plan = plan
        self._settings = plan.settings
        self._containerlab = containerlab
        self._engine = engine
        self._progress = progress
        self._deployment = Deployment.of(plan)
        self._supervisor = Supervisor(plan.settings.state_dir)
        self._watchman = Watchman(self._supervisor)
        self._services = Services(plan.settings, prometheus, self._watchman)

    def up(self) -> Inventory:
        """Deploy or repair what is missing and return the inventory once every serf and service is ready.

        Raises `SerflabError`; containers are then left as they are, to be looked at and repaired by the next `up`.
        """
        settings = self._settings
        was_running = self._supervisor.is_running()
        if not was_running and (orphans := list(lab_processes(settings.state_dir))):
            self._progress.say(f"the supervisor of this lab is gone; ending {len(orphans)} processes that it left")
            end(orphans, patience=3)
        found = self._engine.containers(self._plan.topology.name)
        self._check_origin(found)
        self._check_ports(found, was_running=was_running)
        self._provide_images()
        self._announce_changes(found)
        state.prepare(settings.state_dir, 0)
        self._deployment.write(self._plan)
        try:
            task = f"deploying {len(self._plan.nodes)} nodes with containerlab"
            self._progress.start(task)
            bring_into_line(
                self._deployment,
                {node.name for node in self._plan.nodes},
                self._containerlab,
                self._engine,
                self._progress,
            )
            self._progress.finish(task)
            serfs = self._await_serfs()
            self._play_changed_configs(serfs)
            inventory = self._inventory(serfs)
            self._supervisor.configure(self._services.programs())
            self._services.start_prometheus(inventory)
            inventory.save(settings.state_dir)
            self._services.start(OFFLOAD)
            self._services.start(VIEWER)
            self._services.await_ready(inventory)
        except BaseException:
            self._watchman.cancelled.set()
            for name in self._services.started:
                self._supervisor.stop(name)
            raise
        return inventory

    def _check_origin(self, found: dict[str, Container]) -> None:
        """Refuse to touch a lab of the same name that was deployed from another file."""
        ours = {self._plan.topology.file.resolve(), self._deployment.file.resolve()}
        if (before := load_deployment(self._settings.state_dir)) is not None:
            ours.add(before.file.resolve())
        labels = {container.topology for container in found.values() if container.topology}
        others = {label for label in labels if Path(label).resolve() not in ours}
        if others:
            other = min(others)
            raise SerflabError(
                f"a lab {self._plan.topology.name} is deployed already, from {other}",
                hint=f"take it away with `containerlab destroy -t {other}`, or give this lab another name",
            )

    def _announce_changes(self, found: dict[str, Container]) -> None:
        """Say which variables of the topology file have changed, before containers are replaced because of them."""
        before = load_deployment(self._settings.state_dir)
        if before is None or not found:
            return
        now = self._deployment.variables
        for name in sorted(before.variables.keys() | now.keys()):
            old, new = before.variables.get(name, "not set"), now.get(name, "not set")
            if old != new:
                self._progress.say(f"{name} was {old} and is {new}: containerlab replaces what that changes")

    def _provide_images(self) -> None:
        """Build the images of serfs that are not on this machine; `SerflabError` for one that is not ours to build."""
        images = {node.image: node.name for node in reversed(self._plan.serfs)}
        missing = {image: name for image, name in images.items() if not self._engine.has_image(image)}
        variants = {f"{REPOSITORY}:{variant}": variant for variant in Variant}
        foreign = sorted(set(missing) - set(variants))
        if foreign:
            lines = [f"the image {image} of {missing[image]} is not on this machine" for image in foreign]
            hint = "`serflab image build` builds serflab/serf:k3s; SERFLAB_IMAGE names another one"
            raise SerflabError("\n".join(lines), hint=hint)
        checkout = self._settings.checkout
        for image, name in missing.items():
            self._progress.say(f"the image {image} is not on this machine; building it")
            try:
                SerfImageBuilder(checkout, Toolbox(checkout), self._progress).build(SerfImage(variants[image]))
            except SerflabError as error:
                problem = f"the image {image} of {name} could not be built: {error}"
                raise SerflabError(problem, hint=_NO_IMAGE_HINT) from error

    def _check_ports(self, found: dict[str, Container], *, was_running: bool) -> None:
        states = self._supervisor.states() if was_running else {}
        services = self._services.ports()
        wanted = {
            port: purpose
            for name, (port, purpose) in services.items()
            if name not in states or states[name].state not in {"RUNNING", "STARTING", "STOPPING"}
        }
        for node in self._plan.nodes:
            container = found.get(node.name)
            if container is None or not (container.runs or container.state == PAUSED):
                ports = published_ports(node).items()
                wanted |= {number: f"port {inside} of {node.name}" for inside, (_, number) in ports}
        check_free(wanted, _PORT_HINT)

    def _await_serfs(self) -> list[ContainerSerf]:
        """Wait until all serfs do their work; raises `SerflabError` that says which node does not, and why."""
        task = f"waiting for {len(self._plan.serfs)} serfs and their pods"
        self._progress.start(task)
        names = [node.name for node in self._plan.nodes]
        workloads = self._plan.workloads

        def serfs() -> list[ContainerSerf]:
            found = self._engine.containers(self._plan.topology.name)
            for name in names:
                check_runs(name, found.get(name), self._engine)
            directory = self._settings.state_dir
            return [
                ContainerSerf(
                    found[node.name], workloads[node.name], directory / node.name, self._engine, config_of(node)
                )
                for node in self._plan.serfs
            ]

        ready = await_serfs(serfs, lambda done, total: self._progress.advance(task, done, total, "serfs"))
        self._progress.finish(task)
        for serf in ready:
            serf.export_kubeconfig()
        return ready

    def _play_changed_configs(self, serfs: list[ContainerSerf]) -> None:
        """Let the serfs whose config has changed since they took it up do so again; returns when they play it."""
        changed = [serf for serf in serfs if not serf.plays_its_config()]
        if not changed:
            return
        task = f"{len(changed)} serfs take up a config that has changed"
        self._progress.start(task)
        for serf in changed:
            serf.take_up_config()
        await_serfs(
            lambda: changed, lambda done, total: self._progress.advance(task, done, total, "serfs"), playing=True
        )
        self._progress.finish(task)

    def _inventory(self, serfs: list[ContainerSerf]) -> Inventory:
        return Inventory(
            name=self._plan.topology.name,
            runtime=CONTAINERLAB,
            topology=self._plan.topology.file,
            serfs=tuple(serf.inventory_entry for serf in serfs),
            prometheus=prometheus_url(self._plan),
            viewer=f"http://{LOOPBACK}:{self._settings.viewer_port}",
        )


def bring_into_line(
    deployment: Deployment, nodes: Collection[str], containerlab: Containerlab, engine: Engine, progress: Progress
) -> None:
    """Deploy what is missing of a lab, the containers of those nodes and links.

    Containers that ended come first: `deploy` starts only those that containerlab itself has stopped, and fails on the
    links of the others.
    """
    found = [container for container in engine.containers(deployment.lab).values() if container.node in nodes]
    for container in found:
        if container.state == PAUSED:
            progress.say(f"{container.node} is paused; letting it go on")
            engine.resume(container)
    ended = [container for container in found if not container.runs and container.state != PAUSED]
    for container in ended:
        progress.say(f"{container.node}: {container.problem}; starting it again")
    if ended:
        containerlab.start(deployment, sorted(container.node for container in ended))
    containerlab.deploy(deployment)


def prometheus_url(plan: ContainerPlan) -> str:
    """Return where the lab's Prometheus answers: its node, as it is published, or the one on this machine."""
    node = plan.prometheus
    if node is None:
        return f"http://{LOOPBACK}:{plan.settings.prometheus_port}"
    host, port = published_ports(node).get(PROMETHEUS_PORT_INSIDE, (node.mgmt_ipv4, PROMETHEUS_PORT_INSIDE))
    return f"http://{host}:{port}"


def restart(state_dir: Path, name: str, containerlab: Containerlab, engine: Engine, progress: Progress) -> None:
    """Restart the container of a serf, keep its links, and wait until it does its work."""
    inventory, deployment = load_inventory(state_dir), load_deployment(state_dir)
    entry = inventory.serf(name)
    if deployment is None:
        raise SerflabError(
            f"nothing says from which file {entry.container} was deployed", hint="`serflab up` finds out"
        )
    task = f"restarting {entry.container}"
    progress.start(task)
    containerlab.restart(deployment, [name])

    def serfs() -> list[ContainerSerf]:
        container = check_runs(name, engine.containers(inventory.name).get(name), engine)
        return [ContainerSerf(container, workload_of(entry), state_dir / name, engine)]

    for serf in await_serfs(serfs):
        serf.export_kubeconfig()
    # Links that were lost before, as by an end of the container that containerlab did not see, come back as well.
    containerlab.deploy(deployment)
    progress.finish(task)


def take_containers_down(
    deployment: Deployment, engine: Engine, find: Callable[[], Containerlab], *, keep_data: bool
) -> int:
    """Take the containers of a lab away, or with `keep_data` stop them and put their links by; return how many.

    `find` returns containerlab; it is not asked where nothing of the lab is left.
    """
    found = engine.containers(deployment.lab)
    running = sorted(node for node, container in found.items() if container.runs)
    if keep_data and running:
        find().stop(deployment, running)
    elif found and not keep_data:
        find().destroy(deployment)
    return len(running if keep_data else found)
