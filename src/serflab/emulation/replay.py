"""Play a trace onto the annotations of the pods of one serf, a whole tick at a time.

Tick k is due at start + k · interval. A tick that is late is played as it is and its lag reported; a replay that has
fallen more than one interval behind goes on with the tick that is due and counts those in between as skipped. A tick
is complete when each patch of it is settled; then, and only then, the marker (`serflab.emulation.marker`) moves on.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, TypeVar

from serflab.emulation.annotator import Annotator, Patch, PodReplacedError
from serflab.emulation.guests import GuestOptions, Guests
from serflab.emulation.lease import NOTICE_SECONDS, RENEW_SECONDS, ReplayLease, identity
from serflab.emulation.marker import Marker, Mode, State
from serflab.emulation.names import MANAGED_BY, MANAGER, PODS_PATH
from serflab.errors import SerflabError
from serflab.kube.client import ApiError, ApiUnreachableError, is_transient
from serflab.kube.watch import Collection, Key, WatchCache

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from serflab.kube.client import ApiClient
    from serflab.traces.model import EmulationConfig, Series
    from serflab.traces.sampling import Clock

_log = logging.getLogger(__name__)

T = TypeVar("T")

_STOP_SECONDS: Final = 0.6
_RECOVER_SECONDS: Final = 0.5
_NAMED: Final = 5


@dataclass(frozen=True, slots=True)
class ReplayOptions:
    """How to replay: one point each `interval` seconds; `phase` points into the series; over and over with `loop`.

    `max_concurrent` batches of `batch_size` pods are in flight at once; the pods of a batch are sent one after the
    other. `restart`: start the clock anew even if this replay could go on where it stopped.
    """

    interval: float = 5.0
    loop: bool = False
    phase: int = 0
    mode: Mode = "annotations"
    max_concurrent: int = 3
    batch_size: int = 20
    restart: bool = False


@dataclass(slots=True)
class _Tally:
    """What became of the patches of one tick."""

    patches: int = 0
    failures: int = 0
    resource_version: int = 0


def next_tick(clock: Clock, done: int, now: float) -> tuple[int, int]:
    """Return the tick to play after `done` and how many are skipped for it.

    Behind by up to an interval nothing is skipped. When the last point is reached that tick is played on and on, for
    pods that are created anew.
    """
    if done >= 0 and clock.finished(done):
        return done, 0
    following = done + 1
    if now - clock.due(following) > clock.interval:
        due = clock.tick_at(now)
        return due, max(0, due - following)
    return following, 0


def batched(patches: list[T], size: int, lanes: int) -> list[list[T]]:
    """Return the patches in batches of at most `size`, as even as can be, so that all lanes end together."""
    rounds = math.ceil(len(patches) / (size * lanes))
    count = rounds * lanes
    return [batch for lane in range(count) if (batch := patches[lane::count])]


class Replay:
    """One replay on one serf, from `run` until it is told to stop."""

    def __init__(
        self,
        client: ApiClient,
        config: EmulationConfig,
        options: ReplayOptions,
        *,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._client = client
        self._options = options
        self._now = now
        self._length = config.length
        self._series: dict[Key, Series] = {(pod.namespace, pod.name): pod.series for pod in config.pods}
        self._annotator = Annotator(client, config.annotation_keys)
        wanted = Marker(
            fingerprint=config.fingerprint,
            start=0.0,
            interval=options.interval,
            loop=options.loop,
            phase=options.phase,
            mode=options.mode,
            holder=identity(),
        )
        self._lease = ReplayLease(client, wanted, now=now, restart=options.restart)
        self._writing_lease = asyncio.Lock()
        self._settled = False
        self._lease_unsure = False
        collection = Collection(PODS_PATH, label_selector=f"{MANAGED_BY}={MANAGER}", metadata_only=True)
        self._pods = WatchCache(client, collection, self._annotator.format.shown)
        self._guests = Guests(
            client, GuestOptions(config.annotation_keys, options.max_concurrent, may_play=self._holds_lease, now=now)
        )
        self._missing: set[Key] = set()
        self._stop = asyncio.Event()
        self._in_tick = False

    async def run(self, stop: asyncio.Event) -> None:
        """Replay until `stop` is set; a tick that is being played is finished if that takes no more than a moment.

        Raises `LeaseLostError` when another replay took over, and `ApiError` when the API server refuses what a
        replay needs.
        """
        self._stop = stop
        work = asyncio.create_task(self._work())
        stopped = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({work, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if not work.done() and self._in_tick:
                await asyncio.wait({work}, timeout=_STOP_SECONDS)
        finally:
            stopped.cancel()
            if not work.done():
                work.cancel()
            with suppress(asyncio.CancelledError):
                await work
            with suppress(SerflabError, TimeoutError):
                async with asyncio.timeout(_STOP_SECONDS / 2):
                    await self._lease.release(self._state)

    async def _work(self) -> None:
        if self._options.mode == "clock":
            await self._hold_clock()
            return
        async with self._pods:
            await self._pods.wait_synced()
            await self._acquire()
            await self._with_lease(self._play_all())

    async def _hold_clock(self) -> None:
        """Only say when the series started: in this mode the exporter computes what the pods use."""
        await self._acquire()
        self._settled = True
        await self._lease.write(replace(self._lease.marker, state="settled"))
        await self._with_lease(self._stop.wait())

    async def _acquire(self) -> None:
        marker = await self._lease.acquire()
        clock = marker.clock(self._length)
        tick = max(0, clock.tick_at(self._now()))
        how = "from its start" if tick == 0 else f"on from tick {tick}"
        _log.info(
            "replaying %d pods, %d points, one each %g s, %s (point %d), mode %s",
            len(self._series),
            self._length,
            marker.interval,
            how,
            clock.index(tick),
            marker.mode,
        )

    async def _with_lease(self, work: Any) -> None:  # noqa: ANN401 - any awaitable
        """Run `work` while the Lease is renewed and guests are played beside it; the first error ends all."""
        tasks = {
            asyncio.ensure_future(work),
            asyncio.create_task(self._renew()),
            asyncio.create_task(self._guests.run()),
        }
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(RENEW_SECONDS / 2)
            if self._now() - self._lease.marker.renewed < RENEW_SECONDS:
                continue
            async with self._writing_lease:
                await self._try_to_write(replace(self._lease.marker, state=self._state))

    def _holds_lease(self) -> bool:
        return self._lease.marker.held(self._now())

    async def _try_to_write(self, marker: Marker) -> bool:
        try:
            await self._lease.write(replace(marker, guests=self._guests.count))
        except SerflabError as error:
            if not is_transient(error):
                raise
            # It may still arrive, in the middle of a tick even: see `_begin`.
            self._lease_unsure = True
            _log.warning("the Lease of the replay could not be renewed: %s", error.message)
            return False
        self._lease_unsure = False
        return True

    @property
    def _state(self) -> State:
        return "settled" if self._settled else "writing"

    # Ticks

    async def _play_all(self) -> None:
        clock = self._lease.marker.clock(self._length)
        await self._sleep(NOTICE_SECONDS)
        done = max(-1, clock.tick_at(self._now()) - 1)
        while not self._stop.is_set():
            tick, skipped = next_tick(clock, done, self._now())
            if tick == done:
                await self._sleep(clock.interval - (self._now() - clock.start) % clock.interval)
            else:
                await self._sleep(clock.due(tick) - self._now())
            if self._stop.is_set():
                return
            if skipped:
                _log.warning("behind by more than an interval: %d ticks skipped, on to tick %d", skipped, tick)
            if await self._play(clock, tick, skipped):
                done = tick

    async def _sleep(self, seconds: float) -> None:
        if seconds > 0:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), seconds)

    async def _play(self, clock: Clock, tick: int, skipped: int) -> bool:
        """Play one tick; whether it is complete (it is not when the API server went away)."""
        self._in_tick = True
        try:
            if not await self._begin():
                return False
            tally = _Tally()
            try:
                await self._send(self._patches(clock, tick), tally)
            except ApiUnreachableError as error:
                _log.warning("tick %d is not complete: %s", tick, error.message)
                self._lease.marker = _counted(self._lease.marker, tally, 0)
                self._lease_unsure = True
                return False
            return await self._complete(clock, tick, tally, skipped)
        finally:
            self._in_tick = False

    async def _begin(self) -> bool:
        async with self._writing_lease:
            self._settled = False
            if not self._lease_unsure:
                return True
            # A write of before that seems lost must not arrive in between our patches and call them settled: after
            # this one has succeeded it can't.
            if await self._try_to_write(replace(self._lease.marker, state="writing")):
                return True
        await self._sleep(_RECOVER_SECONDS)
        return False

    async def _complete(self, clock: Clock, tick: int, tally: _Tally, skipped: int) -> bool:
        lag = 0.0 if clock.finished(tick) else max(0.0, self._now() - clock.due(tick))
        marker = replace(
            _counted(self._lease.marker, tally, skipped),
            state="settled",
            tick=tick,
            time_index=clock.index(tick),
            lag=lag,
            missing=len(self._missing),
        )
        async with self._writing_lease:
            written = await self._try_to_write(marker)
            self._settled = written
        _log.debug("tick %d: %d patches, %d failed, lag %.3f s", tick, tally.patches, tally.failures, lag)
        return written

    def _patches(self, clock: Clock, tick: int) -> list[Patch]:
        """Return the patches of a tick: for each pod that is here and does not show its values yet."""
        patches: list[Patch] = []
        missing: set[Key] = set()
        for key, series in self._series.items():
            shown = self._annotator.known(key, self._pods.objects.get(key))
            if shown is None:
                missing.add(key)
            elif not shown.away and (patch := self._annotator.patch(key, shown, series, clock, tick)):
                patches.append(patch)
        self._report_missing(missing)
        return patches

    async def _send(self, patches: list[Patch], tally: _Tally) -> None:
        batches = iter(batched(patches, self._options.batch_size, self._options.max_concurrent))
        senders = [asyncio.create_task(self._send_batches(batches, tally)) for _ in range(self._options.max_concurrent)]
        try:
            await asyncio.gather(*senders)
        finally:
            for sender in senders:
                sender.cancel()
            await asyncio.gather(*senders, return_exceptions=True)

    async def _send_batches(self, batches: Iterator[list[Patch]], tally: _Tally) -> None:
        for batch in batches:
            for patch in batch:
                await self._send_one(patch, tally)

    async def _send_one(self, patch: Patch, tally: _Tally) -> None:
        try:
            version = await self._annotator.send(patch)
        except PodReplacedError:
            return  # the watch tells of it, too late for this tick
        except ApiError as error:
            tally.failures += 1
            _log.warning("pod %s: %s", "/".join(patch.key), error.message)
            return
        except ApiUnreachableError:
            tally.failures += 1
            raise
        tally.patches += 1
        tally.resource_version = max(tally.resource_version, version)

    def _report_missing(self, missing: set[Key]) -> None:
        """Say once which pods are not there, and which are back."""
        if gone := missing - self._missing:
            _log.warning("%d pods are missing and skipped: %s", len(gone), _some(gone))
        if back := self._missing - missing:
            _log.info("%d pods are back: %s", len(back), _some(back))
        self._missing = missing


def _counted(marker: Marker, tally: _Tally, skipped: int) -> Marker:
    return replace(
        marker,
        resource_version=max(marker.resource_version, tally.resource_version),
        patches=marker.patches + tally.patches,
        failures=marker.failures + tally.failures,
        skipped=marker.skipped + skipped,
    )


def _some(keys: set[Key]) -> str:
    names = sorted("/".join(key) for key in keys)
    rest = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {rest} more" if rest > 0 else "")
