"""The object by which the API server asks the webhook: installed by the program itself, and proved to be in force."""

from __future__ import annotations

import base64
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from serflab.emulation.names import MANAGED_BY, MANAGER, pod_path
from serflab.errors import SerflabError
from serflab.kube.client import ApiError, with_query
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

Change = Literal["renewed", "removed", "changed"]
"""What has become of a configuration: renewed by the webhook itself, removed or changed by somebody else."""


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


class Installed:
    """The configuration in the API server, which anybody with the right may change or remove while the webhook runs."""

    def __init__(self, client: ApiClient) -> None:
        self._client = client
        self._body: dict[str, Any] | None = None
        self._version: tuple[str, int] | None = None
        self._told = ""

    async def renew(self, body: dict[str, Any]) -> Change | None:
        """Let the API server have the configuration `body`; return what has become of the earlier one since, if it has.

        It takes up a change within about a second. As long as nothing has changed, asking again writes nothing.
        """
        made = await self._client.apply(WEBHOOK_PATH, body, manager=MANAGER, force=True)
        before, version = self._version, _version(made)
        if version == before:
            return None
        # What others have added, such as conditions by which fewer evictions count, an apply would leave in place.
        path = with_query(WEBHOOK_PATH, {"fieldManager": MANAGER})
        made = await self._client.patch(path, {"webhooks": body["webhooks"]})
        mine, self._body, self._version = self._body != body, body, _version(made)
        if mine or before is None:
            return "renewed"
        return "removed" if version[0] != before[0] else "changed"

    async def prove(self, namespace: str, asked: Callable[[], bool]) -> bool:
        """Ask for an eviction of a pod that there is not; whether the API server has asked the webhook by then.

        `asked` tells that. No pod is touched.
        """
        body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": PROBE, "namespace": namespace}}
        try:
            await self._client.create(f"{pod_path(namespace, PROBE)}/eviction", body, params={"dryRun": "All"})
        except ApiError as error:
            if error.status == 403:
                hint = "it needs the right to create pods/eviction"
                raise SerflabError("the webhook may not ask whether it is in force", hint=hint) from error
            if _is_of_namespace(error):
                self._warn(f"there is no namespace {namespace}: the webhook waits until somebody makes it")
            elif error.status != 404:
                self._warn(f"the API server does not reach the webhook yet: {error.text}")
        return asked()

    def _warn(self, message: str) -> None:
        if message != self._told:
            self._told = message
            _log.warning(message)


def _is_of_namespace(error: ApiError) -> bool:
    """Whether it is the namespace that is missing, not only the pod."""
    return error.status == 404 and (error.body.get("details") or {}).get("kind") == "namespaces"


def _version(made: dict[str, Any]) -> tuple[str, int]:
    """Return the object's uid and generation: another one for another object, or another content."""
    return made["metadata"]["uid"], int(made["metadata"]["generation"])
