"""The watch cache: lists once, follows, survives what happens to connections and versions."""

import asyncio
import json

import pytest
from aiohttp import web
from fake_api import FakeServer, ok, status

from serflab.kube import watch
from serflab.kube.client import ApiError
from serflab.kube.watch import Collection, EventKind, WatchCache


@pytest.fixture(autouse=True)
def _no_backoff(monkeypatch):
    monkeypatch.setattr(watch, "_BACKOFF_SECONDS", (0.001, 0.002))


def item(name, version, **labels):
    return {"metadata": {"name": name, "namespace": "ns", "resourceVersion": str(version), "labels": labels}}


def listing(version, *items):
    return ok(metadata={"resourceVersion": str(version)}, items=list(items))


def event(kind, *args, **labels):
    return {"type": kind, "object": item(*args, **labels)}


def bookmark(version):
    return {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": str(version)}}}


def watching(*events, then="end", piece=10_000):
    """A watch that sends these events, in pieces of any size, and then ends, breaks or stays."""

    async def answer(request):
        response = web.StreamResponse()
        await response.prepare(request)
        content = "".join(json.dumps(one) + "\n" for one in events).encode()
        for first in range(0, len(content), piece):
            await response.write(content[first : first + piece])
            await asyncio.sleep(0)
        if then == "stay":
            await asyncio.sleep(30)
        elif then == "break":
            request.transport.abort()
        return response

    return answer


STAY = watching(then="stay")


def cache(client, events=None, transform=lambda item: int(item["metadata"]["resourceVersion"])):
    return WatchCache(client, Collection("/pods"), transform, on_event=events.append if events is not None else None)


async def test_lists_then_follows_from_the_version_of_the_list(server: FakeServer):
    server.answers = [
        listing(10, item("a", 3), item("b", 9)),
        watching(event("ADDED", "c", 11), event("MODIFIED", "a", 12), event("DELETED", "b", 13), then="stay", piece=7),
    ]
    events = []
    async with server.client() as client, cache(client, events) as pods:
        await pods.wait_for(lambda: pods.resource_version == 13)
        assert pods.objects == {("ns", "a"): 12, ("ns", "c"): 11}
        assert pods.synced
        assert pods.connected
        assert pods.disconnected_since is None
    assert [(one.kind.name, one.key[1], one.resource_version) for one in events] == [
        ("LISTED", "", 10),
        ("ADDED", "c", 11),
        ("MODIFIED", "a", 12),
        ("DELETED", "b", 13),
    ]
    assert "resourceVersion=10" in server.requests[1][1]
    assert not pods.connected


async def test_a_list_comes_in_pages(server: FakeServer):
    first = ok(metadata={"resourceVersion": "10", "continue": "more"}, items=[item("a", 1)])
    server.answers = [first, listing(10, item("b", 2)), STAY]
    async with server.client() as client, cache(client) as pods:
        await pods.wait_synced()
        assert set(pods.objects) == {("ns", "a"), ("ns", "b")}


@pytest.mark.parametrize("end", ["end", "break"])
async def test_a_watch_that_ends_goes_on_where_it_was(server: FakeServer, end):
    server.answers = [
        listing(10),
        watching(event("ADDED", "a", 11), bookmark(20), then=end),
        watching(event("ADDED", "b", 21), then="stay"),
    ]
    async with server.client() as client, cache(client) as pods:
        await pods.wait_for(lambda: ("ns", "b") in pods.objects)
        assert set(pods.objects) == {("ns", "a"), ("ns", "b")}
    assert "resourceVersion=20" in server.requests[2][1]


EXPIRED = {"type": "ERROR", "object": {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old"}}
FROM_ANOTHER_LIFE = {
    "kind": "Status",
    "code": 504,
    "details": {"causes": [{"reason": "ResourceVersionTooLarge"}]},
}


@pytest.mark.parametrize(
    "answer",
    [watching(EXPIRED), status(410), watching({"type": "ERROR", "object": FROM_ANOTHER_LIFE})],
    ids=["event", "answer", "server with other data"],
)
async def test_an_expired_version_means_a_new_list(server: FakeServer, answer):
    server.answers = [listing(10, item("a", 1), item("gone", 2)), answer, listing(5, item("a", 3)), STAY]
    events = []
    async with server.client() as client, cache(client, events) as pods:
        await pods.wait_for(lambda: pods.resource_version == 5)
        assert pods.objects == {("ns", "a"): 3}
    assert [one.kind for one in events] == [EventKind.LISTED, EventKind.LISTED]


async def test_a_server_that_comes_and_goes(server: FakeServer):
    server.answers = [
        "drop",
        status(503),
        listing(10),
        status(500),
        "drop",
        watching(event("ADDED", "a", 11), then="stay"),
    ]
    async with server.client() as client, cache(client) as pods:
        await pods.wait_for(lambda: ("ns", "a") in pods.objects)


async def test_a_refused_list_is_told_to_who_waits(server: FakeServer):
    server.answers = [status(403, "you may not")]
    async with server.client() as client, cache(client) as pods:
        with pytest.raises(ApiError, match="you may not"):
            await pods.wait_synced()


async def test_what_the_transform_refuses_is_not_kept(server: FakeServer):
    def only_red(item):
        return True if item["metadata"]["labels"].get("red") else None

    server.answers = [
        listing(10, item("a", 1, red="1"), item("b", 2)),
        watching(
            event("MODIFIED", "a", 11), event("MODIFIED", "b", 12, red="1"), event("MODIFIED", "c", 13), then="stay"
        ),
    ]
    events = []
    async with server.client() as client, cache(client, events, only_red) as pods:
        await pods.wait_for(lambda: pods.resource_version == 13)
        assert pods.objects == {("ns", "b"): True}
    assert [one.kind.name for one in events] == ["LISTED", "DELETED", "MODIFIED", "BOOKMARK"]


async def test_metadata_alone_is_asked_for_where_it_will_do(server: FakeServer):
    server.answers = [listing(10), STAY]
    collection = Collection("/pods", "a=b", metadata_only=True)
    async with server.client() as client, WatchCache(client, collection, lambda item: item) as pods:
        await pods.wait_for(lambda: pods.connected)
    assert "PartialObjectMetadataList" in server.requests[0][2]["Accept"]
    assert "as=PartialObjectMetadata;" in server.requests[1][2]["Accept"]
    assert "labelSelector=a%3Db" in server.requests[1][1]


async def test_an_object_larger_than_any_buffer(server: FakeServer):
    big = event("ADDED", "a", 11, text="x" * 3_000_000)
    server.answers = [listing(10), watching(big, then="stay", piece=100_000)]
    async with server.client() as client, cache(client) as pods:
        await pods.wait_for(lambda: ("ns", "a") in pods.objects)
