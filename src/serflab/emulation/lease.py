"""Who replays: the Lease of a serf is held by one replay at a time and carries its marker.

The same protocol as leader election in Kubernetes: take the Lease when it is free or its holder has not renewed it in
time, renew it more often than it expires, and stop as soon as somebody else holds it. Every write replaces the
version that was read last, so two replays can never both believe that they hold it, and a write that was thought lost
cannot arrive after a later one.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import socket
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from serflab.emulation.marker import Marker, read_marker
from serflab.emulation.names import LEASE_PATH, LEASES_PATH
from serflab.errors import SerflabError
from serflab.kube.client import ONCE, ApiError, RetryPolicy, is_transient

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from serflab.emulation.marker import State
    from serflab.kube.client import ApiClient

_log = logging.getLogger(__name__)

# Short, so that a replay that was killed and started again has to wait only this long for its own old Lease. A holder
# that is held up for longer loses nothing as long as nobody else wants the Lease.
LEASE_SECONDS: Final = 5
RENEW_SECONDS: Final = LEASE_SECONDS / 3
NOTICE_SECONDS: Final = 0.25
_LOOK_SECONDS: Final = 0.5
_RETRY = RetryPolicy(attempts=4, initial=0.1, longest=1.0)


class LeaseLostError(SerflabError):
    """Another replay holds the Lease now."""


def identity() -> str:
    """Return a name for this process that no other process has: host, process id and a random part."""
    return f"{socket.gethostname()}_{os.getpid()}_{secrets.token_hex(4)}"


class ReplayLease:
    """The Lease as this process sees it; `marker` is what was written last."""

    def __init__(
        self, client: ApiClient, wanted: Marker, *, now: Callable[[], float] = time.time, restart: bool = False
    ) -> None:
        self.marker = replace(wanted, duration=LEASE_SECONDS)
        self._client = client
        self._now = now
        self._restart = restart
        self._held = False

    async def acquire(self) -> Marker:
        """Wait until the Lease is free, take it and return its marker, which goes on with that of the same replay.

        Keeps trying while the API server cannot be reached. The clock of a new replay starts in a moment: first every
        exporter must have noticed that somebody replays (`NOTICE_SECONDS`).
        """
        told: object = None
        while True:
            try:
                lease = await self._read()
                before = read_marker(lease) if lease else None
                other = self._other_holder(lease, before)
                if not other:
                    await self._take(lease, before)
                    return self.marker
                if told != other:
                    _log.warning("standing by: %s replays on this serf; this one takes over when that one stops", other)
            except SerflabError as error:
                other = None
                if not (is_transient(error) or isinstance(error, LeaseLostError)):
                    raise
                if told != str(error):
                    _log.warning("%s; waiting for it", error.message)
                other = str(error)
            told = other
            await asyncio.sleep(_LOOK_SECONDS)

    async def write(self, marker: Marker) -> None:
        """Replace the Lease and renew it; `LeaseLostError` when another replay took it.

        After any other error it is unknown whether the write arrived: nothing may be patched before a later write
        succeeds.
        """
        marker = replace(
            marker, renewed=self._now(), holder=self.marker.holder, lease_version=self.marker.lease_version
        )
        try:
            answer = await self._client.request("PUT", LEASE_PATH, body=marker.body(), retry=_RETRY)
        except ApiError as error:
            if error.status == 404:  # deleted by hand: whoever makes it anew holds it
                answer = await self._client.create(LEASES_PATH, replace(marker, lease_version=0).body())
            elif error.status == 409:
                await self._settle_conflict(error)
                await self.write(marker)
                return
            else:
                raise
        self.marker = replace(marker, lease_version=_version(answer))

    async def release(self, state: State) -> None:
        """Give the Lease back, so that the next replay need not wait; the marker stays, in the state given."""
        if self._held:
            self._held = False
            free = replace(self.marker, holder="", renewed=self._now(), state=state, guests=0)
            await self._client.request("PUT", LEASE_PATH, body=free.body(), retry=ONCE)

    def _other_holder(self, lease: dict[str, Any] | None, before: Marker | None) -> str | None:
        if lease is None or before is None or before.holder == self.marker.holder or not before.held(self._now()):
            return None
        return before.holder

    async def _take(self, lease: dict[str, Any] | None, before: Marker | None) -> None:
        wanted = replace(self.marker, lease_version=0)
        if before and before.same_replay(wanted) and not (self._restart and not self._held):
            marker = wanted.continued(before)
        else:
            marker = replace(wanted, start=self._now() + NOTICE_SECONDS)
        marker = replace(marker, renewed=self._now(), lease_version=_version(lease) if lease else 0)
        try:
            if lease:
                answer = await self._client.request("PUT", LEASE_PATH, body=marker.body(), retry=_RETRY)
            else:
                answer = await self._client.create(LEASES_PATH, marker.body())
        except ApiError as error:
            if error.status == 409:
                raise LeaseLostError("another replay was faster") from error
            raise
        self.marker = replace(marker, lease_version=_version(answer))
        self._held = True

    async def _settle_conflict(self, error: ApiError) -> None:
        """Take note of the Lease's version if it is still ours: an earlier write that seemed lost has arrived."""
        lease = await self._read()
        there = read_marker(lease) if lease else None
        if there is None or there.holder != self.marker.holder:
            self._held = False
            holder = there.holder if there else "nobody"
            raise LeaseLostError(f"the Lease of the replay was taken: {holder or 'nobody'} holds it now") from error
        self.marker = replace(self.marker, lease_version=there.lease_version)

    async def _read(self) -> dict[str, Any] | None:
        try:
            return await self._client.request("GET", LEASE_PATH, retry=_RETRY)
        except ApiError as error:
            if error.status == 404:
                return None
            raise


def _version(lease: dict[str, Any]) -> int:
    return int(lease["metadata"]["resourceVersion"])
