"""Follows the interfaces of a lab of containers by one long `containerlab events`; the local runtime has none.

What netem does to the ends of a link is kept in the lab's settings, from where transfers take it: whoever sets it, with
serflab or with containerlab itself, and also when a restarted container has lost it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from typing import TYPE_CHECKING, Final

from serflab.errors import SerflabError
from serflab.lab.containerlab import UnusableError, find_containerlab
from serflab.lab.impairments import NETEM, Impairment, LinkSettings, Setting
from serflab.lab.inventory import CONTAINERLAB
from serflab.lab.link_state import NONE, NOTHING, EventReader, LabInterfaces, first_look

if TYPE_CHECKING:
    from serflab.lab.inventory import Inventory
    from serflab.lab.topology import Link, Topology

log = logging.getLogger(__name__)

_STATS_SECONDS: Final = 5
_AGAIN_SECONDS: Final = 5.0
_MOST_AGAIN_SECONDS: Final = 60.0
# A line is one event; a container's labels are in it.
_LONGEST_LINE: Final = 1024 * 1024


class LinkWatch:
    """Knows the interfaces of the lab that was chosen; `follow` runs until it is cancelled."""

    def __init__(self, settings: LinkSettings) -> None:
        self._settings = settings
        self._lab: str | None = None
        self._containers: dict[str, str] = {}
        self._topology: Topology | None = None
        self._known: LabInterfaces | None = None
        self._changed = asyncio.Event()
        self._told = ""
        self._pause = _AGAIN_SECONDS

    @property
    def problem(self) -> str:
        """Return why nothing is known of the lab's interfaces, empty while something is."""
        return self._told

    @property
    def known(self) -> LabInterfaces | None:
        """Return what is known of the lab's interfaces; None where its links are not real ones."""
        return self._known

    def choose(self, inventory: Inventory | None, topology: Topology | None) -> None:
        """Follow that lab from now on."""
        self._topology = topology
        self._containers = {serf.container: serf.name for serf in inventory.serfs} if inventory else {}
        lab = inventory.name if inventory and inventory.runtime == CONTAINERLAB else None
        if lab != self._lab:
            self._lab = lab
            self._known = NOTHING if lab else None
            self._changed.set()

    async def follow(self) -> None:
        """Follow whatever lab is chosen."""
        while True:
            lab = self._lab
            self._changed.clear()
            if lab is None:
                await self._changed.wait()
                continue
            follower = asyncio.create_task(self._events(lab))
            waiter = asyncio.create_task(self._changed.wait())
            try:
                await asyncio.wait({follower, waiter}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in (follower, waiter):
                    task.cancel()
                results = await asyncio.gather(follower, waiter, return_exceptions=True)
            if isinstance(results[0], Exception):
                # Whatever it is, the viewer goes on, and so does the next attempt.
                log.error("the links cannot be followed", exc_info=results[0])
            if self._lab != lab:
                continue
            looked = await self._look(lab)
            if self._lab == lab:
                self._known = looked
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._changed.wait(), self._pause)
                # Each attempt that sudo refuses is an entry in the machine's log.
                self._pause = min(2 * self._pause, _MOST_AGAIN_SECONDS)

    async def _look(self, lab: str) -> LabInterfaces:
        """Return what is known without events; nothing where that cannot be asked either."""
        try:
            return await asyncio.to_thread(lambda: first_look(find_containerlab(), lab, self._containers))
        except SerflabError as error:
            log.debug("nor does `containerlab inspect` tell of the links: %s", error)
            return NOTHING

    async def _events(self, lab: str) -> None:
        try:
            found = await asyncio.to_thread(find_containerlab)
        except UnusableError as error:
            self._tell(f"nothing is known of the links: {error.message}")
            return
        stats = ("--interface-stats", "--interface-stats-interval", f"{_STATS_SECONDS}s")
        call = found.call("events", "--format", "json", "--initial-state", *stats, attended=False)
        reading, writing = os.pipe()
        lines = asyncio.StreamReader(limit=_LONGEST_LINE)
        protocol = asyncio.StreamReaderProtocol(lines)
        pipe, _ = await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, os.fdopen(reading, "rb"))
        try:
            process = await asyncio.create_subprocess_exec(
                *call.command,
                env=call.env,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=writing,
                stderr=asyncio.subprocess.DEVNULL,
            )
        except BaseException:
            pipe.close()
            raise
        finally:
            os.close(writing)
        reader = EventReader(lab)
        # Not what a first look has found, which says nothing of netem.
        before = NOTHING
        try:
            async for line in lines:
                if reader.take(line.decode(errors="replace")):
                    self._known = reader.known()
                    self._keep(before)
                    before = self._known
                    self._told, self._pause = "", _AGAIN_SECONDS
            self._tell("nothing is known of the links: `containerlab events` has ended; does it need root?")
        except ValueError:
            self._tell("nothing is known of the links: `containerlab events` tells what is no event")
        finally:
            # One that sudo has made root takes no signal of ours: it ends at the next line that nobody reads.
            pipe.close()
            with contextlib.suppress(ProcessLookupError, PermissionError):
                process.terminate()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), 2 * _STATS_SECONDS)

    def _tell(self, problem: str) -> None:
        if problem != self._told:
            self._told = problem
            log.warning("%s", problem)

    def _keep(self, before: LabInterfaces | None) -> None:
        """Keep what netem does to each link of which both ends are seen, where that has changed.

        containerlab looks at netem every few seconds only: until it has, what it tells is older than what people set.
        """
        known = self._known
        if known is None or self._topology is None:
            return
        for link in self._topology.links:
            found = netem_of(link, known)
            if found is None or (before is not None and found == netem_of(link, before)):
                continue
            if found != NONE:
                self._settings.put(link.id, Setting(found, NETEM))
            elif (kept := self._settings.load().get(link.id)) is not None and kept.source == NETEM:
                self._settings.clear(link.id)


def netem_of(link: Link, known: LabInterfaces) -> Impairment | None:
    """Return what netem does to a link, the worse of its two ends; None while one of them was not seen."""
    ends = [known.interfaces.get((end.node, end.interface)) for end in (link.a, link.b)]
    if ends[0] is None or ends[1] is None:
        return None
    return ends[0].netem.worse(ends[1].netem)
