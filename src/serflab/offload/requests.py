"""Requests that are repeated after a crash and must then find nothing wrong: deleting what may be gone already."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from serflab.emulation.names import SHADOW_PODS_PATH, pod_path
from serflab.kube.client import ApiError
from serflab.offload.names import namespaced

if TYPE_CHECKING:
    from collections.abc import Iterator

    from serflab.kube.client import ApiClient
    from serflab.offload.records import ShadowRecord


@contextlib.contextmanager
def missing_is_fine() -> Iterator[None]:
    """Take an object that is no longer there for done."""
    try:
        yield
    except ApiError as error:
        if error.status != 404:
            raise


async def get_or_none(client: ApiClient, path: str) -> dict[str, Any] | None:
    """Return an object, None when there is none."""
    try:
        return await client.get(path)
    except ApiError as error:
        if error.status != 404:
            raise
        return None


async def delete_pod(client: ApiClient, namespace: str, name: str, uid: str) -> None:
    """Delete this very pod at once, and not one of the same name that has come since."""
    await delete_this(client, pod_path(namespace, name), uid)


async def delete_shadow(client: ApiClient, shadow: ShadowRecord) -> None:
    """Delete this very ShadowPod."""
    await delete_this(client, f"{namespaced(SHADOW_PODS_PATH, shadow.namespace)}/{shadow.name}", shadow.uid)


async def delete_this(client: ApiClient, path: str, uid: str) -> None:
    """Delete the object of that uid, without grace; one that is gone, or another of its name, is left alone."""
    body = {"kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": 0, "preconditions": {"uid": uid}}
    try:
        await client.request("DELETE", path, body=body)
    except ApiError as error:
        if error.status not in {404, 409}:
            raise
