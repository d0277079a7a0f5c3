"""The custom resources of the loop: VirtualMachine and VirtualMachineInstanceMigration."""

from __future__ import annotations

import functools
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import yaml

from serflab.emulation.names import MANAGER
from serflab.kube import crds

if TYPE_CHECKING:
    from serflab.kube.client import ApiClient


def text() -> str:
    """Return the YAML of the CustomResourceDefinitions, as `k8s/virtualmachine-crd.yaml` holds it."""
    return files("serflab.rebalance").joinpath("crds.yaml").read_text(encoding="utf-8")


@functools.cache
def custom_resources() -> tuple[dict[str, Any], ...]:
    """Return the CustomResourceDefinitions, in the order of `crds.yaml`."""
    return tuple(yaml.safe_load_all(text()))


async def install(client: ApiClient, *, dry_run: bool = False) -> None:
    """Make the API server serve the custom resources; returns once it does. Doing it again changes nothing.

    With `dry_run` it only checks them.
    """
    await crds.install(client, custom_resources(), manager=MANAGER, dry_run=dry_run)
