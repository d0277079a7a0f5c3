"""The route between two nodes of a topology, how long data needs over it, and the labels that say so."""

from __future__ import annotations

from itertools import pairwise, permutations
from math import inf
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serflab.errors import InputError
from serflab.lab.link_values import parse_delay, parse_rate
from serflab.lab.routes import Route, route
from serflab.lab.topology import Endpoint, Link, Node, Topology, load_topology

NAMES = ("a", "b", "c", "d", "e")


def topology(*links, names=NAMES):
    """Return a topology of these links, each (node, node[, rate[, delay]])."""
    made = [
        Link(Endpoint(a, f"eth{number}"), Endpoint(b, f"eth{number}"), {}, *values)
        for number, (a, b, *values) in enumerate(links)
    ]
    return Topology(Path("t.yaml"), "lab", tuple(Node(name, "linux", "serf") for name in names), tuple(made))


def test_a_transfer_takes_its_bits_by_the_rate_and_the_delay():
    assert Route(("a", "b"), rate=100e6, delay=0.01).seconds(12_500_000) == pytest.approx(1.01)
    assert Route(("a", "b"), rate=None, delay=0.01).seconds(12_500_000) == 0.01
    assert Route(("a", "b"), rate=8.0, delay=0.0).seconds(3) == 3.0


def test_where_the_links_say_nothing_it_takes_no_time():
    found = route(topology(("a", "b"), ("b", "c")), "a", "c")
    assert found == Route(("a", "b", "c"), None, 0.0)
    assert found.seconds(1e12) == 0.0


def test_the_slowest_link_is_the_rate_and_the_delays_add_up():
    links = topology(("a", "b", 100.0, 0.5), ("b", "c", None, 0.25), ("c", "d", 10.0, 0.0))
    assert route(links, "a", "d") == Route(("a", "b", "c", "d"), 10.0, 0.75)
    assert route(links, "d", "a") == Route(("d", "c", "b", "a"), 10.0, 0.75)


def test_few_links_come_before_a_short_delay_and_that_before_a_high_rate():
    direct_but_slow = topology(("a", "c", 1.0, 9.0), ("a", "b", 100.0), ("b", "c", 100.0))
    assert route(direct_but_slow, "a", "c").nodes == ("a", "c")
    two_ways = topology(("a", "b", 1.0, 1.0), ("b", "d", 1.0, 1.0), ("a", "c", 100.0, 1.0), ("c", "d", 100.0, 2.0))
    assert route(two_ways, "a", "d") == Route(("a", "b", "d"), 1.0, 2.0)
    as_far = topology(("a", "b", 1.0, 1.0), ("b", "d", 1.0, 1.0), ("a", "c", None, 1.0), ("c", "d", 100.0, 1.0))
    assert route(as_far, "a", "d") == Route(("a", "c", "d"), 100.0, 2.0)


def test_of_parallel_links_the_better_one_is_taken():
    assert route(topology(("a", "b", 10.0, 1.0), ("b", "a", 99.0, 1.0)), "a", "b").rate == 99.0


def test_it_leads_over_nodes_of_the_topology_only():
    over_the_host = topology(("a", "host"), ("host", "b"))
    assert route(over_the_host, "a", "b") is None
    assert route(over_the_host, "a", "host") is None
    assert route(topology(("a", "b")), "a", "c") is None
    assert route(topology(("a", "b")), "nobody", "a") is None


def test_from_a_node_to_itself_there_is_nothing_to_pass():
    assert route(topology(("a", "b", 1.0, 1.0)), "a", "a") == Route(("a",), None, 0.0)


RATES = st.one_of(st.none(), st.integers(1, 4).map(float))
LINKS = st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES), RATES, st.integers(0, 3).map(float)))


@given(LINKS, st.sampled_from(NAMES), st.sampled_from(NAMES))
def test_no_other_path_is_better(links, source, target):
    found = route(topology(*links), source, target)
    paths = [cost for cost in all_costs(links, source, target) if cost is not None]
    if found is None:
        assert not paths
        return
    assert (found.nodes[0], found.nodes[-1]) == (source, target)
    rate = inf if found.rate is None else found.rate
    assert (len(found.nodes) - 1, found.delay, -rate) == min(paths)


def all_costs(links, source, target):
    """Return (links, delay, minus rate) of every path without a circle, over the best links of each of its steps."""
    if source == target:
        yield 0, 0.0, -inf
        return
    between = [name for name in NAMES if name not in (source, target)]
    for length in range(len(between) + 1):
        for middle in permutations(between, length):
            steps = [steps_of(links, *step) for step in pairwise((source, *middle, target))]
            if all(steps):
                best = [min(step) for step in steps]
                yield len(best), sum(delay for delay, _ in best), max(rate for _, rate in best)


def steps_of(links, one, other):
    return [(delay, -(rate or inf)) for a, b, rate, delay in links if {a, b} == {one, other}]


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("8bit", 8),
        ("100mbit", 100e6),
        ("1.5Gbit", 1.5e9),
        (" 64 kbit ", 64e3),
        ("1tbit", 1e12),
        ("1kibit", 1024),
        ("10bps", 80),
        ("1mbps", 8e6),
        ("2e3kbit", 2e6),
    ],
)
def test_rates_are_those_of_tc(text, rate):
    assert parse_rate(text) == rate


@pytest.mark.parametrize(
    ("text", "seconds"), [("10ms", 0.01), ("250us", 0.00025), ("1.5s", 1.5), ("2secs", 2), ("5msec", 0.005), ("0", 0)]
)
def test_delays_are_those_of_netem(text, seconds):
    assert parse_delay(text) == pytest.approx(seconds, rel=1e-12)


@pytest.mark.parametrize("text", ["", "fast", "100", "100mb", "-1mbit", "0mbit", "1e999gbit", "10%", "10ms", "1 0bit"])
def test_what_is_no_rate_is_refused(text):
    with pytest.raises(ValueError, match="expected a rate above 0"):
        parse_rate(text)


@pytest.mark.parametrize("text", ["", "slow", "10", "-1ms", "1h", "1e999s", "10mbit"])
def test_what_is_no_delay_is_refused(text):
    with pytest.raises(ValueError, match="expected a time with its unit"):
        parse_delay(text)


def test_links_of_a_topology_file_say_it_by_labels(tmp_path):
    file = tmp_path / "t.yaml"
    file.write_text(
        "name: lab\ntopology:\n  nodes: {serf1: {}, serf2: {}, serf3: {}}\n  links:\n"
        "    - {endpoints: [serf1:eth1, serf2:eth1], labels: {serflab.rate: 100mbit, serflab.delay: 10ms}}\n"
        "    - {endpoints: [serf2:eth2, serf3:eth1]}\n"
    )
    assert route(load_topology(file), "serf1", "serf3") == Route(("serf1", "serf2", "serf3"), 100e6, 0.01)


def test_wrong_labels_are_findings_with_their_place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("t.yaml").write_text(
        "name: lab\ntopology:\n  nodes: {serf1: {}, serf2: {}}\n  links:\n"
        "    - {endpoints: [serf1:eth1, serf2:eth1], labels: {serflab.rate: 100, serflab.delay: soon}}\n"
    )
    with pytest.raises(InputError) as caught:
        load_topology(Path("t.yaml"))
    rate, delay = map(str, caught.value.findings)
    assert rate.splitlines()[0] == (
        "t.yaml: $.topology.links[0].labels.serflab.rate: "
        "is '100'; expected a rate above 0 with its unit, such as 100mbit"
    )
    assert delay.splitlines()[0] == (
        "t.yaml: $.topology.links[0].labels.serflab.delay: is 'soon'; expected a time with its unit, such as 10ms"
    )
    assert "hint: rates are in bit, kbit" in rate
