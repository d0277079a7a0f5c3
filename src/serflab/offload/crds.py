"""The custom resources of a peering, which are installed into a serf when its first peering is made."""

from __future__ import annotations

import functools
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import yaml

from serflab.kube import crds

if TYPE_CHECKING:
    from serflab.kube.client import ApiClient

_MANAGER = "serflab"


@functools.cache
def custom_resources() -> tuple[dict[str, Any], ...]:
    """Return the CustomResourceDefinitions, in the order of `crds.yaml`."""
    text = files("serflab.offload").joinpath("crds.yaml").read_text(encoding="utf-8")
    return tuple(yaml.safe_load_all(text))


def names() -> tuple[str, ...]:
    """Return the names of the CustomResourceDefinitions."""
    return tuple(body["metadata"]["name"] for body in custom_resources())


async def install(client: ApiClient) -> None:
    """Make the API server serve the custom resources; returns once it does. Doing it again changes nothing."""
    await crds.install(client, custom_resources(), manager=_MANAGER)
