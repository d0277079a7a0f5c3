"""One replay at a time, and what it leaves behind for the next, on a Lease that is kept as the API server keeps it."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serflab.emulation import lease as lease_module
from serflab.emulation import replay as replay_module
from serflab.emulation.annotator import Shown
from serflab.emulation.lease import LEASE_SECONDS, NOTICE_SECONDS, LeaseLostError, ReplayLease
from serflab.emulation.marker import Marker, read_marker
from serflab.emulation.replay import Replay, ReplayOptions
from serflab.kube.client import ApiError, ApiUnreachableError

START = 1_000_000.0


class Server:
    """Keeps one Lease: creates once, replaces only the version that is named, and fails when told to."""

    def __init__(self):
        self.lease = None
        self.version = 100
        self.failures = []
        self.now = START

    async def request(self, method, _path, *, body=None, **_):
        await asyncio.sleep(0)
        failure = self.failures.pop(0) if self.failures else None
        if failure == "before":
            raise ApiUnreachableError("gone")
        if method == "GET":
            if self.lease is None:
                raise ApiError(404, "NotFound", "no lease")
            return self.lease
        if self.lease is None:
            raise ApiError(404, "NotFound", "no lease")
        if body["metadata"]["resourceVersion"] != self.lease["metadata"]["resourceVersion"]:
            raise ApiError(409, "Conflict", "another version")
        answer = self._keep(body)
        if failure == "after":
            raise ApiUnreachableError("gone after the write")
        return answer

    async def create(self, _path, body):
        await asyncio.sleep(0)
        if self.lease is not None:
            raise ApiError(409, "AlreadyExists", "there is one")
        return self._keep(body)

    def _keep(self, body):
        self.version += 1
        kept = orjson.loads(orjson.dumps(body))
        kept["metadata"]["resourceVersion"] = str(self.version)
        self.lease = kept
        return kept

    def replay(self, holder, *, restart=False, **changes):
        wanted = replace(Marker("config", 0.0, 5.0, loop=True, phase=0, holder=holder), **changes)
        return ReplayLease(self, wanted, now=lambda: self.now, restart=restart)


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(lease_module, "_LOOK_SECONDS", 0)
    return Server()


async def test_the_first_replay_starts_the_clock(server):
    marker = await server.replay("a").acquire()
    assert (marker.start, marker.tick, marker.holder) == (START + NOTICE_SECONDS, -1, "a")
    kept = read_marker(server.lease)
    assert kept == marker
    assert kept.held(START + LEASE_SECONDS - 0.1)
    assert not kept.held(START + LEASE_SECONDS)


async def played(server, ticks, **changes):
    first = server.replay("a", **changes)
    await first.acquire()
    await first.write(replace(first.marker, tick=ticks, patches=80, resource_version=90, state="settled"))
    return first


async def test_the_next_goes_on_with_the_clock_and_the_counts(server):
    await played(server, 7)
    server.now += 60
    marker = await server.replay("b").acquire()
    assert (marker.start, marker.tick, marker.patches, marker.resource_version, marker.holder) == (
        START + NOTICE_SECONDS,
        7,
        80,
        90,
        "b",
    )
    # what the dead one may have left half done is no picture
    assert marker.state == "writing"
    assert marker.bound == 90


@pytest.mark.parametrize("changes", [{"fingerprint": "other"}, {"interval": 1.0}, {"loop": False}, {"phase": 3}])
async def test_another_replay_starts_anew(server, changes):
    await played(server, 7)
    server.now += 60
    marker = await server.replay("b", **changes).acquire()
    assert (marker.start, marker.tick, marker.patches) == (START + 60 + NOTICE_SECONDS, -1, 0)


async def test_restart_starts_anew(server):
    await played(server, 7)
    server.now += 60
    assert (await server.replay("b", restart=True).acquire()).tick == -1


async def test_a_change_of_mode_keeps_the_clock(server):
    await played(server, 7)
    server.now += 60
    marker = await server.replay("b", mode="clock").acquire()
    assert (marker.start, marker.mode) == (START + NOTICE_SECONDS, "clock")


async def test_a_second_replay_stands_by_until_the_first_is_silent(server, caplog):
    await played(server, 7)
    with caplog.at_level(logging.WARNING):
        waiting = asyncio.create_task(server.replay("b").acquire())
        for _ in range(20):
            await asyncio.sleep(0)
        assert not waiting.done()
        server.now += LEASE_SECONDS
        assert (await waiting).holder == "b"
    said = [record.getMessage() for record in caplog.records]
    assert said == ["standing by: a replays on this serf; this one takes over when that one stops"]


async def test_who_has_lost_the_lease_finds_out_at_the_next_write(server):
    first = await played(server, 7)
    server.now += LEASE_SECONDS
    await server.replay("b").acquire()
    with pytest.raises(LeaseLostError, match="b holds it now"):
        await first.write(first.marker)


async def test_a_released_lease_is_free_at_once(server):
    first = await played(server, 7)
    await first.release("writing")
    marker = await server.replay("b").acquire()
    assert (marker.holder, marker.tick, marker.bound) == ("b", 7, 90)
    await first.release("settled")
    assert read_marker(server.lease).holder == "b"


async def test_of_two_at_the_same_moment_one_waits(server):
    both = [asyncio.create_task(server.replay(name).acquire()) for name in "ab"]
    done, waiting = await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
    for _ in range(20):
        await asyncio.sleep(0)
    assert len(done) == len(waiting) == 1
    assert not next(iter(waiting)).done()
    next(iter(waiting)).cancel()


async def test_a_write_that_arrived_though_its_answer_was_lost_is_no_loss(server):
    first = await played(server, 7)
    server.failures = ["after"]
    with pytest.raises(ApiUnreachableError):
        await first.write(replace(first.marker, tick=8))
    await first.write(replace(first.marker, tick=8))
    assert read_marker(server.lease).tick == 8
    assert first.marker.lease_version == server.version


async def test_a_lease_that_somebody_deleted_is_made_anew(server):
    first = await played(server, 7)
    server.lease = None
    await first.write(replace(first.marker, tick=8))
    assert read_marker(server.lease).tick == 8


async def test_an_api_server_that_is_not_there_yet_is_waited_for(server, caplog):
    server.failures = ["before"] * 3
    with caplog.at_level(logging.WARNING):
        assert (await server.replay("a").acquire()).holder == "a"
    assert [record.getMessage() for record in caplog.records] == ["gone; waiting for it"]


async def test_a_lease_of_others_under_our_name_is_taken_over(server):
    server._keep({"metadata": {"name": "serflab-replay"}, "spec": {"holderIdentity": "x"}})
    assert (await server.replay("a").acquire()).tick == -1


times = st.floats(1e9, 4e9)
counts = st.integers(0, 2**53)
markers = st.builds(
    Marker,
    fingerprint=st.text("0123456789abcdef", min_size=1),
    start=times,
    interval=st.floats(0.01, 86400),
    loop=st.booleans(),
    phase=counts,
    mode=st.sampled_from(["annotations", "clock"]),
    state=st.sampled_from(["settled", "writing"]),
    tick=st.integers(-1, 2**40),
    time_index=counts,
    resource_version=counts,
    lag=st.integers(0, 10**9).map(lambda milliseconds: milliseconds / 1000),
    patches=counts,
    failures=counts,
    skipped=counts,
    missing=counts,
    guests=counts,
    holder=st.text("abc_", min_size=1),
    renewed=st.integers(10**9, 4 * 10**9).map(float),
    duration=st.integers(1, 100),
    lease_version=st.integers(1, 2**53),
)


@given(markers)
def test_a_marker_survives_its_lease(marker):
    assert read_marker(orjson.loads(orjson.dumps(marker.body()))) == marker


def test_the_marker_of_a_replay_that_knew_no_guests_has_none():
    body = Marker("config", 0.0, 5.0, loop=True, phase=0, guests=3, lease_version=1).body()
    del body["metadata"]["annotations"]["emulation.metrics.k8s.io/replay-guests"]
    assert read_marker(body).guests == 0


def test_what_is_no_marker_is_none():
    body = Marker("config", 0.0, 5.0, loop=True, phase=0, lease_version=1).body()
    del body["metadata"]["annotations"]["emulation.metrics.k8s.io/replay-tick"]
    assert read_marker(body) is None
    body["metadata"]["annotations"]["emulation.metrics.k8s.io/replay-tick"] = "soon"
    assert read_marker(body) is None


class Pods:
    """The pods that a replay knows of, all of them newly created."""

    def __init__(self, config):
        self.objects = {(pod.namespace, pod.name): Shown(1, (None,) * 6, played=False) for pod in config.pods}

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        pass

    async def wait_synced(self):
        pass


class Guests:
    """The guests of a serf that runs three pods of others."""

    count = 3

    async def run(self):
        await asyncio.Event().wait()


class PatchingServer(Server):
    """A server that takes patches, and from the one after `hold_after` on never answers them."""

    def __init__(self):
        super().__init__()
        self.taken = []
        self.held = asyncio.Event()
        self.hold_after = 10**9
        self.written = asyncio.Event()

    def _keep(self, body):
        self.written.set()
        return super()._keep(body)

    async def shows(self, condition):
        """Wait until the marker fulfils the condition."""
        async with asyncio.timeout(60):
            while not (self.lease and condition(read_marker(self.lease))):
                self.written.clear()
                await self.written.wait()

    async def patch(self, path, _body, **_):
        await asyncio.sleep(0)
        self.taken.append(path)
        if len(self.taken) > self.hold_after:
            self.held.set()
            await asyncio.sleep(3600)
        self.version += 1
        return {"metadata": {"resourceVersion": str(self.version)}}


@pytest.fixture
def replaying(config, monkeypatch):
    """Return a function that makes a quick replay on a server."""
    monkeypatch.setattr(replay_module, "_STOP_SECONDS", 0.05)

    def replaying(server, **options):
        replay = Replay(server, config, ReplayOptions(interval=0.02, loop=True, **options))
        replay._pods = Pods(config)
        replay._guests = Guests()
        return replay

    return replaying


async def test_a_replay_that_is_stopped_within_a_tick_does_not_call_it_settled(replaying):
    server = PatchingServer()
    server.hold_after = 4  # three pods at the first tick, then one of the two that change
    stop = asyncio.Event()
    running = asyncio.create_task(replaying(server, max_concurrent=1).run(stop))
    await server.held.wait()
    before = read_marker(server.lease)
    assert (before.tick, before.state) == (0, "settled")
    stop.set()
    await running
    after = read_marker(server.lease)
    assert after.holder == ""
    assert (after.tick, after.state, after.bound) == (0, "writing", before.resource_version)


async def test_a_replay_that_is_stopped_between_ticks_leaves_a_settled_one(replaying):
    server = PatchingServer()
    stop = asyncio.Event()
    running = asyncio.create_task(replaying(server).run(stop))
    await server.shows(lambda marker: marker.tick >= 2 and marker.guests == 3)
    stop.set()
    await running
    marker = read_marker(server.lease)
    assert (marker.state, marker.guests) == ("settled", 0)
    assert marker.bound == server.version
    assert marker.patches == len(server.taken)


async def test_a_tick_within_which_the_server_went_away_is_not_complete(replaying, caplog):
    server = PatchingServer()
    patch, broken = server.patch, []

    async def patch_once_broken(path, body, **options):
        if len(server.taken) == 4 and not broken:
            broken.append(read_marker(server.lease))
            raise ApiUnreachableError("gone")
        return await patch(path, body, **options)

    server.patch = patch_once_broken
    stop = asyncio.Event()
    with caplog.at_level(logging.WARNING):
        running = asyncio.create_task(replaying(server, max_concurrent=1).run(stop))
        await server.shows(lambda marker: broken and marker.tick > broken[0].tick)
        stop.set()
        await running
    marker = read_marker(server.lease)
    assert marker.failures == 1
    assert "is not complete: gone" in caplog.text
