"""The VM controller: it follows VMs, their pods and migrations, and brings what has changed into line.

It keeps nothing. What is wanted and what there is lies in the cluster, and each step is decided from it anew.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Final

from serflab.errors import SerflabError
from serflab.kube.client import ApiError, is_transient
from serflab.kube.workqueue import WorkQueue
from serflab.rebalance import crds, disruption_budgets
from serflab.rebalance.controller_objects import Objects, phase_of
from serflab.rebalance.controller_vm import reconcile

if TYPE_CHECKING:
    from serflab.kube.client import ApiClient
    from serflab.kube.watch import Key
    from serflab.rebalance.controller_settings import ControllerSettings

log = logging.getLogger(__name__)

WORKERS: Final = 16
_RESYNC_SECONDS = 300.0
_QUIET_SECONDS = 0.5
_LONGEST_BUSY_SECONDS = 60.0
_LOOK_SECONDS = 0.1


class Controller:
    """Works from `run` until it is cancelled; `objects` is what it knows."""

    def __init__(self, client: ApiClient, settings: ControllerSettings) -> None:
        self.objects = Objects(client, settings, self._changed)
        self._queue: WorkQueue[Key] = WorkQueue()
        self._later: dict[Key, None] = {}
        self._worked = time.monotonic()

    async def run(self) -> None:
        """Work until cancelled; `SerflabError` when the cluster cannot be followed at all."""
        try:
            async with asyncio.TaskGroup() as group:
                for followed in self.objects.collections:
                    group.create_task(followed.cache.run())
                for followed in self.objects.collections:
                    await followed.cache.wait_synced()
                running = sum(phase_of(vm) == "Running" for vm in self.objects.vms)
                log.info("%d VMs, %d of them running", len(self.objects.vms.cache.objects), running)
                for _ in range(WORKERS):
                    group.create_task(self._work())
                group.create_task(self._work_later())
                group.create_task(self._resync())
        except* ApiError as errors:
            raise _explained(errors.exceptions[0]) from None
        finally:
            self._queue.close()

    @property
    def idle(self) -> bool:
        """Whether nothing waits to be done now."""
        return not len(self._queue) and not self._later and not len(self.objects.events)

    def _changed(self, key: Key) -> None:
        self._queue.add(key)

    async def _work(self) -> None:
        while True:
            key = await self._queue.get()
            failed = False
            try:
                again = await reconcile(self.objects, key)
                if again is not None:
                    self._queue.add_after(key, again)
                if not disruption_budgets.is_settled(self.objects, key):
                    self._later[key] = None
            except SerflabError as error:
                failed = True
                log.log(logging.DEBUG if _is_passing(error) else logging.WARNING, "VM %s/%s: %s", *key, error)
            except Exception:  # a fault with one VM must not end the work on all others
                failed = True
                log.exception("VM %s/%s", *key)
            finally:
                self._worked = time.monotonic()
                self._queue.done(key, failed=failed)

    async def _work_later(self) -> None:
        """See to budgets and Events when no VM waits: thousands that start at once are to run first."""
        busy_since: float | None = None
        while True:
            moment = time.monotonic()
            waiting = bool(self._later) or len(self.objects.events) > 0
            busy = len(self._queue) > 0 or moment - self._worked < _QUIET_SECONDS
            busy_since = (busy_since or moment) if busy and waiting else None
            if not waiting or (busy_since and moment - busy_since < _LONGEST_BUSY_SECONDS):
                await asyncio.sleep(_LOOK_SECONDS)
                continue
            await self._do_later()

    async def _do_later(self) -> None:
        if self._later:
            key = next(iter(self._later))
            del self._later[key]
            try:
                await disruption_budgets.settle(self.objects, key)
            except SerflabError as error:
                log.debug("budget of VM %s/%s: %s", *key, error)
                self._queue.add_after(key, 1.0)
        elif len(self.objects.events):
            await self.objects.events.send_one()

    async def _resync(self) -> None:
        while True:
            await asyncio.sleep(_RESYNC_SECONDS)
            for vm in self.objects.vms:
                self._queue.add((vm["metadata"]["namespace"], vm["metadata"]["name"]))


def _is_passing(error: SerflabError) -> bool:
    return is_transient(error) or (isinstance(error, ApiError) and error.status in {404, 409})


def _explained(error: BaseException) -> SerflabError:
    if isinstance(error, ApiError) and error.status == 404:
        return crds.unknown()
    return error if isinstance(error, SerflabError) else SerflabError(str(error))
