"""`serflab rebalance exporter`: the metrics of the nodes."""

from __future__ import annotations

from typing import Any

import click

from serflab.cli.scenario_files import one_scenario, templates
from serflab.cli.values import PORT, SECONDS
from serflab.emulation.names import INSTANCE
from serflab.rebalance.exporter_service import ExporterOptions, serve
from serflab.rebalance.names import DEFAULT_PSI_FORMULA, PSI_FORMULAS
from serflab.rebalance.program import run_until_stopped


@click.command()
@click.option(
    "--kubeconfig", metavar="FILE", help="Of the cluster; otherwise $KUBECONFIG, ~/.kube/config, the pod's account."
)
@click.option("--namespace", metavar="NS", default="all", show_default=True, help="The namespace of the VMs.")
@click.option(
    "--scenario", metavar="FILE[:NAME]", help="Make its VMs, or without a cluster compute the metrics from it."
)
@click.option("--play-only", is_flag=True, help="Make no VMs, let those that are there follow the scenario's series.")
@click.option(
    "--instance", metavar="NAME", default="", help=f"Label the VMs that it makes: {INSTANCE}=NAME.  [default: none]"
)
@click.option("--offline", is_flag=True, help="Look for no cluster: the scenario alone.")
@click.option("--host", metavar="ADDRESS", default="127.0.0.1", show_default=True, help="Listen on this address.")
@click.option("--port", type=PORT, metavar="PORT", default=8000, show_default=True, help="Listen on this port.")
@click.option(
    "--psi",
    "formula",
    type=click.Choice(PSI_FORMULAS),
    default=DEFAULT_PSI_FORMULA,
    show_default=True,
    help="How pressure is computed.",
)
@click.option(
    "--update-interval",
    type=SECONDS,
    metavar="SECONDS",
    default=0.5,
    show_default=True,
    help="Renew the metrics at most every so often.",
)
@click.option(
    "--stale-after",
    type=SECONDS,
    metavar="SECONDS",
    default=30.0,
    show_default=True,
    help="Publish no nodes when the cluster was not heard of for so long.",
)
def exporter(**chosen: Any) -> None:  # noqa: ANN401 - the options above are the fields of ExporterOptions
    """Serve the usage and pressure of the nodes to Prometheus until SIGTERM."""
    if chosen["scenario"]:
        chosen["scenario"] = one_scenario(chosen["scenario"])
    run_until_stopped(serve(ExporterOptions(**chosen, templates=templates())))
