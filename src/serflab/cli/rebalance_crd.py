"""`serflab rebalance crd`: the definitions of VirtualMachine and its migration."""

from __future__ import annotations

import asyncio

import click

from serflab.kube.client import ApiClient
from serflab.kube.credentials import load_credentials
from serflab.rebalance.crds import custom_resources, text
from serflab.rebalance.crds import install as install_definitions


@click.command()
@click.option(
    "--kubeconfig", metavar="FILE", help="Of the cluster; otherwise $KUBECONFIG, ~/.kube/config, the pod's account."
)
@click.option("--print", "print_only", is_flag=True, help="Print the YAML and do nothing.")
@click.option("--dry-run", is_flag=True, help="Ask the API server whether it would take them, and change nothing.")
def crd(kubeconfig: str | None, *, print_only: bool, dry_run: bool) -> None:
    """Install the VirtualMachine definitions into a cluster and wait until they are served."""
    if print_only:
        click.echo(text(), nl=False)
        return
    asyncio.run(_install(kubeconfig, dry_run=dry_run))
    verb = "would be installed" if dry_run else "is served"
    for body in custom_resources():
        click.echo(f"{body['metadata']['name']} {verb}")


async def _install(kubeconfig: str | None, *, dry_run: bool) -> None:
    async with ApiClient(load_credentials(kubeconfig)) as client:
        await install_definitions(client, dry_run=dry_run)
