"""Installing the custom resources into a serf, which happens when its first peering is made."""

from __future__ import annotations

import asyncio
import functools
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import yaml

from serflab.errors import SerflabError
from serflab.offload.names import CRDS

if TYPE_CHECKING:
    from serflab.kube.client import ApiClient

_MANAGER = "serflab"
_WAIT_SECONDS = 30.0
_POLL_SECONDS = 0.1


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
    for body in custom_resources():
        await client.apply(f"{CRDS}/{body['metadata']['name']}", body, manager=_MANAGER, force=True)
    async with asyncio.timeout(_WAIT_SECONDS):
        for name in names():
            await _wait_until_established(client, name)
        for body in custom_resources():
            await _wait_until_served(client, body["spec"])


async def _wait_until_established(client: ApiClient, name: str) -> None:
    while not established(await client.get(f"{CRDS}/{name}")):  # noqa: ASYNC110 - the API server tells it to watches only
        await asyncio.sleep(_POLL_SECONDS)


async def _wait_until_served(client: ApiClient, spec: dict[str, Any]) -> None:
    # Established is said a moment before every path is answered.
    path = f"/apis/{spec['group']}/{spec['versions'][0]['name']}/{spec['names']['plural']}"
    while True:
        try:
            await client.get(path, params={"limit": "1"})
        except SerflabError as error:
            if getattr(error, "status", 0) != 404:
                raise
            await asyncio.sleep(_POLL_SECONDS)
        else:
            return


def established(crd: dict[str, Any]) -> bool:
    """Whether the API server serves what a CustomResourceDefinition defines."""
    conditions = (crd.get("status") or {}).get("conditions") or ()
    return any(item["type"] == "Established" and item["status"] == "True" for item in conditions)
