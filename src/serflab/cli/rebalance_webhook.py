"""`serflab rebalance webhook`: what becomes of evictions; and the admission policies."""

from __future__ import annotations

import asyncio
import datetime as dt
import os
import re
from pathlib import Path
from typing import Any

import click

from serflab.cli.values import FILE, PORT
from serflab.kube.client import ApiClient
from serflab.kube.credentials import load_credentials
from serflab.rebalance import admission as policies
from serflab.rebalance.eviction import DEFAULT_STRATEGY, STRATEGIES
from serflab.rebalance.program import run_until_stopped
from serflab.rebalance.webhook_service import WebhookOptions, serve

_SERVICE = re.compile(r"([a-z0-9-]+)/([a-z0-9-]+)(?::(\d{1,5}))?")
_KUBECONFIG = click.option(
    "--kubeconfig", metavar="FILE", help="Of the cluster; otherwise $KUBECONFIG, ~/.kube/config, the pod's account."
)


def _service(_context: click.Context, _parameter: click.Parameter, value: str | None) -> tuple[str, str, int] | None:
    if value is None:
        return None
    match = _SERVICE.fullmatch(value)
    if not match:
        raise click.BadParameter(f"expected NAMESPACE/NAME or NAMESPACE/NAME:PORT, found {value!r}")
    return match[1], match[2], int(match[3] or 443)


def _url(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    if value and not value.startswith("https://"):
        raise click.BadParameter(f"an API server asks by https only, found {value!r}")
    return value


@click.command()
@_KUBECONFIG
@click.option("--namespace", metavar="NS", default="all", show_default=True, help="Whose evictions are judged.")
@click.option("--host", metavar="ADDRESS", default="127.0.0.1", show_default=True, help="Listen on this address.")
@click.option("--port", type=PORT, metavar="PORT", default=8443, show_default=True, help="Listen on this port.")
@click.option(
    "--url", metavar="URL", default="", callback=_url, help="How the API server reaches it.  [default: host and port]"
)
@click.option(
    "--service", metavar="NS/NAME[:PORT]", callback=_service, help="In a cluster: the Service in front of it."
)
@click.option(
    "--certificates",
    type=FILE,
    metavar="DIR",
    help="Its authority and certificate, made there; or tls.crt, tls.key and ca.crt of somebody else.  "
    "[default: serflab/webhook in $XDG_STATE_HOME or ~/.local/state]",
)
@click.option(
    "--certificate-hours",
    "hours",
    type=click.FloatRange(0.001, 87600),
    default=168.0,
    show_default=True,
    metavar="HOURS",
    help="How long a certificate lasts; it is renewed in time.",
)
@click.option(
    "--default-strategy",
    "strategy",
    type=click.Choice(STRATEGIES),
    default=DEFAULT_STRATEGY,
    show_default=True,
    help="Of VMs without spec.evictionStrategy.",
)
def webhook(certificates: Path | None, hours: float, **chosen: Any) -> None:  # noqa: ANN401 - fields of WebhookOptions
    """Turn evictions of VMs' pods into migrations, as KubeVirt does, until SIGTERM."""
    home = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    directory = certificates or home / "serflab" / "webhook"
    run_until_stopped(serve(WebhookOptions(certificates=directory, lifetime=dt.timedelta(hours=hours), **chosen)))


@click.command()
@_KUBECONFIG
@click.option("--remove", is_flag=True, help="Remove the policies, and the configuration of the webhook.")
@click.option("--print", "print_only", is_flag=True, help="Print the YAML and do nothing.")
@click.option("--dry-run", is_flag=True, help="Ask the API server whether it would take them, and change nothing.")
def admission(kubeconfig: str | None, *, remove: bool, print_only: bool, dry_run: bool) -> None:
    """Install the admission policies and wait until they are in force."""
    if print_only:
        click.echo(policies.text(), nl=False)
        return
    asyncio.run(_change(kubeconfig, remove=remove, dry_run=dry_run))
    verb = "removed" if remove else "in force"
    for body in policies.policies():
        if not body["kind"].endswith("Binding"):
            click.echo(f"{body['metadata']['name']} {'would be ' if dry_run else ''}{verb}")


async def _change(kubeconfig: str | None, *, remove: bool, dry_run: bool) -> None:
    async with ApiClient(load_credentials(kubeconfig)) as client:
        if remove:
            await policies.remove(client, dry_run=dry_run)
        else:
            await policies.install(client, dry_run=dry_run)
