"""The object by which the API server asks the webhook: installed by the program itself, and proved to be in force."""

from __future__ import annotations

import asyncio
import base64
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from serflab.emulation.names import MANAGED_BY, MANAGER, pod_path
from serflab.errors import SerflabError
from serflab.kube.client import ApiError
from serflab.rebalance.admission import WEBHOOK_PATH
from serflab.rebalance.names import GROUP, POD_PREFIX

if TYPE_CHECKING:
    from collections.abc import Callable

    from serflab.kube.client import ApiClient

_log = logging.getLogger(__name__)

PATH: Final = "/launcher-eviction-validate"
PROBE: Final = f"{POD_PREFIX}serflab-webhook-probe"
"""A pod that there is not; whoever asks for its eviction as a dry run wants to know whether the webhook is asked."""
_TIMEOUT_SECONDS: Final = 5
_POLL_SECONDS: Final = 0.1


@dataclass(frozen=True, slots=True)
class Address:
    """Where the API server reaches the webhook: a `url` without path, or a `service` as (namespace, name, port)."""

    url: str = ""
    service: tuple[str, str, int] | None = None

    def client_config(self, authority: bytes) -> dict[str, Any]:
        """Return the address as the configuration has it, with the certificates of the authority."""
        bundle = {"caBundle": base64.b64encode(authority).decode()}
        if self.service is None:
            return {"url": f"{self.url.rstrip('/')}{PATH}", **bundle}
        namespace, name, port = self.service
        return {"service": {"namespace": namespace, "name": name, "port": port, "path": PATH}, **bundle}


def configuration(address: Address, authority: bytes, namespace: str = "") -> dict[str, Any]:
    """Return the ValidatingWebhookConfiguration, for evictions in one namespace or in all."""
    webhook: dict[str, Any] = {
        "name": f"virt-launcher-eviction-interceptor.{GROUP}",
        "admissionReviewVersions": ["v1"],
        "clientConfig": address.client_config(authority),
        "rules": [
            {
                "apiGroups": [""],
                "apiVersions": ["v1"],
                "resources": ["pods/eviction"],
                "operations": ["CREATE"],
                "scope": "Namespaced",
            }
        ],
        # The API server calls nobody for the pods that are none of a VM's.
        "matchConditions": [{"name": "virt-launchers", "expression": f"request.name.startsWith('{POD_PREFIX}')"}],
        "failurePolicy": "Fail",
        "sideEffects": "NoneOnDryRun",
        "timeoutSeconds": _TIMEOUT_SECONDS,
    }
    if namespace:
        webhook["namespaceSelector"] = {"matchLabels": {"kubernetes.io/metadata.name": namespace}}
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": WEBHOOK_PATH.rpartition("/")[2], "labels": {MANAGED_BY: MANAGER}},
        "webhooks": [webhook],
    }


async def install(client: ApiClient, body: dict[str, Any]) -> None:
    """Have the API server ask the webhook from now on (it takes up the change within about a second)."""
    await client.apply(WEBHOOK_PATH, body, manager=MANAGER, force=True)


async def wait_in_force(client: ApiClient, namespace: str, asked: Callable[[], bool]) -> None:
    """Return once the API server asks the webhook, which `asked` tells; no pod is touched."""
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": PROBE, "namespace": namespace}}
    path = f"{pod_path(namespace, PROBE)}/eviction"
    told = ""
    while not asked():
        try:
            await client.create(path, body, params={"dryRun": "All"})
        except ApiError as error:
            if error.status == 403:
                hint = "it needs the right to create pods/eviction"
                raise SerflabError("the webhook may not ask whether it is in force", hint=hint) from error
            if error.status != 404 and error.text != told:
                told = error.text
                _log.warning("the API server does not reach the webhook yet: %s", told)
        await asyncio.sleep(_POLL_SECONDS)
