"""Addresses of links: labels that are wrong, the routes that follow, and which commands bring a node up to them."""

from __future__ import annotations

import textwrap
from ipaddress import IPv4Interface, IPv4Network, ip_address
from itertools import combinations, permutations
from pathlib import Path

import pytest

from serflab.errors import InputError
from serflab.lab.addresses import addresses, parse_address, routes
from serflab.lab.link_addresses import Interfaces, Wanted, changes, environment_key, missing, read_wanted
from serflab.lab.topology import load_topology

CHECKOUT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def committed():
    return load_topology(CHECKOUT / "topology.yaml")


@pytest.fixture
def findings(tmp_path):
    """Return what is found wrong with labels of three nodes in a row, as (path, problem)."""

    def findings(one="", two="", three=""):
        file = tmp_path / "t.yaml"
        nodes = "\n".join(
            f"    {name}: {{labels: {{{labels}}}}}" for name, labels in (("one", one), ("two", two), ("three", three))
        )
        links = "links: [{endpoints: [one:eth1, two:eth1]}, {endpoints: [two:eth2, three:eth1]}]"
        file.write_text(f"name: lab\ntopology:\n  nodes:\n{nodes}\n  {links}\n", encoding="utf-8")
        try:
            load_topology(file)
        except InputError as error:
            return [(item.path.removeprefix("$.topology.nodes."), item.problem) for item in error.findings]
        return []

    return findings


def test_both_ends_of_each_committed_link_share_a_subnet_that_no_other_link_has(committed):
    known = {
        node.name: {name: parse_address(text) for name, text in addresses(node.labels).items()}
        for node in committed.nodes
    }
    networks = []
    for link in committed.links:
        one, other = known[link.a.node][link.a.interface], known[link.b.node][link.b.interface]
        assert one.network == other.network
        assert one.ip != other.ip
        networks.append(one.network)
    networks += [known[serf.name]["lo"].network for serf in committed.serfs]
    assert len(committed.links) == 13
    assert not [pair for pair in combinations(networks, 2) if pair[0].overlaps(pair[1])]
    assert all(network.subnet_of(IPv4Network("10.20.0.0/16")) for network in networks)


def test_every_serf_of_the_committed_topology_reaches_every_other_hop_by_hop(committed):
    known = {
        node.name: {name: parse_address(text) for name, text in addresses(node.labels).items()}
        for node in committed.serfs
    }
    owner = {address.ip: name for name, items in known.items() for address in items.values()}
    tables = {name: dict(routes(committed, name)) for name in known}
    for source, target in permutations(known, 2):
        destination = known[target]["lo"].network
        here, hops = source, 0
        while here != target:
            here = owner[tables[here][destination].ip]
            hops += 1
            assert hops <= 4, f"{source} does not reach {target}"


def test_addresses_that_fit_have_no_findings(findings):
    assert not findings(
        "serflab.address.eth1: 10.1.0.0/31, serflab.address.lo: 10.9.0.1/32", "serflab.address.eth1: 10.1.0.1/31"
    )
    assert not findings("serflab.address.eth1: 10.1.0.1/30")
    assert not findings()


@pytest.mark.parametrize(
    "text", ["10.1.0.1", "10.1.0.300/30", "fd00::1/64", "10.1.0.0/30", "10.1.0.3/30", "eth1", "''"]
)
def test_what_is_no_address_of_an_interface_is_a_finding(findings, text):
    [(path, problem)] = findings(f"serflab.address.eth1: {text}")
    assert path == "one.labels.serflab.address.eth1"
    assert "expected an IPv4 address with its prefix" in problem


def test_an_interface_without_a_link_and_the_management_interface_are_findings(findings):
    found = findings("serflab.address.eth7: 10.1.0.1/30, serflab.address.eth0: 10.2.0.1/30")
    assert [path for path, _ in found] == ["one.labels.serflab.address.eth7", "one.labels.serflab.address.eth0"]
    assert "no link of the file has" in found[0][1]
    assert "management" in found[1][1]


def test_ends_of_different_subnets_and_ends_of_the_same_address_are_findings(findings):
    [(path, problem)] = findings("serflab.address.eth1: 10.1.0.1/30", "serflab.address.eth1: 10.1.0.5/30")
    assert path == "two.labels.serflab.address.eth1"
    assert "10.1.0.4/30" in problem
    assert "10.1.0.0/30" in problem
    [(_, problem)] = findings("serflab.address.eth1: 10.1.0.1/30", "serflab.address.eth1: 10.1.0.1/30")
    assert problem == "is 10.1.0.1, as is the other end, one:eth1"


def test_a_subnet_of_two_links_and_one_within_another_are_findings(findings):
    pair = "serflab.address.eth1: 10.1.0.1/30", "serflab.address.eth1: 10.1.0.2/30"
    [(path, problem)] = findings(pair[0], f"{pair[1]}, serflab.address.eth2: 10.1.0.1/30")
    assert path == "two.labels.serflab.address.eth2"
    assert "another link" in problem
    [(path, problem)] = findings(*pair, "serflab.address.eth1: 10.1.0.0/31")
    assert path == "three.labels.serflab.address.eth1"
    assert "a part of 10.1.0.0/30" in problem
    [(path, problem)] = findings("serflab.address.lo: 10.9.0.1/32", "serflab.address.lo: 10.9.0.1/32")
    assert path == "two.labels.serflab.address.lo"


def test_labels_reach_a_node_under_the_names_that_containerlab_gives_them():
    # As `containerlab deploy` (0.79) did it.
    assert environment_key("serflab.address.eth1") == "CLAB_LABEL_SERFLAB_ADDRESS_ETH1"
    assert environment_key("clab-node-name") == "CLAB_LABEL_CLAB_NODE_NAME"
    assert environment_key("serflab.address.Ethernet-1/3.0 µ") == "CLAB_LABEL_SERFLAB_ADDRESS_ETHERNET_1_3_0"


def test_a_node_reads_its_addresses_and_routes_and_leaves_out_what_it_cannot_use(tmp_path, caplog):
    file = tmp_path / "topology.yaml"
    file.write_text(
        textwrap.dedent("""
            name: lab
            topology:
              nodes:
                one: {labels: {serflab.address.eth1: 10.1.0.1/30}}
                two: {labels: {serflab.address.eth1: 10.1.0.2/30, serflab.address.lo: 10.9.0.2/32}}
              links: [{endpoints: [one:eth1, two:eth1]}]
        """),
        encoding="utf-8",
    )
    wanted = read_wanted(
        {
            "CLAB_LABEL_CLAB_NODE_NAME": "one",
            "CLAB_INTFS": "1",
            "SERFLAB_TOPOLOGY": str(file),
            "CLAB_LABEL_SERFLAB_ADDRESS_ETH1": "10.1.0.1/30",
            "CLAB_LABEL_SERFLAB_ADDRESS_ETH2": "nonsense",
            "CLAB_LABEL_SERFLAB_ADDRESS_ETH0": "10.1.0.1/30",
        }
    )
    assert wanted.address("eth1") == IPv4Interface("10.1.0.1/30")
    assert wanted.address("eth2") is wanted.address("eth0") is None
    assert wanted.routes == [(IPv4Network("10.9.0.2/32"), IPv4Interface("10.1.0.2/30"))]
    assert wanted.interfaces == 1
    assert "CLAB_LABEL_SERFLAB_ADDRESS_ETH2 is 'nonsense'" in caplog.text
    assert "eth0 is the container engine's" in caplog.text


def test_only_what_is_missing_is_changed_and_a_route_waits_for_its_neighbour():
    wanted = Wanted(
        {
            environment_key(f"serflab.address.{name}"): IPv4Interface(text)
            for name, text in (("eth1", "10.1.0.1/30"), ("eth2", "10.2.0.1/30"))
        },
        [
            (IPv4Network("10.9.0.2/32"), IPv4Interface("10.1.0.2/30")),
            (IPv4Network("10.3.0.0/30"), IPv4Interface("10.2.0.2/30")),
        ],
    )
    first = Interfaces({"lo"}, {"lo": {"127.0.0.1/8"}, "eth1": set(), "tunl0": set()})
    assert changes(wanted, first, set()) == [
        "address replace 10.1.0.1/30 dev eth1",
        "link set eth1 up",
        "route replace 10.9.0.2 via 10.1.0.2 dev eth1 proto 205",
    ]
    assert missing(wanted, first) == ["ETH2"]
    both = Interfaces({"eth1", "eth2"}, {"eth1": {"10.1.0.1/30"}, "eth2": {"10.2.0.1/30"}})
    assert changes(wanted, both, {("10.9.0.2", "10.1.0.2"), ("10.4.0.0/30", "10.1.0.2")}) == [
        "route delete 10.4.0.0/30 via 10.1.0.2 proto 205",
        "route replace 10.3.0.0/30 via 10.2.0.2 dev eth2 proto 205",
    ]
    assert not missing(wanted, both)
    assert not changes(wanted, both, {("10.9.0.2", "10.1.0.2"), ("10.3.0.0/30", "10.2.0.2")})


def test_a_parsed_address_knows_its_subnet():
    assert parse_address(" 10.1.0.2/31 ").network == IPv4Network("10.1.0.2/31")
    assert ip_address("10.1.0.3") in parse_address("10.1.0.2/31").network
