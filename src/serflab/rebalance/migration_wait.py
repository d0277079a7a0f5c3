"""Waiting for a migration that a controller carries out, as long as its memory needs."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Final

from serflab.errors import SerflabError
from serflab.kube.client import ApiError
from serflab.rebalance.controller_objects import UNDER_WAY
from serflab.rebalance.names import migration_path
from serflab.rebalance.times import read

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from serflab.kube.client import ApiClient

_POLL_SECONDS: Final = 0.1


async def migrated(
    client: ApiClient,
    namespace: str,
    name: str,
    timeout: float,  # noqa: ASYNC109 - of each part, not of the whole
) -> str:
    """Wait until a migration has succeeded and return its target pod.

    `timeout` (seconds) is for what comes before the memory's time, and again for what comes after. `SerflabError` when
    it fails or is late: one that has not begun is deleted, one that is under way goes on.
    """
    path = migration_path(namespace, name)
    begun = time.monotonic()
    while True:
        migration = await _or_none(client.get(path))
        if migration is None:
            raise SerflabError(f"migration {name} was deleted before it was done")
        phase, state = _progress(migration)
        if phase == "Succeeded":
            return str(state["targetPod"])
        if phase == "Failed":
            raise SerflabError(f"migration {name} failed: {state.get('failureReason')}")
        if "expectedEndTimestamp" in state:
            late = time.time() - read(state["expectedEndTimestamp"])
        else:
            late = time.monotonic() - begun
        if late > timeout and (phase in UNDER_WAY or await _take_back(client, path, migration)):
            raise _not_done(name, phase, timeout)
        await asyncio.sleep(_POLL_SECONDS)


async def _or_none(asked: Awaitable[dict[str, Any]]) -> dict[str, Any] | None:
    """Return the object that is asked for, None if there is none."""
    try:
        return await asked
    except ApiError as error:
        if error.status == 404:
            return None
        raise


def _progress(migration: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    status = migration.get("status") or {}
    return str(status.get("phase") or ""), status.get("migrationState") or {}


async def _take_back(client: ApiClient, path: str, migration: dict[str, Any]) -> bool:
    """Delete a migration that has not begun, and say whether that was so: a controller may begin it just now."""
    seen = {key: migration["metadata"][key] for key in ("uid", "resourceVersion")}
    options = {"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": seen}
    try:
        await client.request("DELETE", path, body=options)
    except ApiError as error:
        if error.status not in {404, 409}:
            raise
        return False
    return True


def _not_done(name: str, phase: str, timeout: float) -> SerflabError:
    if phase in UNDER_WAY:
        hint = "it goes on, and the VM is with its source until it is done: `kubectl get vmim` shows it"
        return SerflabError(f"migration {name} is not done {timeout:g} s after its time: it is {phase}", hint=hint)
    seen = f"it is {phase}" if phase else "nobody has looked at it"
    hint = "does `serflab rebalance controller` run?" if not phase else "are others under way before it?"
    return SerflabError(f"migration {name} has not begun after {timeout:g} s: {seen}", hint=hint)
