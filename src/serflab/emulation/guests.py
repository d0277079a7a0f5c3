"""Play the guests of a serf: the remote pods that it runs for other serfs, each by a series and a clock of its own.

A guest is described by a ShadowPod, whose annotations hold its workload (`serflab.emulation.workload`); the pod of the
same namespace and name shows the point that is due. Guests belong to no tick of the serf's own replay: each is one pod,
and a patch changes it as a whole. The custom resource comes with the first peering and may go again.
"""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import suppress
from dataclasses import dataclass
from math import floor
from typing import TYPE_CHECKING, Any, Final

from serflab.emulation.agenda import Agenda
from serflab.emulation.annotator import Annotator, PodReplacedError, Shown
from serflab.emulation.names import (
    PODS_PATH,
    REMOTE_ROLE,
    ROLE,
    SERIES,
    SHADOW_PODS_CRD,
    SHADOW_PODS_PATH,
    VIRTUAL_POD_ID,
)
from serflab.emulation.workload import Workload, read_workload
from serflab.kube.client import ApiError, ApiUnreachableError
from serflab.kube.crds import CRDS_PATH
from serflab.kube.watch import Collection, Event, EventKind, Key, WatchCache

if TYPE_CHECKING:
    from collections.abc import Callable

    from serflab.kube.client import ApiClient
    from serflab.traces.model import AnnotationKeys
    from serflab.traces.sampling import Clock

_log = logging.getLogger(__name__)

_OVER: Final = frozenset({"Succeeded", "Failed"})
_RECOVER_SECONDS: Final = 0.5


@dataclass(frozen=True, slots=True)
class GuestOptions:
    """How to play: under which annotation `keys`, with at most `lanes` patches in flight, only while `may_play`."""

    keys: AnnotationKeys
    lanes: int
    may_play: Callable[[], bool]
    now: Callable[[], float] = time.time


class Guests:
    """The guests of one serf, from `run` until it is cancelled."""

    def __init__(self, client: ApiClient, options: GuestOptions) -> None:
        self._client = client
        self._options = options
        self._player: GuestPlayer | None = None

    @property
    def count(self) -> int:
        """How many guests are played."""
        return self._player.count if self._player else 0

    async def run(self) -> None:
        """Play the guests whenever the serf knows ShadowPods; who may not look for them has none."""
        collection = Collection(CRDS_PATH, field_selector=f"metadata.name={SHADOW_PODS_CRD}")
        async with WatchCache(self._client, collection, _established) as resource:
            try:
                while True:
                    await resource.wait_for(lambda: bool(resource.objects))
                    async with asyncio.TaskGroup() as group:
                        following = group.create_task(self._follow())
                        await resource.wait_for(lambda: not resource.objects)
                        following.cancel()
            except ApiError as error:
                _log.warning("pods of other serfs are not played: %s", error.message)
        await asyncio.Event().wait()

    async def _follow(self) -> None:
        _log.info("this serf has ShadowPods: it may run pods of other serfs, which are played from now on")
        told = ""
        try:
            while True:
                self._player = GuestPlayer(self._client, self._options)
                try:
                    await self._player.run()
                except ApiError as error:  # also for a moment after the resource was established
                    if told != error.message:
                        _log.debug("ShadowPods cannot be followed yet: %s", error.message)
                    told = error.message
                await asyncio.sleep(_RECOVER_SECONDS)
        finally:
            self._player = None
            _log.info("this serf has no ShadowPods any more")


class GuestPlayer:
    """Plays all guests while the resource is there: an agenda says whose point is due, a few lanes send the patches."""

    def __init__(self, client: ApiClient, options: GuestOptions) -> None:
        self._lanes = options.lanes
        self._may_play = options.may_play
        self._now = options.now
        self._annotator = Annotator(client, options.keys)
        shadows = Collection(SHADOW_PODS_PATH, metadata_only=True)
        pods = Collection(PODS_PATH, label_selector=VIRTUAL_POD_ID)
        self._shadows = WatchCache(client, shadows, self._workload, on_event=self._shadow_changed)
        self._pods = WatchCache(client, pods, self._remote_pod, on_event=self._pod_changed)
        self._played: dict[Key, tuple[str, Workload]] = {}
        self._in_flight: set[Key] = set()
        self._agenda: Agenda[Key] = Agenda()
        self._woken = asyncio.Event()
        self._unreachable = False
        self._failing: set[Key] = set()
        self._complained: set[Key] = set()

    @property
    def count(self) -> int:
        """How many guests are played: their workload has its start, and their pod is there and not over."""
        return len(self._played)

    async def run(self) -> None:
        """Play until cancelled; `ApiError` when the API server refuses ShadowPods or pods."""
        async with self._shadows, self._pods:
            await self._shadows.wait_synced()
            await self._pods.wait_synced()
            lanes = [asyncio.create_task(self._lane()) for _ in range(self._lanes)]
            try:
                await asyncio.gather(*lanes)
            finally:
                for lane in lanes:
                    lane.cancel()
                await asyncio.gather(*lanes, return_exceptions=True)

    # What there is to play

    def _workload(self, shadow: dict[str, Any]) -> Workload | None:
        metadata = shadow["metadata"]
        annotations = metadata.get("annotations") or {}
        key = metadata["namespace"], metadata["name"]
        workload = read_workload(annotations)
        if workload is None and SERIES in annotations and key not in self._complained:
            self._complained.add(key)
            _log.warning("ShadowPod %s has a series or a clock that cannot be played", "/".join(key))
        return None if "deletionTimestamp" in metadata else workload

    def _remote_pod(self, pod: dict[str, Any]) -> Shown | None:
        metadata = pod["metadata"]
        if (metadata.get("annotations") or {}).get(ROLE) != REMOTE_ROLE or "deletionTimestamp" in metadata:
            return None
        return None if pod.get("status", {}).get("phase") in _OVER else self._annotator.format.shown(pod)

    def _shadow_changed(self, event: Event[Workload]) -> None:
        self._changed(event.kind, event.key, self._shadows)

    def _pod_changed(self, event: Event[Shown]) -> None:
        self._changed(event.kind, event.key, self._pods)

    def _changed(self, kind: EventKind, key: Key, cache: WatchCache[Any]) -> None:
        if kind is EventKind.LISTED:
            for one in {*cache.objects, *self._played}:
                self._consider(one)
        elif kind is not EventKind.BOOKMARK:
            self._consider(key)

    def _consider(self, key: Key) -> None:
        """Begin, change or end playing a guest, as its ShadowPod and its pod now ask for."""
        pod, workload = self._pods.objects.get(key), self._shadows.objects.get(key)
        clock = workload.clock if workload else None
        if pod is None or workload is None or clock is None:
            if self._played.pop(key, None):
                self._agenda.drop(key)
                self._annotator.forget(key)
                self._failing.discard(key)
            return
        playing = pod.uid, workload
        if self._played.get(key) == playing:
            return
        self._played[key] = playing
        if key not in self._in_flight:
            self._put(key, clock.start)

    def _put(self, key: Key, due: float) -> None:
        self._agenda.put(key, due)
        self._woken.set()

    # Playing

    async def _lane(self) -> None:
        while True:
            await self._turn(await self._next())

    async def _turn(self, key: Key) -> None:
        """Show the point of a guest that is due, and put down when its next one is."""
        playing = self._played[key]
        self._in_flight.add(key)
        try:
            due = await self._show(key, playing[1])
        finally:
            self._in_flight.discard(key)
        if now_playing := self._played.get(key):
            self._put(key, due if now_playing == playing else self._now())

    async def _next(self) -> Key:
        """Wait for the guest that is due next."""
        while (key := self._agenda.take(self._now())) is None:
            self._woken.clear()
            due = self._agenda.first
            with suppress(TimeoutError):
                async with asyncio.timeout(None if due is None else max(0.0, due - self._now())):
                    await self._woken.wait()
        return key

    async def _show(self, key: Key, workload: Workload) -> float:
        """Show the point that is due and return when to look at the guest again."""
        now, clock = self._now(), workload.clock
        shown = self._annotator.known(key, self._pods.objects.get(key))
        if clock is None or shown is None:
            return now
        if not self._may_play():
            return now + _RECOVER_SECONDS
        patch = self._annotator.patch(key, shown, workload.series, clock, clock.tick_at(now))
        try:
            if patch:
                await self._annotator.send(patch)
        except PodReplacedError:
            _log.debug("guest %s is gone", "/".join(key))
        except (ApiError, ApiUnreachableError) as error:
            self._report(key, error)
            return self._now() + _RECOVER_SECONDS
        self._unreachable = False
        self._failing.discard(key)
        return next_due(clock, now)

    def _report(self, key: Key, error: ApiError | ApiUnreachableError) -> None:
        """Say once that the API server is away, or that it refuses a guest."""
        if isinstance(error, ApiError) and key not in self._failing:
            self._failing.add(key)
            _log.warning("guest %s: %s; trying again", "/".join(key), error.message)
        elif isinstance(error, ApiUnreachableError) and not self._unreachable:
            self._unreachable = True
            _log.warning("guests wait: %s", error.message)


def next_due(clock: Clock, now: float) -> float:
    """Return when the tick after the one of `now` is due (epoch seconds).

    It comes also when the last point is reached: whoever wrote something else onto the pod is put right by then.
    """
    if now < clock.start:
        return clock.start
    tick = floor((now - clock.start) / clock.interval)
    return clock.due(tick + 1) if clock.due(tick + 1) > now else clock.due(tick + 2)


def _established(resource: dict[str, Any]) -> bool | None:
    conditions = resource.get("status", {}).get("conditions") or ()
    established = any(one["type"] == "Established" and one["status"] == "True" for one in conditions)
    return True if established and "deletionTimestamp" not in resource["metadata"] else None
