"""Interfaces as containerlab tells of them: what a real one (0.79) said, recorded, and netem's part as it documents it.

The recordings are of two containers, serf1 and serf2, joined by their eth1, without netem, which that kernel lacked.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest

from serflab.errors import SerflabError
from serflab.lab.containerlab import find_containerlab
from serflab.lab.impairments import NETEM, Impairment, LinkSettings, Setting
from serflab.lab.inventory import Inventory, Serf
from serflab.lab.link_entry import link_entry
from serflab.lab.link_state import NOTHING, EventReader, InterfaceState, LabInterfaces, first_look, read_interfaces
from serflab.lab.link_watch import LinkWatch, netem_of
from serflab.lab.topology import Endpoint, Link, Node, Topology

RECORDED = Path(__file__).parent / "recorded"
LINK = Link(Endpoint("serf1", "eth1"), Endpoint("serf2", "eth1"))
READY = {"serf1": "ready", "serf2": "ready"}


def recorded(name):
    return (RECORDED / name).read_text(encoding="utf-8")


def reader(*names):
    made = EventReader("ctest")
    for name in names:
        for line in recorded(name).splitlines():
            made.take(line)
    return made


def update(interface="eth1", name="clab-ctest-serf1", action="update", **attributes):
    """Return an interface event with more attributes, as `containerlab events` has them (core/events/netlink.go)."""
    told = {"ifname": interface, "name": name, "lab": "ctest", "state": "up", "type": "veth", **attributes}
    return json.dumps({"type": "interface", "action": action, "attributes": told})


def test_a_snapshot_and_counters_tell_of_each_interface_with_its_bytes_and_rates():
    known = reader("events.jsonl").known()
    assert known.containers == {"serf1": "clab-ctest-serf1", "serf2": "clab-ctest-serf2"}
    assert set(known.interfaces) == {(node, name) for node in ("serf1", "serf2") for name in ("lo", "eth0", "eth1")}
    found = known.interfaces["serf1", "eth1"]
    assert (found.state, found.rx_bytes, found.tx_bytes, found.rx_rate) == ("up", 656, 656, 0.0)
    assert link_entry(LINK, READY, known)["state"] == "up"


def test_a_link_is_down_while_an_end_is_and_its_end_is_missing_while_its_container_restarts():
    made = reader("events.jsonl")
    lines = recorded("events_of_a_restart.jsonl").splitlines()
    states = []
    for line in lines:
        made.take(line)
        entry = link_entry(LINK, READY, made.known())
        states.append((entry["state"], *(end["state"] for end in entry["endpoints"])))
    assert states[1] == ("down", "down", "down")
    assert states[3] == ("up", "up", "up")
    assert states[-1][0] == "down"
    assert states[-1][2] == "missing"
    # The counters of before stay known while the state changes.
    assert made.known().interfaces["serf1", "eth1"].rx_bytes == 656


def test_an_event_is_news_only_once_and_what_is_none_is_passed_over():
    made = reader("events.jsonl")
    assert made.take(update(state="down"))
    assert not made.take(update(state="down"))
    before = made.known()
    for line in (
        "",
        "{}",
        "no json",
        '{"type": "interface", "action": "update", "attributes": {"lab": "ctest"}}',
        "[]",
        "7",
    ):
        assert not made.take(line)
    assert not made.take(update(name="clab-ctest-stranger"))
    assert not made.take(update().replace('"lab": "ctest"', '"lab": "another"'))
    assert made.known() == before


def test_a_container_that_ends_takes_its_interfaces_along():
    made = reader("events.jsonl")
    attributes = {"name": "clab-ctest-serf2", "clab-node-name": "serf2", "containerlab": "ctest"}
    assert made.take(json.dumps({"type": "container", "action": "die", "attributes": attributes}))
    assert {node for node, _ in made.known().interfaces} == {"serf1"}
    assert "serf2" in made.known().containers


def test_netem_of_both_ends_is_in_force_the_worse_of_the_two():
    made = reader("events.jsonl")
    made.take(update(netem_delay="20ms", netem_jitter="1.5ms", netem_loss="100.00%", netem_rate="100000kbit"))
    assert netem_of(LINK, made.known()) == Impairment(0.02, 0.0015, 100.0, 1e8)
    made.take(update(name="clab-ctest-serf2", netem_delay="1m30s", netem_rate="64kbit"))
    assert netem_of(LINK, made.known()) == Impairment(90.0, 0.0015, 100.0, 64e3)
    made.take(update())
    assert netem_of(LINK, made.known()) == Impairment(90.0, 0.0, 0.0, 64e3)
    made.take(update(action="delete"))
    assert netem_of(LINK, made.known()) is None


def test_inspect_interfaces_is_read_in_both_of_its_shapes():
    text = recorded("inspect_interfaces.json")
    nodes = {"clab-ctest-serf1": "serf1", "clab-ctest-serf2": "serf2"}
    found = read_interfaces(text, nodes)
    assert found["serf1", "eth1"] == InterfaceState("up")
    assert len(found) == 6
    assert read_interfaces(json.dumps({"ctest": json.loads(text)}), nodes) == found
    assert read_interfaces("", nodes) == read_interfaces("null", nodes) == {}
    assert read_interfaces(text, {}) == {}
    renamed = text.replace('"alias": ""', '"alias": "ethernet-1/1"', 1)
    assert ("serf1", "ethernet-1/1") in read_interfaces(renamed, nodes)
    for wrong in ("[1]", '{"a": 1}', "no json", '[{"name": "clab-ctest-serf1"}]'):
        with pytest.raises(ValueError, match=r"containerlab|Expecting"):
            read_interfaces(wrong, nodes)


def test_an_end_that_is_no_container_of_the_lab_is_not_said_to_be_missing():
    known = LabInterfaces({"serf1": "c1"}, {("serf1", "eth1"): InterfaceState("up")})
    entry = link_entry(
        Link(Endpoint("serf1", "eth1"), Endpoint("host", "eth9")), {"serf1": "ready", "host": "unmanaged"}, known
    )
    assert entry["state"] == "up"
    assert entry["endpoints"][1]["state"] is None
    assert not entry["emulated"]


def test_a_local_lab_has_links_without_interfaces():
    entry = link_entry(LINK, READY, None)
    assert entry["emulated"]
    assert [end["state"] for end in entry["endpoints"]] == [None, None]
    assert link_entry(LINK, {**READY, "serf2": "unreachable"}, None)["state"] == "down"
    assert link_entry(LINK, {**READY, "serf2": "absent"}, None)["state"] == "absent"


@pytest.fixture
def containers(tmp_path, monkeypatch):
    """Return a function that makes a watch of two containers, told of by a stand-in of containerlab.

    The stand-in plays a file as `containerlab events` would, and stays, as that does.
    """
    played = tmp_path / "played.jsonl"
    program = tmp_path / "bin" / "containerlab"
    program.parent.mkdir()
    program.write_text(
        f"""#!/bin/sh
case "$1" in
  version) echo '{{"version": "0.79.0"}}' ;;
  events) exec tail -n +1 -f {played} ;;
  *) exit 1 ;;
esac
""",
        encoding="utf-8",
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")

    def made(topology, *lines):
        played.write_text(recorded("events.jsonl") + "".join(f"{line}\n" for line in lines), encoding="utf-8")
        settings = LinkSettings(tmp_path)
        watch = LinkWatch(settings)
        inventory = Inventory("ctest", "containerlab", tmp_path / "t.yaml", (), "", "")
        watch.choose(inventory, topology)
        return watch, settings, played

    return made


async def until(holds):
    """Wait for what comes to hold within a minute."""
    for _ in range(6000):
        if holds():
            return
        await asyncio.sleep(0.01)
    pytest.fail("it never came to hold")


async def test_what_people_set_lasts_until_containerlab_has_looked_at_netem_again(containers, tmp_path):
    nodes = tuple(Node(name, "linux", "serf") for name in ("serf1", "serf2"))
    topology = Topology(tmp_path / "t.yaml", "ctest", nodes, (LINK,))
    watch, settings, played = containers(topology)
    following = asyncio.create_task(watch.follow())

    def tell(**attributes):
        with played.open("a", encoding="utf-8") as file:
            file.write(update(**attributes) + "\n")

    async def told(seen):
        tell(rx_bytes=str(seen), tx_bytes="1", rx_bps="1", tx_bps="1")
        await until(lambda: watch.known.interfaces["serf1", "eth1"].rx_bytes == seen)

    try:
        await until(lambda: watch.known.interfaces.get(("serf1", "eth1")) is not None)
        mine = Setting(Impairment(delay=0.02), NETEM)
        settings.put(LINK.id, mine)
        await told(1001)
        assert settings.load() == {LINK.id: mine}
        tell(netem_delay="20ms")
        await until(lambda: watch.known.interfaces["serf1", "eth1"].netem == mine.impairment)
        settings.clear(LINK.id)
        tell(netem_delay="20ms", rx_bytes="1002", tx_bytes="1", rx_bps="1", tx_bps="1")
        await until(lambda: watch.known.interfaces["serf1", "eth1"].rx_bytes == 1002)
        assert settings.load() == {}
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)


async def test_the_watch_keeps_what_netem_does_and_forgets_what_it_does_no_more(containers, tmp_path):
    nodes = tuple(Node(name, "linux", "serf") for name in ("serf1", "serf2"))
    topology = Topology(tmp_path / "t.yaml", "ctest", nodes, (LINK,))
    inventory = Inventory("ctest", "containerlab", tmp_path / "t.yaml", (), "", "")
    watch, settings, played = containers(topology, update(netem_delay="20ms"))
    following = asyncio.create_task(watch.follow())
    try:
        await until(lambda: settings.load() == {LINK.id: Setting(Impairment(delay=0.02), NETEM)})
        assert watch.known.interfaces["serf2", "eth1"].state == "up"
        as_set = Link(LINK.a, LINK.b, delay=0.02, source=NETEM)
        watch.choose(inventory, replace(topology, links=(as_set,)))
        with played.open("a", encoding="utf-8") as file:
            file.write(update() + "\n")
        await until(lambda: settings.load() == {})
        watch.choose(replace(inventory, runtime="local"), topology)
        await until(lambda: watch.known is None)
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)


NODES = {"clab-ctest-serf1": "serf1", "clab-ctest-serf2": "serf2", "clab-ctest-serf3": "serf3"}


@pytest.fixture
def inspected(tmp_path, monkeypatch):
    """A containerlab whose `events` refuse, and that tells by `inspect` of serf1 and serf2, which are there."""
    items = [{"name": name, "state": "running", "image": "i", "lab_name": "ctest"} for name in list(NODES)[:2]]
    (tmp_path / "nodes.json").write_text(json.dumps({"ctest": items}))
    (tmp_path / "interfaces.json").write_text(recorded("inspect_interfaces.json"))
    program = tmp_path / "bin" / "containerlab"
    program.parent.mkdir()
    program.write_text(
        f"""#!/bin/sh
case "$*" in
    version*) echo '{{"version": "0.79.0"}}' ;;
    "inspect --name ctest --format=json") cat {tmp_path}/nodes.json ;;
    "inspect interfaces --name ctest --format=json") cat {tmp_path}/interfaces.json ;;
    inspect*) echo "Lab 'x' not found - no running containers." >&2; exit 1 ;;
    *) exit 1 ;;
esac
"""
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    return tmp_path


def test_a_first_look_tells_of_the_containers_that_are_there_and_their_interfaces(inspected):
    known = first_look(find_containerlab(), "ctest", NODES)
    assert known.containers == {"serf1": "clab-ctest-serf1", "serf2": "clab-ctest-serf2"}
    assert known.interfaces["serf1", "eth1"] == InterfaceState("up")
    assert first_look(find_containerlab(), "another", NODES) == NOTHING
    (inspected / "interfaces.json").write_text("[1]")
    with pytest.raises(SerflabError, match="no interfaces as containerlab tells them"):
        first_look(find_containerlab(), "ctest", NODES)


@pytest.mark.usefixtures("inspected")
def test_links_are_known_by_a_first_look_while_events_do_not_run(tmp_path):
    settings = LinkSettings(tmp_path)
    settings.put(LINK.id, Setting(Impairment(0.02), NETEM))
    serfs = tuple(Serf(node, tmp_path, "", "", tmp_path, tmp_path, {}, container=name) for name, node in NODES.items())
    watch = LinkWatch(settings)
    watch.choose(Inventory("ctest", "containerlab", tmp_path, serfs, "", ""), Topology(tmp_path, "ctest", (), (LINK,)))

    async def seen():
        follower = asyncio.create_task(watch.follow())
        async with asyncio.timeout(20):
            while not watch.known.interfaces:  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0.02)
        follower.cancel()
        await asyncio.gather(follower, return_exceptions=True)

    asyncio.run(seen())
    assert link_entry(LINK, READY, watch.known)["state"] == "up"
    # It says nothing of netem, so that what is kept of that stays.
    assert LinkSettings(tmp_path).load()[LINK.id].impairment == Impairment(0.02)
