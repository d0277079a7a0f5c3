"""The closed loop as processes of this machine: bringing it up, repairing it, switching, taking it down."""

from __future__ import annotations

import asyncio
import contextlib
import time
from pathlib import Path
from typing import TYPE_CHECKING

from serflab.errors import SerflabError
from serflab.lab import state
from serflab.lab.certificates import issue_pki
from serflab.lab.health import Watchman
from serflab.lab.ports import LOOPBACK, check_free
from serflab.lab.processes import end, lab_processes
from serflab.lab.supervisor import Supervisor
from serflab.rebalance import admission, crds, in_cluster
from serflab.rebalance.algorithms import PARETO, check_size
from serflab.rebalance.loop_files import (
    check_loop_policy,
    reload_prometheus,
    remove_from_central,
    write_policy,
    write_prometheus,
)
from serflab.rebalance.loop_programs import (
    CONTROLLER,
    DESCHEDULER,
    EXPORTER,
    PROMETHEUS,
    WEBHOOK,
    LoopPrograms,
    full_name,
    own_serf,
)
from serflab.rebalance.loop_settings import FILE_NAME, NAMESPACE, Loop, load_loop, loop_directory
from serflab.rebalance.names import SCHEDULABLE
from serflab.rebalance.placement import (
    clear,
    make_nodes,
    others_that_take_part,
    place,
    remove_nodes,
    unwanted_nodes,
)
from serflab.rebalance.preflight import Preflight
from serflab.rebalance.questions import ExporterError, api, node_figures

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from serflab.lab.progress import Progress
    from serflab.rebalance.scenario import Node, Scenario

_PORTS_HINT = "stop it, or move the loop: --port-base moves its ports, --exporter-port that of the exporter"
_PREFLIGHT_SECONDS = 60.0
_ANSWER_SECONDS = 5.0
_RUNNING = frozenset({"RUNNING", "STARTING", "STOPPING"})


class LoopRuntime:
    """Brings a loop up on this machine and repairs it.

    `programs` maps the names of pinned programs to their files. A loop that is up with another scenario, or with nodes
    that are not wanted any more, loses its VMs and gets those of this one.
    """

    def __init__(
        self, loop: Loop, scenario: Scenario, nodes: Sequence[Node], programs: Mapping[str, Path], progress: Progress
    ) -> None:
        self._loop = loop.changed(failed="")
        self._scenario = scenario
        self._nodes = nodes
        self._progress = progress
        self._supervisor = Supervisor(loop.directory)
        self._watchman = Watchman(self._supervisor)
        self._parts = LoopPrograms(loop, programs, loop.times.time_scale(scenario))
        self._own = None if loop.serf else own_serf(loop, programs, self._watchman)
        self._started: list[str] = []
        self._digest = scenario.digest()
        self._changed_files = False

    def up(self) -> Loop:
        """Start what is missing, put the VMs on their nodes, and start the descheduler when all is ready for it.

        Returns the loop as it is kept. Raises `SerflabError` after stopping what it had started; what is made in a serf
        of the lab stays until `down`, and so do the logs of a loop that did not come up, with the reason.
        """
        was_running = self._supervisor.is_running()
        try:
            self._prepare(was_running=was_running)
            self._start_serf()
            asyncio.run(self._prepare_cluster())
            self._start_prometheus()
            for part in (WEBHOOK, CONTROLLER):
                self._start(part)
            self._await(WEBHOOK, CONTROLLER)
            placed = asyncio.run(self._place())
            self._start(EXPORTER)
            self._await(EXPORTER)
            if placed:
                # Else the first cycle would see averages over a time in which there were no VMs.
                time.sleep(self._loop.times.window + 2 * self._loop.times.scrape)
            self._await_preflight()
            self._start_descheduler()
        except BaseException as error:
            self._watchman.cancelled.set()
            self._undo(was_running=was_running)
            if not was_running and (self._loop.directory / FILE_NAME).exists():
                self._keep(failed=_reason(error))
            raise
        return self._loop

    def _prepare(self, *, was_running: bool) -> None:
        """Check the machine, write all files, and make supervisord know all programs."""
        loop = self._loop
        if not was_running and (orphans := list(lab_processes(loop.directory))):
            self._progress.say(f"the supervisor of this loop is gone; ending {len(orphans)} processes that it left")
            end(orphans, patience=3)
        self._check_ports(was_running=was_running)
        # The lab's directory too: a lab that is brought up later finds it to be its own.
        state.prepare(loop.directory.parent, 0)
        state.prepare(loop.directory, 1)
        loop.logs.mkdir(exist_ok=True)
        pki = issue_pki(loop.pki, ["localhost"], [LOOPBACK])
        if (problem := in_cluster.is_possible(pki.certificate("ca"))) is not None:
            raise problem
        loop.save()
        serf = []
        if self._own is not None:
            self._own.prepare()
            serf = self._own.programs()
        self._changed_files = write_prometheus(loop)
        policy_changed = write_policy(loop)
        self._supervisor.configure([*serf, *self._parts.for_supervisor()])
        if policy_changed:
            self._supervisor.stop(full_name(DESCHEDULER))

    def _check_ports(self, *, was_running: bool) -> None:
        states = self._supervisor.states() if was_running else {}
        running = {name for name, program in states.items() if program.state in _RUNNING}
        wanted = {port: what for name, (port, what) in self._parts.listeners().items() if name not in running}
        if self._own is not None:
            serf = self._own.plan.name
            wanted |= {
                port: f"{component} of the loop's serf"
                for component, port in self._own.listeners()
                if f"{serf}:{component}" not in running
            }
        check_free(wanted, _PORTS_HINT)

    def _start_serf(self) -> None:
        if self._own is None:
            return
        task = "starting a serf for the loop"
        self._progress.start(task)
        self._own.start_cluster()
        self._started += self._own.started
        self._progress.finish(task)

    async def _prepare_cluster(self) -> None:
        async with api(self._loop) as client:
            await crds.install(client)
            await admission.install(client)
            await make_nodes(client, self._nodes)
            others = set(await others_that_take_part(client)) - {node.name for node in self._nodes}
        if others:
            self._progress.say(f"also of the loop, by the label {SCHEDULABLE}=true: {', '.join(sorted(others))}")

    def _start_prometheus(self) -> None:
        if not self._loop.central:
            started = self._start(PROMETHEUS)
            self._await(PROMETHEUS)
            if started:
                return
        if self._changed_files:
            reload_prometheus(self._loop.prometheus)

    async def _place(self) -> int:
        async with api(self._loop) as client:
            if self._loop.placed != self._digest or await unwanted_nodes(client, self._nodes):
                # VMs of the same name may follow other series: the exporter plays them anew once they are placed.
                for part in (DESCHEDULER, EXPORTER):
                    self._supervisor.stop(full_name(part))
                self._keep(placed="")
                await clear(client, NAMESPACE)
                await remove_nodes(client, self._nodes)
            made = await place(client, self._scenario, self._nodes, NAMESPACE, self._progress)
        self._keep(placed=self._digest)
        return made

    def _keep(self, **values: str | float) -> None:
        self._loop = self._loop.changed(**values)
        self._loop.save()

    def _await_preflight(self) -> None:
        """Wait until nothing is in the descheduler's way; raises `SerflabError` with all that is after a minute."""
        task = "waiting for the first scores"
        self._progress.start(task)
        deadline = time.monotonic() + _PREFLIGHT_SECONDS + self._loop.times.window
        preflight = Preflight(self._loop)
        while True:
            problems = preflight.problems()
            if not problems:
                break
            if time.monotonic() > deadline:
                raise SerflabError("the descheduler would give up:\n" + "\n".join(map(str, problems)))
            self._watchman.pause()
        self._progress.finish(task)

    def _start_descheduler(self) -> None:
        began = time.time()
        if self._start(DESCHEDULER):
            self._keep(since=began)
        self._await(DESCHEDULER)

    def _start(self, part: str) -> bool:
        started = self._supervisor.start(full_name(part))
        if started:
            self._started.append(full_name(part))
        return started

    def _await(self, *parts: str) -> None:
        authority = str(self._loop.pki / "ca.crt")
        self._watchman.await_ready([self._parts.awaited(part) for part in parts], authority)

    def _undo(self, *, was_running: bool) -> None:
        if was_running:
            for name in self._started:
                self._supervisor.stop(name)
            return
        self._supervisor.shut_down()
        end(lab_processes(self._loop.directory), patience=3)


def _reason(error: BaseException) -> str:
    """Return why an `up` ended, for those who ask for the loop later."""
    if isinstance(error, SerflabError):
        return error.message
    return "it was interrupted" if isinstance(error, KeyboardInterrupt) else f"it ended by {error!r}"


def switch(loop: Loop) -> Loop:
    """Let the descheduler, and nothing else, go on with the algorithm and thresholds that the loop has now.

    Returns the loop as it is kept once the descheduler is ready. Raises `InputError` with all that is wrong with the
    policy, or for an algorithm that cannot score so many nodes, which changes nothing, and `SerflabError` when the
    loop's supervisor does not run.
    """
    check_loop_policy(loop)
    _check_size(loop)
    supervisor = Supervisor(loop.directory)
    supervisor.stop(full_name(DESCHEDULER))
    loop = loop.changed(since=time.time())
    write_policy(loop)
    loop.save()
    supervisor.start(full_name(DESCHEDULER))
    # Only how to ask for its health is of interest, not which files are run.
    awaited = LoopPrograms(loop, {DESCHEDULER: Path()}, 1).awaited(DESCHEDULER)
    Watchman(supervisor).await_ready([awaited], str(loop.pki / "ca.crt"))
    return loop


def _check_size(loop: Loop) -> None:
    if loop.algorithm == PARETO:
        with contextlib.suppress(ExporterError):
            check_size(loop.algorithm, len(node_figures(loop)), file="algorithm")


def down(state_dir: Path, progress: Progress) -> int:
    """Take the loop beside the lab in that state directory away; return how many processes ended.

    A serf of the lab loses what the loop made in it. Raises `SerflabError` when a process is left even so.
    """
    directory = loop_directory(state_dir)
    count = sum(1 for _ in lab_processes(directory))
    loop = _known(state_dir, progress)
    if loop is not None and loop.serf:
        _leave(loop, progress)
    Supervisor(directory).shut_down()
    left = end(lab_processes(directory), patience=5)
    if left:
        numbers = ", ".join(str(process.pid) for process in left)
        raise SerflabError(f"these processes of the loop do not end: {numbers}")
    state.remove(directory, keep_data=False)
    if state.is_bare(state_dir):
        state.remove(state_dir, keep_data=False)
    return count


def _known(state_dir: Path, progress: Progress) -> Loop | None:
    """Return the loop of that state directory if its file can be read; otherwise say what that leaves behind."""
    if not (loop_directory(state_dir) / FILE_NAME).exists():
        return None
    try:
        return load_loop(state_dir)
    except SerflabError as error:
        progress.say(f"{error.message}; what the loop made in a serf of the lab, nodes and VMs, stays there")
        return None


def _leave(loop: Loop, progress: Progress) -> None:
    """Take out of the lab what a loop has put into it; what does not answer any more is said and left."""
    supervisor = Supervisor(loop.directory)
    task = f"taking the loop out of {loop.serf}"
    progress.start(task)
    if supervisor.is_running():
        for part in (DESCHEDULER, CONTROLLER, EXPORTER, WEBHOOK):
            supervisor.stop(full_name(part))
    try:
        asyncio.run(_clear(loop, progress))
    except (SerflabError, TimeoutError) as error:
        progress.say(f"{loop.serf} does not answer, what the loop made in it stays there: {error}")
    if loop.central:
        try:
            remove_from_central(loop)
        except SerflabError as error:
            progress.say(str(error))
    progress.finish(task)


async def _clear(loop: Loop, progress: Progress) -> None:
    async with api(loop) as client:
        async with asyncio.timeout(_ANSWER_SECONDS):
            await client.get("/version")
        await admission.remove(client)
        others = await clear(client, NAMESPACE)
        if others:
            progress.say(f"{others} VMs in {loop.serf} are not the loop's: they stay, and so does what defines them")
        else:
            await crds.remove(client)
        await remove_nodes(client)
