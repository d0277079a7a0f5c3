"""Kubernetes Events as the viewer keeps them: slim, bounded, and never a reason to call a serf unreachable."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from serflab.kube.client import ONCE, ApiClient
from serflab.kube.credentials import Credentials
from serflab.lab import cluster_events
from serflab.lab.cluster_events import MOST_EVENTS, ClusterEvents, event_record
from serflab.lab.cluster_view import ClusterView
from serflab.lab.inventory import Serf

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path


def event(number: int = 0, **fields: Any) -> dict[str, Any]:
    return {
        "metadata": {"namespace": "ns1", "name": f"web.{number}", "resourceVersion": str(number + 1)},
        "involvedObject": {"kind": "Pod", "namespace": "ns1", "name": "web-0"},
        "type": "Warning", "reason": "FailedScheduling", "message": "0/1 nodes are available",
        "lastTimestamp": f"2026-01-01T00:{number // 60 % 60:02}:{number % 60:02}Z",
    } | fields  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "seconds"),
    [
        ({}, 1767225600.0),
        ({"lastTimestamp": None, "eventTime": "2026-01-01T00:00:01.250000Z"}, 1767225601.25),
        ({"series": {"count": 7, "lastObservedTime": "2026-01-01T00:00:09.000000Z"}}, 1767225609.0),
        ({"lastTimestamp": None, "firstTimestamp": "2026-01-01T00:00:02Z"}, 1767225602.0),
        ({"lastTimestamp": None}, 0.0),
        ({"lastTimestamp": "yesterday"}, 0.0),
    ],
    ids=["last", "event time", "series", "first", "none", "nonsense"],
)
def test_an_event_has_the_time_at_which_it_was_seen_last(fields: dict[str, Any], seconds: float) -> None:
    assert event_record(event(**fields)).time == seconds


def test_an_event_says_what_it_is_about_and_who_reported_it() -> None:
    record = event_record(event(count=3, source={"component": "kubelet"}))
    assert (record.kind, record.namespace, record.name, record.count, record.source) == (
        "Pod", "ns1", "web-0", 3, "kubelet"
    )  # fmt: skip
    assert event_record(event(reportingComponent="default-scheduler", count=0)).source == "default-scheduler"
    assert event_record(event(series={"count": 7})).count == 7


def test_an_event_without_anything_is_no_failure() -> None:
    record = event_record({"metadata": {"name": "x"}, "involvedObject": None, "source": None, "message": None})
    assert (record.type, record.reason, record.message, record.count, record.source) == ("Normal", "", "", 1, "")
    assert len(event_record(event(message="x" * 5000)).message) == 1000


class EventServer:
    """Lists the events that a test gives it and then says nothing more; or refuses, or is at fault."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.refuse = False
        self.url = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if not request.path.endswith("/events") and "watch" not in request.query:
            return web.json_response({"metadata": {"resourceVersion": "1"}, "items": [], "gitVersion": "v1.36.3"})
        if request.path.endswith("/events") and self.refuse:
            return web.json_response({"kind": "Status", "message": "events are forbidden"}, status=403)
        if "watch" not in request.query:
            return web.json_response({"metadata": {"resourceVersion": "9999"}, "items": self.events})
        response = web.StreamResponse()
        await response.prepare(request)
        await asyncio.sleep(60)
        return response


@pytest.fixture
async def server() -> AsyncIterator[EventServer]:
    fake = EventServer()
    app = web.Application()
    app.router.add_get("/{path:.*}", fake.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    fake.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield fake
    await runner.cleanup()


@contextlib.asynccontextmanager
async def followed(server: EventServer) -> AsyncIterator[ClusterEvents]:
    async with ApiClient(Credentials(server.url), retry=ONCE, timeout=5) as client:
        events = ClusterEvents(client)
        task = asyncio.create_task(events.run())
        yield events
        assert not task.done()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(holds: Callable[[], bool]) -> None:
    for _ in range(500):
        if holds():
            return
        await asyncio.sleep(0.01)
    pytest.fail("it never came to hold")


async def test_the_newest_come_first_and_no_more_than_a_thousand_stay(server: EventServer) -> None:
    server.events = [event(number) for number in range(3000)]
    async with followed(server) as events:
        assert events.stale_since is not None
        await until(lambda: events.stale_since is None)
        kept = events.newest_first
        assert len(kept) == MOST_EVENTS
        assert [kept[0].time, kept[-1].time] == [1767225600.0 + 2999, 1767225600.0 + 2000]
        assert events.error == ""


async def test_a_cluster_that_refuses_its_events_is_asked_again_later_and_says_why(
    server: EventServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster_events, "_RETRY_SECONDS", 0.01)
    server.refuse = True
    async with followed(server) as events:
        await until(lambda: "events are forbidden" in events.error)
        assert events.stale_since is not None
        assert events.newest_first == []
        server.refuse, server.events = False, [event()]
        await until(lambda: events.stale_since is None)
        assert [record.reason for record in events.newest_first] == ["FailedScheduling"]


async def test_a_serf_is_ready_without_its_events(server: EventServer, tmp_path: Path) -> None:
    server.refuse = True
    kubeconfig = tmp_path / "kubeconfig"
    cluster = {"name": "c", "cluster": {"server": server.url}}
    user, context = {"name": "u", "user": {}}, {"name": "c", "context": {"cluster": "c", "user": "u"}}
    config = {"current-context": "c", "contexts": [context], "clusters": [cluster], "users": [user]}
    kubeconfig.write_text(json.dumps(config))
    view = ClusterView(Serf("serf1", kubeconfig, server.url, "", tmp_path / "config.json", tmp_path, {}))
    task = asyncio.create_task(view.run())
    await until(lambda: view.events is not None and "events are forbidden" in view.events.error)
    await until(lambda: view.state == "ready")
    assert (view.error, view.stale_since) == ("", None)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_an_event_that_cannot_be_read_does_not_end_the_watch(
    server: EventServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster_events, "_RETRY_SECONDS", 0.01)
    server.events = [event(count="many")]
    async with followed(server) as events:
        await until(lambda: "the viewer has a fault" in events.error)
        server.events = [event()]
        await until(lambda: events.stale_since is None)
