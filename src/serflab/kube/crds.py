"""Installing custom resources into a cluster, and waiting until its API server serves them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from serflab.errors import SerflabError
from serflab.kube.client import ApiError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from serflab.kube.client import ApiClient

CRDS_PATH: Final = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
_WAIT_SECONDS = 30.0
_POLL_SECONDS = 0.1


async def install(
    client: ApiClient, definitions: Sequence[Mapping[str, Any]], *, manager: str, dry_run: bool = False
) -> None:
    """Make the API server serve these CustomResourceDefinitions; returns once it does. Again, it changes nothing.

    With `dry_run` the API server checks them, and nothing more. Raises `SerflabError` when they are not served within
    half a minute, and what the API server says if it refuses one.
    """
    for body in definitions:
        path = f"{CRDS_PATH}/{body['metadata']['name']}"
        await client.apply(path, body, manager=manager, force=True, dry_run=dry_run)
    if not dry_run:
        await wait_until_served(client, definitions)


async def wait_until_served(
    client: ApiClient, definitions: Sequence[Mapping[str, Any]], seconds: float = _WAIT_SECONDS
) -> None:
    """Wait until each is established and its paths answer; `SerflabError` after `seconds`."""
    waiting = ""
    try:
        async with asyncio.timeout(seconds):
            for body in definitions:
                waiting = body["metadata"]["name"]
                await _wait_until_established(client, waiting)
                await _wait_until_answered(client, body["spec"])
    except TimeoutError as error:
        raise SerflabError(
            f"the API server does not serve {waiting} after {seconds:g} s",
            hint=f"`kubectl describe crd {waiting}` tells why",
        ) from error


async def _wait_until_established(client: ApiClient, name: str) -> None:
    while not established(await client.get(f"{CRDS_PATH}/{name}")):  # noqa: ASYNC110 - the API server tells it to watches only
        await asyncio.sleep(_POLL_SECONDS)


async def _wait_until_answered(client: ApiClient, spec: Mapping[str, Any]) -> None:
    # Established is said a moment before every path is answered.
    path = f"/apis/{spec['group']}/{spec['versions'][0]['name']}/{spec['names']['plural']}"
    while True:
        try:
            await client.get(path, params={"limit": "1"})
        except ApiError as error:
            if error.status != 404:
                raise
            await asyncio.sleep(_POLL_SECONDS)
        else:
            return


def established(crd: Mapping[str, Any]) -> bool:
    """Whether the API server serves what a CustomResourceDefinition defines."""
    conditions = (crd.get("status") or {}).get("conditions") or ()
    return any(item["type"] == "Established" and item["status"] == "True" for item in conditions)
