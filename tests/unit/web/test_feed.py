"""The live feed: one overview for all readers, and to each reader what it lacks."""

from __future__ import annotations

import gzip
import itertools
import json
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from serflab.errors import Finding, InputError, SerflabError
from serflab.lab import feed as feeding
from serflab.lab.feed import DELTA, PROBLEM, TOPOLOGY, Feed, StalledError, difference
from serflab.lab.known_load import KnownLoad
from serflab.lab.load import THRESHOLDS, Load
from serflab.lab.overview import Observed, PrometheusState, SerfState, overview
from serflab.lab.topology import Endpoint, Link, Node, Topology
from server_sent import applied, without_time

READY = PrometheusState("ready", "http://127.0.0.1:1", None, "")


def observed(cpu: float = 10.0, serfs: int = 2) -> Observed:
    """A lab of serfs in a row, the first of which has that load."""
    nodes = tuple(Node(f"serf{number}", "linux", "serf") for number in range(1, serfs + 1))
    links = tuple(Link(Endpoint(a.name, "eth1"), Endpoint(b.name, "eth2")) for a, b in itertools.pairwise(nodes))
    states = {
        node.name: SerfState(
            "ready", None, "", KnownLoad(Load(cpu=cpu if node.name == "serf1" else 30.0)), (80, 80), target_up=True
        )
        for node in nodes
    }
    return Observed(
        Topology(Path("t.yaml"), "row", nodes, links), None, "", READY, states, THRESHOLDS, {"version": "1"}
    )


class World:
    """What the feed sees."""

    def __init__(self) -> None:
        self.seen: Observed | Exception = observed()
        self.feed = Feed(self.observe)
        self.feed.look()

    def observe(self) -> Observed:
        if isinstance(self.seen, Exception):
            raise self.seen
        return self.seen

    def becomes(self, seen: Observed | Exception) -> None:
        self.seen = seen
        self.feed.look()

    @property
    def body(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.feed.picture().body)
        return document


@pytest.fixture
def world() -> World:
    return World()


def kinds(world: World, last: str) -> list[str]:
    return [message.kind for message in world.feed.since(last)]


def test_a_new_reader_gets_the_whole(world: World) -> None:
    (message,) = world.feed.since("")
    assert (message.kind, message.id) == (TOPOLOGY, world.feed.picture().version)
    assert json.loads(message.data) == world.body
    assert world.feed.since(message.id) == []


def test_a_change_is_told_by_the_whole_entries_that_changed(world: World) -> None:
    before, document = world.feed.picture().version, world.body
    world.becomes(observed(cpu=70.0))
    (message,) = world.feed.since(before)
    delta = json.loads(message.data)
    assert (message.kind, delta.keys()) == (DELTA, {"generated_at", "nodes"})
    assert [(node["name"], node["load"]["cpu"], node["load"]["level"]) for node in delta["nodes"]] == [
        ("serf1", 70.0, "red")
    ]
    assert without_time(applied(document, delta)) == without_time(world.body)


def test_a_change_of_peerings_or_virtual_pods_is_told_alone(world: World) -> None:
    before, document = world.feed.picture().version, world.body
    world.becomes(replace(observed(), offload={"version": "2"}))
    (message,) = world.feed.since(before)
    delta = json.loads(message.data)
    assert (message.kind, delta.keys()) == (DELTA, {"generated_at", "offload"})
    assert applied(document, delta)["offload"] == {"version": "2"}


def test_deltas_in_their_order_lead_to_the_present(world: World) -> None:
    before, document = world.feed.picture().version, world.body
    down = observed(cpu=40.0)
    down.serfs["serf2"] = replace(down.serfs["serf2"], state="unreachable", stale_since=5.0, pods=(0, 80))
    for seen in (observed(cpu=20.0), down, replace(observed(), inventory_error="gone", serfs={})):
        world.becomes(seen)
    messages = world.feed.since(before)
    assert [message.kind for message in messages] == [DELTA] * 3
    for message in messages:
        document = applied(document, json.loads(message.data))
    assert without_time(document) == without_time(world.body)
    assert messages[-1].id == world.feed.picture().version


def test_without_a_change_the_version_stays_and_the_time_moves_on(world: World) -> None:
    first = world.feed.picture()
    time.sleep(0.002)
    world.becomes(observed())
    again = world.feed.picture()
    assert again.version == first.version
    assert again.generated_at > first.generated_at
    assert world.feed.since(first.version) == []


@pytest.mark.parametrize(
    "seen",
    [
        pytest.param(observed(serfs=3), id="another node"),
        pytest.param(observed(serfs=1), id="a node less"),
        pytest.param(replace(observed(), thresholds={**THRESHOLDS, "cpu": (1.0, 2.0)}), id="thresholds"),
        pytest.param(replace(observed(), topology=replace(observed().topology, name="ring")), id="name"),
        pytest.param(replace(observed(), topology=replace(observed().topology, links=())), id="links"),
    ],
)
def test_what_a_delta_cannot_tell_is_told_by_the_whole(world: World, seen: Observed) -> None:
    before = world.feed.picture().version
    world.becomes(seen)
    (message,) = world.feed.since(before)
    assert message.kind == TOPOLOGY
    assert without_time(json.loads(message.data)) == json.loads(json.dumps(overview(seen)))
    world.becomes(replace(seen, inventory_error="gone"))
    assert kinds(world, message.id) == [DELTA]
    assert kinds(world, before) == [TOPOLOGY]


def test_the_order_of_nodes_counts() -> None:
    old = overview(observed())
    assert difference(old, {**old, "nodes": old["nodes"][::-1]}) is None


@pytest.mark.parametrize(
    "last", ["0-1", "nonsense", "-", "1", "{start}-99", "{start}--1", "{start}-1e3", "{start}-²", "{start}-" + "9" * 40]
)
def test_an_id_of_another_viewer_or_of_none_gets_the_whole(world: World, last: str) -> None:
    start = world.feed.picture().version.partition("-")[0]
    assert kinds(world, last.format(start=start)) == [TOPOLOGY]


def test_a_reader_that_was_away_for_too_long_gets_the_whole(world: World) -> None:
    before = world.feed.picture().version
    for number in range(2000):
        world.becomes(observed(cpu=float(number)))
    assert kinds(world, before) == [TOPOLOGY]
    late = world.feed.picture().version
    world.becomes(observed(cpu=1.5))
    assert kinds(world, late) == [DELTA]


def test_what_is_kept_for_readers_that_come_back_stays_small(world: World) -> None:
    for number in range(2000):
        world.becomes(observed(cpu=float(number)))
    kept = sum(len(message.data) for _, message in world.feed._ring)
    assert 0 < kept <= 64 * 1024


def test_a_topology_that_cannot_be_used_is_a_problem_until_it_is_mended(world: World) -> None:
    before = world.feed.picture().version
    error = InputError([Finding("t.yaml", "$.name", "is None")])
    world.becomes(error)
    (message,) = world.feed.since(before)
    assert (message.kind, message.error) == (PROBLEM, error)
    with pytest.raises(InputError):
        world.feed.picture()
    world.feed.look()
    assert world.feed.since(message.id) == []
    world.becomes(observed())
    assert kinds(world, message.id) == [TOPOLOGY]


def test_before_the_first_look_nothing_is_told() -> None:
    feed = Feed(observed)
    with pytest.raises(SerflabError, match="not read yet"):
        feed.picture()


def test_a_feed_that_stands_still_does_not_pass_for_fresh(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at = world.feed.looked_at
    later = time.monotonic() + feeding.STALLED_SECONDS + 1
    monkeypatch.setattr(feeding.time, "monotonic", lambda: later)
    with pytest.raises(StalledError) as caught:
        world.feed.picture()
    assert caught.value.since == world.feed.stalled_since == looked_at
    world.feed.look()
    assert world.feed.stalled_since is None
    assert world.body["name"] == "row"


def test_a_fault_in_one_look_is_logged_once_and_the_next_goes_on(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    looked_at = world.feed.looked_at
    for _ in range(3):
        world.becomes(RuntimeError("a fault"))
    assert [record.message for record in caplog.records] == ["the overview of the lab failed"]
    assert world.feed.looked_at == looked_at
    world.becomes(observed(cpu=70.0))
    assert world.body["nodes"][0]["load"]["cpu"] == 70.0


def test_waiting_ends_with_a_change_and_with_the_end(world: World) -> None:
    seen = world.feed.picture().version
    for act in (lambda: world.becomes(observed(cpu=1.0)), world.feed.close):
        waiting = threading.Thread(target=world.feed.wait, args=(seen, 60))
        waiting.start()
        act()
        waiting.join(timeout=30)
        assert not waiting.is_alive()
        seen = world.feed.picture().version
    assert world.feed.closed


def test_a_picture_is_compressed_once_and_says_the_same(world: World) -> None:
    picture = world.feed.picture()
    assert picture.compressed is picture.compressed
    assert gzip.decompress(picture.compressed) == picture.body


def test_a_namespace_that_comes_is_told() -> None:
    world = World()
    seen = observed()
    world.becomes(
        replace(seen, serfs=seen.serfs | {"serf1": replace(seen.serfs["serf1"], namespaces=("default", "ns1"))})
    )
    assert {node["name"]: node["namespaces"] for node in world.body["nodes"]} == {
        "serf1": ["default", "ns1"],
        "serf2": [],
    }
