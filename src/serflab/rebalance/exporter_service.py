"""The exporter as a program: which source it has, its listener, and playing the VMs' series onto a cluster."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from serflab.errors import SerflabError
from serflab.kube.client import ApiClient
from serflab.kube.credentials import load_credentials
from serflab.rebalance.cluster_load import ClusterLoad
from serflab.rebalance.exporter import Exporter
from serflab.rebalance.exporter_http import application
from serflab.rebalance.exporter_writes import Writes
from serflab.rebalance.names import DEFAULT_PSI_FORMULA
from serflab.rebalance.program import listening
from serflab.rebalance.scenario_check import load_scenario
from serflab.rebalance.scenario_load import ScenarioLoad
from serflab.rebalance.series_player import SeriesPlayer
from serflab.rebalance.virtual_machines import list_vms

if TYPE_CHECKING:
    from pathlib import Path

    from serflab.kube.credentials import Credentials
    from serflab.rebalance.names import PsiFormula
    from serflab.rebalance.scenario import Scenario

_log = logging.getLogger(__name__)

ALL: Final = "all"
_DEFAULT_NAMESPACE: Final = "default"
_RETRY_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class ExporterOptions:
    """What the exporter is told at its start.

    `scenario` is `FILE` or `FILE:NAME`. With `offline` no cluster is looked for. With `play_only` the scenario says
    only what VMs use that somebody else makes: none is made, and nothing is computed from it without a cluster. The VMs
    are those of `namespace` or of all; new ones go to `namespace` or to `default`, labelled with `instance` if one is
    named.
    """

    host: str
    port: int
    kubeconfig: str | None = None
    namespace: str = ALL
    scenario: str | None = None
    templates: Path | None = None
    offline: bool = False
    play_only: bool = False
    formula: PsiFormula = DEFAULT_PSI_FORMULA
    update_interval: float = 0.5
    stale_after: float = 30.0
    instance: str = ""

    @property
    def vm_namespace(self) -> str:
        """The namespace that new VMs go to."""
        return _DEFAULT_NAMESPACE if self.namespace == ALL else self.namespace


async def serve(options: ExporterOptions) -> None:
    """Serve the metrics until cancelled.

    Raises `InputError` for a scenario or kubeconfig that cannot be used, and `SerflabError` when there is neither a
    cluster nor a scenario, the port cannot be had, or the API server refuses what an exporter needs.
    """
    scenario = load_scenario(options.scenario, options.templates) if options.scenario else None
    exporter = Exporter(options.formula, update_interval=options.update_interval)
    played = ScenarioLoad(scenario) if scenario else None
    if not options.play_only:
        exporter.scenario = played
    credentials = _credentials(options)
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as tasks:
        client = await stack.enter_async_context(ApiClient(credentials)) if credentials else None
        if client:
            namespace = "" if options.namespace == ALL else options.namespace
            exporter.cluster = ClusterLoad(
                client, namespace=namespace, stale_after=options.stale_after, on_change=exporter.changed
            )
            tasks.create_task(exporter.cluster.run())
        writes = Writes(exporter, client, options.vm_namespace, options.templates, options.instance)
        await stack.enter_async_context(
            listening(application(exporter, writes, options.host), options.host, options.port)
        )
        _log.info("metrics at http://%s:%d/metrics", options.host, options.port)
        tasks.create_task(exporter.run())
        tasks.create_task(_tell_source(exporter))
        if client and played:
            tasks.create_task(_keep_scenario(exporter, client, writes, options.vm_namespace, played))


def _credentials(options: ExporterOptions) -> Credentials | None:
    if options.play_only and (options.offline or not options.scenario):
        raise SerflabError("--play-only needs a scenario and a cluster", hint="name the scenario with --scenario FILE")
    if options.offline:
        if not options.scenario:
            raise SerflabError("--offline needs a scenario", hint="name one with --scenario FILE")
        return None
    try:
        return load_credentials(options.kubeconfig)
    except SerflabError as error:
        if options.kubeconfig is not None or not options.scenario or options.play_only:
            raise
        _log.warning("without a Kubernetes API: the metrics are computed from the scenario (%s)", error.message)
        return None


async def _tell_source(exporter: Exporter) -> None:
    """Log where the figures come from, and when they stop or come again."""
    told = None
    while True:
        picture = exporter.picture
        now = picture.source, bool(picture.problem)
        if now != told and picture.source != "none":
            told = now
            if picture.problem:
                _log.warning("no node is published: %s", picture.problem)
            elif picture.source == "scenario":
                _log.warning(
                    "%d nodes are computed from the scenario: no API server has answered", len(picture.figures)
                )
            else:
                _log.info("%d nodes with %d VMs of the cluster", len(picture.figures), len(picture.loads))
        await asyncio.sleep(0.2)


async def _keep_scenario(
    exporter: Exporter, client: ApiClient, writes: Writes, namespace: str, played: ScenarioLoad
) -> None:
    """Make the VMs of the scenario that are missing in the cluster, then play their series onto them.

    An exporter without a scenario of its own only plays `played`.
    """
    made_of: Scenario | None = played.scenario if exporter.scenario is None else None
    player = SeriesPlayer(client, namespace, lambda: {running.vm for running in exporter.picture.loads})
    while True:
        load = exporter.scenario or played
        if exporter.source is exporter.cluster:
            try:
                if made_of is not load.scenario:
                    await _make_missing(client, writes, load.scenario, namespace)
                    made_of = load.scenario
                    player.forget()
                await player.play(load.scenario, load.point(time.time()))
            except SerflabError as error:
                _log.warning("the VMs of the scenario: %s; trying again", error)
                await asyncio.sleep(_RETRY_SECONDS)
        await asyncio.sleep(0.5)


async def _make_missing(client: ApiClient, writes: Writes, scenario: Scenario, namespace: str) -> None:
    there = {vm["metadata"]["name"] for vm in await list_vms(client, namespace)}
    missing = [vm for vm in scenario.vms() if vm.id not in there]
    if missing:
        _log.info("%d VMs of scenario %s are made in namespace %s", len(missing), scenario.name, namespace)
        await writes.create_vms(missing)
