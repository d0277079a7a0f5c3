"""A manager that runs in a thread of the test, can be killed at a fault point, and started again."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from bare_serfs import CHECKOUT
from serflab.offload import faults, namespaces
from serflab.offload.manager import Manager
from serflab.offload.peering_commands import Ask, connect
from serflab.offload.peerings import peering
from serflab.offload.virtual_pod_documents import document
from serflab.offload.virtual_pods import virtual_pods

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from bare_serfs import BareSerfs

PATIENCE = 90
"""Seconds after which something that has to happen counts as not happening."""


class Killed(BaseException):
    """The end of a manager at a fault point: nothing in it may catch this."""


def eventually(check, what):
    """Ask again and again until `check` returns something true, and return it."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if answer := check():
            return answer
        time.sleep(0.1)
    raise AssertionError(f"not within {PATIENCE} s: {what}")


class Managed:
    """The manager of some serfs, running or dead."""

    def __init__(self, serfs: BareSerfs) -> None:
        self.serfs = serfs
        self.manager: Manager | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._killed = threading.Event()
        self._last = 0

    def start(self, *, kill_at: str = "", away: bool = False) -> Manager:
        """Start a manager that knows nothing, and that is killed when it comes to that fault point.

        `away`: some serf does not answer, so that it is not waited for.
        """
        assert self._thread is None
        # What is not used any more goes soon, so that tests need not wait for it.
        namespaces.GRACE_SECONDS = 3.0
        self._killed.clear()
        faults.on_reached(lambda name: self._at(name, kill_at))
        ready = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(ready,), daemon=True)
        self._thread.start()
        assert ready.wait(PATIENCE)
        if not away:
            eventually(lambda: self.fleet.clusters and not self.fleet.unread, "the serfs were read")
        return self.manager

    def _at(self, name: str, kill_at: str) -> None:
        if name == kill_at or self._killed.is_set():
            self._killed.set()
            raise Killed(name)

    def _run(self, ready: threading.Event) -> None:
        async def main() -> None:
            self.manager = Manager(CHECKOUT)
            self.manager.fleet.ids.last = self._last
            work = asyncio.create_task(self.manager.run())
            self.manager.follow([serf.entry for serf in self.serfs], self.serfs.topology)
            ready.set()
            self._stop = asyncio.Event()
            await asyncio.wait(
                {
                    work,
                    asyncio.create_task(self._stop.wait()),
                    asyncio.create_task(asyncio.to_thread(self._killed.wait)),
                },
                return_when=asyncio.FIRST_COMPLETED,
            )
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)

        self._loop = asyncio.new_event_loop()
        try:
            self._loop.run_until_complete(main())
        except BaseExceptionGroup:
            self._killed.set()
        except Killed:
            self._killed.set()
        finally:
            for task in asyncio.all_tasks(self._loop):
                task.cancel()
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())

    def call(self, make: Callable[[Manager], Coroutine]):
        """Run a coroutine of the manager, as a call over REST does, and return what it returns."""

        async def guarded():
            try:
                return await make(self.manager)
            except Killed:
                return None

        try:
            return asyncio.run_coroutine_threadsafe(guarded(), self._loop).result(PATIENCE)
        except concurrent.futures.CancelledError:
            # The manager died while it answered.
            assert self._killed.is_set()
            return None

    def wait_killed(self) -> None:
        """Wait for the end at the fault point."""
        assert self._killed.wait(PATIENCE), "the manager did not come to its fault point"
        self._join()

    def stop(self) -> None:
        """End the manager without a word to anybody."""
        if self._thread is None:
            return
        if not self._loop.is_closed() and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
        self._killed.set()
        self._join()

    def _join(self) -> None:
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()
        self._last = self.manager.fleet.ids.last
        self._thread = None
        faults.on_reached(None)

    @property
    def alive(self) -> bool:
        """Whether it was started and not ended since."""
        return self._thread is not None and not self._killed.is_set()

    # --- what is asked of it ---

    @property
    def fleet(self):
        return self.manager.fleet

    def pods(self):
        """Return all virtual pods as the API tells them, by id."""
        return {pod.id: document(self.fleet, pod) for pod in virtual_pods(self.fleet)}

    def status(self, identifier: str) -> str:
        """Return the status of a virtual pod, `gone` when there is none."""
        found = self.pods().get(identifier)
        return found["status"] if found else "gone"

    def wait_status(self, identifier: str, status: str) -> dict:
        """Wait until a virtual pod has that status."""
        eventually(lambda: self.status(identifier) == status, f"{identifier} is {status}: {self.pods()}")
        return self.pods().get(identifier, {})

    def connect(self, consumer: str, provider: str, **wanted) -> None:
        """Connect two serfs and wait until their peering is established."""
        self.call(lambda manager: connect(manager.fleet, consumer, provider, Ask(wanted)))
        self.wait_connected(consumer, provider)

    def wait_connected(self, consumer: str, provider: str) -> None:
        def is_established():
            link = peering(self.fleet, consumer, provider)
            return link is not None and link.established

        eventually(is_established, f"{consumer} is peered with {provider}")


@contextmanager
def managed(serfs: BareSerfs):
    """A manager of these serfs, started, and ended at the end of the `with`."""
    made = Managed(serfs)
    made.start()
    try:
        yield made
    finally:
        made.stop()
