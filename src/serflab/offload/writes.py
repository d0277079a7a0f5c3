"""Writing objects of a peering so that doing it again changes nothing, whoever was killed in between."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Final

from serflab.emulation.names import MANAGED_BY, MANAGER, NAMESPACES_PATH
from serflab.errors import SerflabError
from serflab.kube.client import ApiError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from serflab.kube.client import ApiClient

FIELD_MANAGER: Final = "serflab"
_POLL_SECONDS = 0.2


async def apply(client: ApiClient, path: str, api: str, kind: str, body: dict[str, Any]) -> dict[str, Any]:
    """Make the object at `path` hold what `body` says (metadata, spec), and return it."""
    name = path.rpartition("/")[2]
    whole = {"apiVersion": api, "kind": kind, **body, "metadata": {"name": name, **body.get("metadata", {})}}
    return await client.apply(path, whole, manager=FIELD_MANAGER, force=True)


async def apply_namespace(
    client: ApiClient, name: str, labels: Mapping[str, str], annotations: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Make a namespace of serflab's; `SerflabError` while one of that name is on its way out."""
    metadata = {"labels": {**labels, MANAGED_BY: MANAGER}, "annotations": dict(annotations or {})}
    made = await apply(client, f"{NAMESPACES_PATH}/{name}", "v1", "Namespace", {"metadata": metadata})
    if "deletionTimestamp" in made["metadata"]:
        raise LeavingError(f"namespace {name} is still on its way out")
    return made


async def apply_namespace_anew(client: ApiClient, name: str, labels: Mapping[str, str], patience: float) -> None:
    """Make a namespace, waiting up to `patience` seconds for one of that name that is on its way out."""
    deadline = time.monotonic() + patience
    while True:
        try:
            await apply_namespace(client, name, labels)
        except LeavingError:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(_POLL_SECONDS)
        else:
            return


class LeavingError(SerflabError):
    """What is to be made is still there, on its way out."""


async def delete(client: ApiClient, path: str, *, version: str = "") -> None:
    """Delete an object that may be gone already; with `version` only if it is still that one."""
    body: dict[str, Any] = {"kind": "DeleteOptions", "apiVersion": "v1"}
    if version:
        body["preconditions"] = {"resourceVersion": version}
    try:
        await client.request("DELETE", path, body=body)
    except ApiError as error:
        if error.status != 404:
            raise


async def set_finalizers(client: ApiClient, path: str, item: Mapping[str, Any], finalizers: Iterable[str]) -> None:
    """Replace the finalizers of an object, unless it has changed since it was read; one that is gone is fine."""
    version = item["metadata"]["resourceVersion"]
    patch = {"metadata": {"finalizers": list(finalizers), "resourceVersion": version}}
    try:
        await client.patch(path, patch)
    except ApiError as error:
        if error.status != 404:
            raise


def holds(there: object, wanted: object) -> bool:
    """Whether an object has all that is wanted, whatever it has besides; lists have to be equal."""
    if isinstance(wanted, dict):
        return isinstance(there, dict) and all(holds(there.get(key), value) for key, value in wanted.items())
    return there == wanted or (wanted in (None, "", [], False) and not there)
