"""The custom resources of the loop: VirtualMachine and VirtualMachineInstanceMigration."""

from __future__ import annotations

import functools
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import yaml

from serflab.emulation.names import MANAGER
from serflab.errors import SerflabError
from serflab.kube import crds
from serflab.kube.client import ApiError
from serflab.rebalance.names import VM_PLURAL, VMS_PATH

if TYPE_CHECKING:
    from serflab.kube.client import ApiClient


def text() -> str:
    """Return the YAML of the CustomResourceDefinitions, as `k8s/virtualmachine-crd.yaml` holds it."""
    return files("serflab.rebalance").joinpath("crds.yaml").read_text(encoding="utf-8")


@functools.cache
def custom_resources() -> tuple[dict[str, Any], ...]:
    """Return the CustomResourceDefinitions, in the order of `crds.yaml`."""
    return tuple(yaml.safe_load_all(text()))


def unknown() -> SerflabError:
    """Return the error for a cluster that does not serve them."""
    return SerflabError(
        f"this cluster knows no {VM_PLURAL}",
        hint="install their definition: `serflab rebalance crd` or ./setup_vm_crd.sh",
    )


async def expect(client: ApiClient) -> None:
    """Raise `SerflabError` when the API server does not serve VirtualMachines."""
    try:
        await client.get(VMS_PATH, params={"limit": "1"})
    except ApiError as error:
        if error.status == 404:
            raise unknown() from error
        raise


async def remove(client: ApiClient) -> None:
    """Remove the definitions, and with them all VirtualMachines and migrations; what is not there is fine."""
    for body in custom_resources():
        try:
            await client.delete(f"{crds.CRDS_PATH}/{body['metadata']['name']}")
        except ApiError as error:
            if error.status != 404:
                raise


async def install(client: ApiClient, *, dry_run: bool = False) -> None:
    """Make the API server serve the custom resources; returns once it does. Doing it again changes nothing.

    With `dry_run` it only checks them.
    """
    await crds.install(client, custom_resources(), manager=MANAGER, dry_run=dry_run)
