"""The Kubernetes Events of a cluster, the newest of them, as slim records.

Events are reported by the scheduler, by KWOK and by controllers in two notations (`v1` and `events.k8s.io/v1`); the
API server serves both as `v1`: https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from serflab.errors import SerflabError
from serflab.kube.watch import Collection, WatchCache

if TYPE_CHECKING:
    from collections.abc import Mapping

    from serflab.kube.client import ApiClient
    from serflab.kube.watch import Event

log = logging.getLogger(__name__)

MOST_EVENTS = 1000
# The oldest are dropped in batches, so that not every new event has to look for the oldest one.
_SLACK = 200
_RETRY_SECONDS = 30.0
_GRACE_SECONDS = 5.0
_LONGEST_MESSAGE = 1000


@dataclass(frozen=True, slots=True)
class EventRecord:
    """One Event: when it was seen last (epoch seconds), how often, and what it is about."""

    time: float
    type: str
    reason: str
    kind: str
    namespace: str
    name: str
    message: str
    count: int
    source: str


class ClusterEvents:
    """Follows the Events of one cluster; a cluster that refuses them is as well as any other."""

    def __init__(self, client: ApiClient) -> None:
        self._error = ""
        self._cache = WatchCache(client, Collection("/api/v1/events"), event_record, on_event=self._bound)

    async def run(self) -> None:
        """Follow the events until cancelled; whatever goes wrong is told by `error` and tried again."""
        while True:
            try:
                await self._cache.run()
            except SerflabError as error:
                self._error = error.message
            except Exception:
                log.exception("the watch of events failed")
                self._error = "the viewer has a fault; its log holds the details"
            await asyncio.sleep(_RETRY_SECONDS)

    @property
    def newest_first(self) -> list[EventRecord]:
        """Return the events that are known, at most about a thousand."""
        return sorted(self._cache.objects.values(), key=_time, reverse=True)

    @property
    def stale_since(self) -> float | None:
        """Return since when (epoch seconds) events may be missing; None while the watch stands."""
        since = self._cache.disconnected_since
        if since is None or (self._cache.synced and time.time() - since <= _GRACE_SECONDS):
            return None
        return since

    @property
    def error(self) -> str:
        """Return why events may be missing, empty while the watch stands."""
        if self.stale_since is None:
            return ""
        return self._cache.last_error.message if self._cache.last_error else self._error

    def _bound(self, _: Event[EventRecord]) -> None:
        events = self._cache.objects
        if len(events) <= MOST_EVENTS + _SLACK:
            return
        for key in sorted(events, key=lambda key: events[key].time)[:-MOST_EVENTS]:
            del events[key]


def event_record(event: Mapping[str, Any]) -> EventRecord:
    """Make a record of an Event; what is missing in it is empty."""
    about, series = event.get("involvedObject") or {}, event.get("series") or {}
    metadata = event["metadata"]
    return EventRecord(
        time=_seconds(
            series.get("lastObservedTime")
            or event.get("lastTimestamp")
            or event.get("eventTime")
            or event.get("firstTimestamp")
            or metadata.get("creationTimestamp")
        ),
        type=event.get("type") or "Normal",
        reason=event.get("reason") or "",
        kind=about.get("kind") or "",
        namespace=about.get("namespace") or "",
        name=about.get("name") or "",
        message=(event.get("message") or "")[:_LONGEST_MESSAGE],
        count=int(series.get("count") or event.get("count") or 1),
        source=event.get("reportingComponent") or (event.get("source") or {}).get("component") or "",
    )


def _time(event: EventRecord) -> float:
    return event.time


def _seconds(text: str | None) -> float:
    """Return a time of Kubernetes (RFC 3339) as seconds since the epoch, 0 where there is none."""
    try:
        moment = datetime.fromisoformat(text) if text else None
    except ValueError:
        return 0.0
    if moment is None:
        return 0.0
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
