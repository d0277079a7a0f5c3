"""The admission policies of the loop: installing them, until they are in force, and removing them."""

from __future__ import annotations

import asyncio
import functools
import logging
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

import yaml

from serflab.emulation.names import MANAGED_BY, MANAGER, pods_of
from serflab.errors import SerflabError
from serflab.kube.client import APPLY_PATCH, ApiError, with_query
from serflab.rebalance import crds
from serflab.rebalance.names import API_VERSION, GROUP, LAUNCHER, VM_KIND, vm_path

if TYPE_CHECKING:
    from serflab.kube.client import ApiClient

_log = logging.getLogger(__name__)

API: Final = "/apis/admissionregistration.k8s.io/v1"
WEBHOOK_PATH: Final = f"{API}/validatingwebhookconfigurations/eviction-webhook.{GROUP}"
"""The configuration by which the API server asks the eviction webhook."""
_PLURALS: Final = {
    "ValidatingAdmissionPolicy": "validatingadmissionpolicies",
    "ValidatingAdmissionPolicyBinding": "validatingadmissionpolicybindings",
    "MutatingAdmissionPolicy": "mutatingadmissionpolicies",
    "MutatingAdmissionPolicyBinding": "mutatingadmissionpolicybindings",
}
_NAMESPACE: Final = "default"
_PROBE: Final = "serflab-admission-probe"
_POLL_SECONDS: Final = 0.1


def text() -> str:
    """Return the policies as YAML."""
    return files("serflab.rebalance").joinpath("admission.yaml").read_text(encoding="utf-8")


@functools.cache
def policies() -> tuple[dict[str, Any], ...]:
    """Return the policies and their bindings, each policy before its binding."""
    return tuple(yaml.safe_load_all(text()))


async def install(
    client: ApiClient,
    *,
    dry_run: bool = False,
    timeout: float = 30.0,  # noqa: ASYNC109 - of the whole, not of a call
) -> None:
    """Install the policies, and return once they are in force; the definitions of VMs have to be there.

    An API server takes up a policy about a second after it was made. A cluster without MutatingAdmissionPolicy goes
    without the default annotations. With `dry_run` the API server only checks them. Raises `SerflabError` when the
    policies are not in force after `timeout` seconds, and before anything is changed where the definitions are missing.
    """
    await crds.expect(client)
    for body in policies():
        labelled = {**body, "metadata": {**body["metadata"], "labels": {MANAGED_BY: MANAGER}}}
        try:
            path = with_query(path_of(body), {"fieldManager": MANAGER, "force": "true", **_dry(dry_run)})
            await client.request("PATCH", path, body=labelled, headers={"Content-Type": APPLY_PATCH})
        except ApiError as error:
            if error.status != 404 or not body["kind"].startswith("Mutating"):
                raise
            _log.warning("%s is left out: this cluster has no %s", body["metadata"]["name"], body["kind"])
    if dry_run:
        return
    try:
        async with asyncio.timeout(timeout):
            while not await in_force(client):  # noqa: ASYNC110 - the API server tells nobody
                await asyncio.sleep(_POLL_SECONDS)
    except TimeoutError as error:
        raise SerflabError(f"the admission policies are not in force after {timeout:g} s") from error


async def in_force(client: ApiClient) -> bool:
    """Whether the API server refuses by now what the policies refuse; asked as a dry run, nothing is made."""
    vm = {
        "apiVersion": API_VERSION,
        "kind": VM_KIND,
        "metadata": {"name": _PROBE},
        "spec": {"resources": {"cpu": "0.1", "memory": "0.1"}},
    }
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": f"{LAUNCHER}-{_PROBE}", "labels": {"kubevirt.io": LAUNCHER}},
        "spec": {"containers": [{"name": "probe", "image": "probe"}], "automountServiceAccountToken": False},
    }
    return await _refused(client, vm_path(_NAMESPACE), vm) and await _refused(client, pods_of(_NAMESPACE), pod)


async def _refused(client: ApiClient, path: str, body: dict[str, Any]) -> bool:
    try:
        await client.create(path, body, params={"dryRun": "All"})
    except ApiError as error:
        if _PROBE in error.text and "ValidatingAdmissionPolicy" in error.text:
            return True
        # In a new cluster the namespace's service account is made a moment later.
        if error.status == 403 and "serviceaccount" in error.text:
            return False
        # What mutates looks VMs up in a list of kinds that the API server renews now and then.
        if error.status == 503 and f"Kind={VM_KIND} not found" in error.text:
            return False
        raise
    return False


async def remove(client: ApiClient, *, dry_run: bool = False) -> None:
    """Remove the policies, and the configuration of the eviction webhook; what is not there is fine."""
    for path in [WEBHOOK_PATH, *(path_of(body) for body in reversed(policies()))]:
        try:
            await client.delete(path, params=_dry(dry_run))
        except ApiError as error:
            if error.status != 404:
                raise


def _dry(dry_run: bool) -> dict[str, str]:
    return {"dryRun": "All"} if dry_run else {}


def path_of(body: dict[str, Any]) -> str:
    """Return the path of a policy or binding."""
    return f"{API}/{_PLURALS[body['kind']]}/{body['metadata']['name']}"
