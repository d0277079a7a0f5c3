"""The eviction webhook as a program: its certificate, its listener, and the configuration of the API server."""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from serflab.errors import SerflabError
from serflab.kube.client import ApiClient
from serflab.kube.credentials import load_credentials
from serflab.rebalance.eviction import DEFAULT_STRATEGY
from serflab.rebalance.eviction_webhook import RETRY, EvictionWebhook, application
from serflab.rebalance.program import listening
from serflab.rebalance.webhook_certificate import ServingCertificate
from serflab.rebalance.webhook_configuration import Address, Installed, configuration

if TYPE_CHECKING:
    from pathlib import Path

    from serflab.rebalance.eviction import Strategy

_log = logging.getLogger(__name__)

_API_TIMEOUT = 2.0
_LOOK_SECONDS = 1.0
_POLL_SECONDS = 0.1
# So many times it looks often, then as seldom as when all is well.
_QUICK_LOOKS = 100


@dataclass(frozen=True, slots=True)
class WebhookOptions:
    """What the webhook is told at its start; `url` or `service` (namespace, name, port) is how it is reached."""

    host: str
    port: int
    certificates: Path
    kubeconfig: str | None = None
    namespace: str = "all"
    url: str = ""
    service: tuple[str, str, int] | None = None
    strategy: Strategy = DEFAULT_STRATEGY
    lifetime: dt.timedelta = dt.timedelta(days=7)

    @property
    def address(self) -> Address:
        """How the API server reaches it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return Address(self.url or f"https://{host}:{self.port}", self.service)

    @property
    def hosts(self) -> list[str]:
        """The names and addresses that its certificate is for."""
        if self.service:
            namespace, name, _ = self.service
            return [f"{name}.{namespace}.svc", f"{name}.{namespace}.svc.cluster.local", "127.0.0.1", "localhost"]
        return sorted({urlsplit(self.address.url).hostname or self.host, "127.0.0.1", "localhost"})


async def serve(options: WebhookOptions) -> None:
    """Answer the API server until cancelled; its configuration stays, so that nothing is evicted while we are away.

    Raises `SerflabError` when the port cannot be had, the certificate cannot be used, or the API server refuses the
    configuration.
    """
    certificate = ServingCertificate(options.certificates, options.hosts, options.lifetime)
    async with ApiClient(load_credentials(options.kubeconfig), retry=RETRY, timeout=_API_TIMEOUT) as client:
        webhook = EvictionWebhook(client, options.strategy)
        async with (
            listening(application(webhook), options.host, options.port, certificate.context),
            asyncio.TaskGroup() as tasks,
        ):
            tasks.create_task(certificate.keep())
            tasks.create_task(_keep_configured(client, webhook, certificate, options))


async def _keep_configured(
    client: ApiClient, webhook: EvictionWebhook, certificate: ServingCertificate, options: WebhookOptions
) -> None:
    """Keep the configuration installed, whoever changes or removes it, and tell whether it is in force."""
    installed, worked, told, in_vain = Installed(client), False, "", 0
    while True:
        try:
            await _look(installed, webhook, certificate.authority, options)
            if webhook.in_force:
                worked, told = True, ""
        except SerflabError as error:
            # An API server that refuses from the start goes on doing so; one that has worked may be away for a while.
            if not worked:
                raise
            if error.message != told:
                told = error.message
                _log.warning("whether the webhook is in force is not known: %s", told)
        in_vain = 0 if webhook.in_force else in_vain + 1
        await asyncio.sleep(_POLL_SECONDS if 0 < in_vain < _QUICK_LOOKS else _LOOK_SECONDS)


async def _look(installed: Installed, webhook: EvictionWebhook, authority: bytes, options: WebhookOptions) -> None:
    """Put the configuration back where it is missing or another, and prove it while it is not known to be in force."""
    namespace = "" if options.namespace == "all" else options.namespace
    change = await installed.renew(configuration(options.address, authority, namespace))
    if change:
        webhook.asked = webhook.in_force = False
    if change in {"removed", "changed"}:
        _log.warning("somebody has %s the configuration of the webhook: it is put back", change)
    if not webhook.in_force and await installed.prove(namespace or "default", lambda: webhook.asked):
        webhook.in_force = True
        _log.info("evictions of VMs' pods are judged at %s", options.address.url or options.address.service)
