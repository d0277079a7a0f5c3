"""`serflab rebalance controller`: the program that runs and migrates VMs."""

from __future__ import annotations

import click

from serflab.kube.client import ApiClient
from serflab.kube.credentials import load_credentials
from serflab.rebalance.bodies import Capacity
from serflab.rebalance.controller import Controller
from serflab.rebalance.controller_settings import ControllerSettings
from serflab.rebalance.eviction import DEFAULT_STRATEGY
from serflab.rebalance.eviction import STRATEGIES as EVICTION_STRATEGIES
from serflab.rebalance.eviction import Strategy as EvictionStrategy
from serflab.rebalance.names import NODE_CORES, NODE_MEMORY_GIB
from serflab.rebalance.pods import STRATEGIES, Strategy
from serflab.rebalance.program import run_until_stopped
from serflab.traces.quantity import parse_memory


def _bandwidth(_context: click.Context, _parameter: click.Parameter, value: str) -> float:
    try:
        amount = parse_memory(value) * 2**20
    except ValueError as error:
        raise click.BadParameter(f"expected bytes a second such as 64Mi, found {value!r}") from error
    if amount <= 0:
        raise click.BadParameter(f"expected more than nothing, found {value!r}")
    return amount


@click.command()
@click.option("--kubeconfig", metavar="FILE", help="Otherwise $KUBECONFIG, ~/.kube/config, the pod's account.")
@click.option("--namespace", default="all", show_default=True, metavar="NS", help="Whose VMs.")
@click.option("--max-migrations", type=click.IntRange(1), default=5, show_default=True, help="In the cluster at once.")
@click.option("--max-outbound", type=click.IntRange(1), default=2, show_default=True, help="Out of a node at once.")
@click.option(
    "--migration-bandwidth",
    "bandwidth",
    default="64Mi",
    show_default=True,
    callback=_bandwidth,
    help="Bytes a second: a migration lasts as long as the VM's memory needs.",
)
@click.option(
    "--time-scale",
    type=click.FloatRange(0.001),
    default=1.0,
    show_default=True,
    help="Migrations, waits after failures and time-outs are so many times shorter.",
)
@click.option(
    "--strategy",
    type=click.Choice(STRATEGIES),
    default="create-first",
    show_default=True,
    help="Whether a migration makes its target before the source goes.",
)
@click.option(
    "--exclude-source/--no-exclude-source", default=True, show_default=True, help="The target must be another node."
)
@click.option(
    "--default-strategy",
    type=click.Choice(EVICTION_STRATEGIES),
    default=DEFAULT_STRATEGY,
    show_default=True,
    help="Of VMs without spec.evictionStrategy: the same as the webhook's.",
)
@click.option("--max-attempts", type=click.IntRange(1), default=3, show_default=True, help="Of an evacuation.")
@click.option(
    "--pending-timeout",
    type=click.FloatRange(0.001),
    default=300.0,
    show_default=True,
    metavar="SECONDS",
    help="How long a migration's target may take to run.",
)
@click.option("--node-cores", type=click.FloatRange(0.001), default=NODE_CORES, show_default=True, help="A ratio of 1.")
@click.option(
    "--node-memory",
    type=click.FloatRange(0.001),
    default=NODE_MEMORY_GIB,
    show_default=True,
    help="GiB, a ratio of 1.",
)
def controller(  # noqa: PLR0913 - each is an option of the command line
    *,
    kubeconfig: str | None,
    namespace: str,
    max_migrations: int,
    max_outbound: int,
    bandwidth: float,
    time_scale: float,
    strategy: Strategy,
    default_strategy: EvictionStrategy,
    max_attempts: int,
    pending_timeout: float,
    node_cores: float,
    node_memory: float,
    exclude_source: bool,
) -> None:
    """Run the VM controller until SIGTERM: pods for VMs, and migrations for those that have to leave their node."""
    settings = ControllerSettings(
        namespace="" if namespace == "all" else namespace,
        max_migrations=max_migrations,
        max_outbound=max_outbound,
        bandwidth=bandwidth,
        time_scale=time_scale,
        strategy=strategy,
        exclude_source=exclude_source,
        default_strategy=default_strategy,
        max_attempts=max_attempts,
        pending_timeout=pending_timeout,
        capacity=Capacity(node_cores, node_memory),
    )
    run_until_stopped(_run(kubeconfig, settings))


async def _run(kubeconfig: str | None, settings: ControllerSettings) -> None:
    async with ApiClient(load_credentials(kubeconfig)) as client:
        await Controller(client, settings).run()
