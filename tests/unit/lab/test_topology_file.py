"""Topology files: which nodes are serfs, what they inherit, how links are written, what is said of wrong ones."""

from __future__ import annotations

import json
import textwrap

import pytest
import yaml

from serflab.errors import InputError
from serflab.lab.topology import Endpoint, load_topology

# The keys of the schema of containerlab 0.79 (schemas/clab.schema.json there); the file as a whole is held against that
# schema wherever containerlab is (tests/containers).
MGMT_KEYS = frozenset(
    """
    network bridge ipv4-subnet ipv6-subnet ipv4-gw ipv6-gw ipv4-range ipv6-range mtu external-access
    skip-when-unused driver-opts
    """.split()  # noqa: SIM905 - reads better
)
NODE_KEYS = frozenset(
    """
    image image-pull-policy restart-policy kind license type group startup-config startup-delay
    enforce-startup-config suppress-startup-config auto-remove exec binds volumes ports env credentials env-files
    user hostname entrypoint cmd labels runtime mgmt-ipv4 mgmt-ipv6 network-mode link-apply-mode cpu memory
    cpu-set extras config stages dns certificate healthcheck components aliases shm-size cap-add privileged
    cgroupns-mode cgroup-parent pid-mode tmpfs security-opts sysctls devices
    """.split()  # noqa: SIM905 - reads better
)


@pytest.fixture
def load(tmp_path, monkeypatch):
    """Load a topology from its text; findings name the file `t.yaml`."""
    monkeypatch.chdir(tmp_path)
    file = (tmp_path / "t.yaml").relative_to(tmp_path)

    def load(text):
        file.write_text(textwrap.dedent(text), encoding="utf-8")
        return load_topology(file)

    return load


def test_a_node_is_a_serf_by_its_label_and_else_by_its_name(load):
    topology = load("""
        name: lab
        topology:
          nodes:
            serf1: {}
            berlin: {labels: {serflab.role: serf}}
            serf2: {labels: {serflab.role: router}}
            serf-3: {}
            myserf4: {}
            bridge: {kind: bridge}
    """)
    assert [node.name for node in topology.serfs] == ["serf1", "berlin"]
    roles = {node.name: node.role for node in topology.nodes if not node.is_serf}
    assert roles == {"serf2": "router", "serf-3": "linux", "myserf4": "linux", "bridge": "bridge"}
    assert topology.node("bridge").kind == "bridge"
    assert topology.node("nobody") is None


def test_a_node_inherits_from_defaults_its_kind_and_its_group_and_what_is_nearer_is_right(load):
    topology = load("""
        name: lab
        topology:
          defaults: {kind: linux, image: of-defaults, labels: {a: defaults, b: defaults, c: defaults, d: defaults}}
          kinds:
            linux: {labels: {b: kind, c: kind, d: kind}, env: {WHERE: kind, EMPTY: kind}}
          groups:
            west: {image: of-group, labels: {c: group, d: group, serflab.role: serf}, env: {WHERE: group}}
          nodes:
            one: {group: west, labels: {d: node}, env: {POINTS: 12, LOOP: true, EMPTY: null}}
            two:
    """)
    one, two = topology.nodes
    assert one.labels == {"a": "defaults", "b": "kind", "c": "group", "d": "node", "serflab.role": "serf"}
    assert one.env == {"WHERE": "group", "POINTS": "12", "LOOP": "True", "EMPTY": ""}
    assert (one.image, one.group, one.is_serf) == ("of-group", "west", True)
    assert two.labels == {"a": "defaults", "b": "kind", "c": "kind", "d": "kind"}
    assert (two.image, two.group, two.is_serf) == ("of-defaults", "", False)


def test_a_group_may_give_its_nodes_their_kind(load):
    topology = load("""
        name: lab
        topology:
          kinds: {bridge: {labels: {wire: "yes"}}}
          groups: {switches: {kind: bridge}}
          nodes: {s1: {group: switches}}
    """)
    assert (topology.nodes[0].kind, topology.nodes[0].labels) == ("bridge", {"wire": "yes"})


def test_links_are_read_in_both_forms_and_may_end_outside_of_the_lab(load):
    topology = load("""
        name: lab
        topology:
          nodes: {serf1: {}, serf2: {}}
          links:
            - endpoints: ["serf1:eth1", "serf2:eth1"]
              labels: {cost: 10}
            - type: veth
              endpoints:
                - {node: serf1, interface: eth2, mac: "02:00:00:00:00:01"}
                - {node: serf2, interface: eth2}
            - endpoints: ["serf1:eth3", "host:veth-out"]
            - endpoints: ["serf2:eth3", "host:veth-out"]
            - endpoints: ["serf1:eth4", "mgmt-net:m1"]
            - {type: host, endpoint: {node: serf1, interface: eth5}, host-interface: tap0}
            - {type: [unheard, of]}
    """)
    assert [(link.a, link.b) for link in topology.links] == [
        (Endpoint("serf1", "eth1"), Endpoint("serf2", "eth1")),
        (Endpoint("serf1", "eth2"), Endpoint("serf2", "eth2")),
        (Endpoint("serf1", "eth3"), Endpoint("host", "veth-out")),
        (Endpoint("serf2", "eth3"), Endpoint("host", "veth-out")),
        (Endpoint("serf1", "eth4"), Endpoint("mgmt-net", "m1")),
    ]
    assert topology.links[0].labels == {"cost": "10"}


def test_what_only_containerlab_understands_is_left_alone(load):
    topology = load("""
        name: lab
        prefix: ""
        mgmt: {network: custom}
        topology:
          nodes: {serf1: {binds: [a:b], exec: [ls], cpu: 2, startup-delay: 3}}
    """)
    assert [node.name for node in topology.serfs] == ["serf1"]
    assert topology.links == ()


HEAD = "name: lab\ntopology:\n  nodes: {serf1: {}, serf2: {}}\n"

FINDINGS = {
    "an empty file": (
        "",
        """\
        4 problems found, nothing was changed:
        t.yaml: $: is missing; expected a mapping
        t.yaml: $.topology: is missing; expected a mapping
        t.yaml: $.name: is None; expected the lab's name
          hint: add a line such as `name: emulation`
        t.yaml: $.topology.nodes: is missing; expected a mapping""",
    ),
    "YAML that breaks off": (
        "name: lab\ntopology:\n  nodes: {serf1: [}\n",
        "t.yaml: is not YAML: line 3, column 19: expected the node content, but found '}'",
    ),
    "a tab for indentation": (
        "name: lab\ntopology:\n\tnodes: {}\n",
        "t.yaml: is not YAML: line 3, column 1: found character '\\t' that cannot start any token",
    ),
    "a lab without a name": (
        "topology:\n  nodes: {serf1: {}}\n",
        """\
        t.yaml: $.name: is None; expected the lab's name
          hint: add a line such as `name: emulation`""",
    ),
    "a name that no file system takes": (
        HEAD.replace("name: lab", "name: my/lab"),
        """\
        t.yaml: $.name: is 'my/lab'; expected the lab's name
          hint: add a line such as `name: emulation`""",
    ),
    "nodes in a list": (
        "name: lab\ntopology:\n  nodes: [serf1, serf2]\n",
        "t.yaml: $.topology.nodes: is a list; expected a mapping",
    ),
    "a node that is a text": (
        "name: lab\ntopology:\n  nodes: {serf1: linux}\n",
        "t.yaml: $.topology.nodes.serf1: is a text; expected a mapping",
    ),
    "a node name with a slash": (
        "name: lab\ntopology:\n  nodes: {serf1/a: {}}\n",
        "t.yaml: $.topology.nodes.serf1/a: is named 'serf1/a'; expected letters, digits, '-', '_' and '.'",
    ),
    "labels in a list": (
        "name: lab\ntopology:\n  nodes: {serf1: {labels: [a]}}\n",
        "t.yaml: $.topology.nodes.serf1.labels: is a list; expected a mapping",
    ),
    "an environment variable that is a mapping": (
        "name: lab\ntopology:\n  nodes: {serf1: {env: {SERFLAB_PHASE: {points: 3}}}}\n",
        "t.yaml: $.topology.nodes.serf1.env.SERFLAB_PHASE: is a mapping; expected a text or a number",
    ),
    "something wrong that all nodes inherit, said once": (
        "name: lab\ntopology:\n  defaults: {env: 3}\n  kinds: {linux: true}\n  nodes: {serf1: {}, serf2: {}}\n",
        """\
        2 problems found, nothing was changed:
        t.yaml: $.topology.kinds.linux: is true or false; expected a mapping
        t.yaml: $.topology.defaults.env: is a number; expected a mapping""",
    ),
    "a link to a node that is misspelt": (
        HEAD + "  links:\n    - endpoints: [serf1:eth1, srf2:eth1]\n",
        """\
        t.yaml: $.topology.links[0].endpoints[1]: names node 'srf2', which the file does not declare
          hint: did you mean serf2?""",
    ),
    "a link to a node that resembles none": (
        HEAD + "  links:\n    - endpoints: [router:eth1, serf2:eth1]\n",
        """\
        t.yaml: $.topology.links[0].endpoints[0]: names node 'router', which the file does not declare
          hint: declare it below $.topology.nodes""",
    ),
    "an interface that is used twice": (
        HEAD + "  links:\n    - endpoints: [serf1:eth1, serf2:eth1]\n    - endpoints: [serf2:eth2, serf1:eth1]\n",
        (
            "t.yaml: $.topology.links[1].endpoints[1]: interface serf1:eth1 is already used by "
            "$.topology.links[0].endpoints[0]"
        ),
    ),
    "a link from an interface to itself": (
        HEAD + "  links:\n    - endpoints: [serf1:eth1, serf1:eth1]\n",
        (
            "t.yaml: $.topology.links[0].endpoints[1]: interface serf1:eth1 is already used by "
            "$.topology.links[0].endpoints[0]"
        ),
    ),
    "an endpoint without an interface": (
        HEAD + "  links:\n    - endpoints: [serf1, {node: serf2}]\n",
        """\
        2 problems found, nothing was changed:
        t.yaml: $.topology.links[0].endpoints[0]: is 'serf1'; expected NODE:INTERFACE
        t.yaml: $.topology.links[0].endpoints[1]: is {'node': 'serf2'}; expected NODE:INTERFACE""",
    ),
    "a link with one endpoint": (
        HEAD + "  links:\n    - endpoints: [serf1:eth1]\n",
        "t.yaml: $.topology.links[0].endpoints: expected two endpoints such as [serf1:eth1, serf2:eth1]",
    ),
    "links in a mapping": (
        HEAD + "  links: {serf1: serf2}\n",
        "t.yaml: $.topology.links: is a mapping; expected a list",
    ),
    "several things at once, in the order of the file": (
        """\
name: 7
topology:
  nodes:
    serf1: {env: 3}
    serf2: []
  links:
    - endpoints: [serf1:eth1, serf3:eth1]
    - serf1 -- serf2
""",
        """\
        5 problems found, nothing was changed:
        t.yaml: $.name: is 7; expected the lab's name
          hint: add a line such as `name: emulation`
        t.yaml: $.topology.nodes.serf1.env: is a number; expected a mapping
        t.yaml: $.topology.nodes.serf2: is a list; expected a mapping
        t.yaml: $.topology.links[0].endpoints[1]: names node 'serf3', which the file does not declare
          hint: did you mean serf2?
        t.yaml: $.topology.links[1]: is a text; expected a mapping""",
    ),
}


@pytest.mark.parametrize("case", FINDINGS)
def test_every_finding_says_where_and_what_was_expected(load, case):
    text, expected = FINDINGS[case]
    with pytest.raises(InputError) as caught:
        load(text)
    assert str(caught.value) == textwrap.dedent(expected)
    assert caught.value.exit_status == 2


def test_a_file_that_is_not_there_or_is_no_file(tmp_path):
    for path, reason in ((tmp_path / "none.yaml", "No such file or directory"), (tmp_path, "Is a directory")):
        with pytest.raises(InputError) as caught:
            load_topology(path)
        hint = "give the path of a containerlab topology file with --topology"
        assert str(caught.value) == f"{path}: cannot be read ({reason})\n  hint: {hint}"


def test_a_file_that_is_no_text(tmp_path):
    file = tmp_path / "t.yaml"
    file.write_bytes(b"name: \xff\xfe")
    with pytest.raises(InputError, match="is not YAML: 'utf-8' codec can't decode"):
        load_topology(file)


def test_variables_are_expanded_before_the_file_is_read(load, monkeypatch):
    monkeypatch.setenv("WHICH", "mine")
    monkeypatch.delenv("OTHER", raising=False)
    topology = load("""
        name: lab
        topology:
          nodes:
            serf1: {image: "${WHICH:=default}/serf:${OTHER:=1}", ports: ["127.0.0.1:${OTHER:=9091}:9091"]}
    """)
    assert (topology.node("serf1").image, topology.node("serf1").ports) == ("mine/serf:1", ("127.0.0.1:9091:9091",))


def test_binds_come_from_all_levels_and_ports_and_address_from_the_node(load):
    topology = load("""
        name: lab
        topology:
          defaults: {binds: [a:/a]}
          groups: {west: {binds: [b:/b:ro], ports: [1:1], mgmt-ipv4: 10.0.0.1}}
          nodes:
            serf1: {group: west, binds: [c:/c], ports: [16441:6443, 19091:9090], mgmt-ipv4: 10.0.0.2}
            serf2:
    """)
    one, two = topology.nodes
    assert (one.binds, one.ports, one.mgmt_ipv4) == (
        ("a:/a", "b:/b:ro", "c:/c"),
        ("16441:6443", "19091:9090"),
        "10.0.0.2",
    )
    assert (two.binds, two.ports, two.mgmt_ipv4) == (("a:/a",), (), "")


class TestShippedTopology:
    """`topology.yaml` of the checkout."""

    @pytest.fixture
    def shipped(self, checkout):
        return load_topology(checkout / "topology.yaml")

    def test_it_has_eleven_serfs_and_the_central_prometheus(self, shipped):
        assert shipped.name == "emulation"
        assert [serf.name for serf in shipped.serfs] == [f"serf{number}" for number in range(1, 12)]
        assert [(node.name, node.role) for node in shipped.nodes if not node.is_serf] == [("prometheus", "prometheus")]

    def test_its_links_are_a_ring_and_two_chords_between_named_interfaces(self, shipped):
        assert all(end.interface.startswith("eth") for link in shipped.links for end in (link.a, link.b))
        pairs = [(link.a.node, link.b.node) for link in shipped.links]
        ring = [(f"serf{number}", f"serf{number % 11 + 1}") for number in range(1, 12)]
        assert pairs == [*ring, ("serf1", "serf6"), ("serf3", "serf9")]

    def test_its_serfs_play_the_same_trace_from_points_that_are_an_eleventh_of_it_apart(self, shipped):
        assert {serf.env["SERFLAB_CONFIG"] for serf in shipped.serfs} == {"annotations/emulation_config.json"}
        phases = sorted(int(serf.env["SERFLAB_PHASE"]) for serf in shipped.serfs)
        assert phases == list(range(0, 132, 12))

    def test_its_serfs_are_published_on_loopback_and_have_addresses_and_names_of_their_own(self, shipped):
        for number, serf in enumerate(shipped.serfs, start=1):
            assert serf.ports == (f"127.0.0.1:{16440 + number}:6443", f"127.0.0.1:{19090 + number}:9090")
            assert serf.mgmt_ipv4 == f"172.30.30.{10 + number}"
            assert serf.binds == ("annotations:/opt/annotations:ro", "topology.yaml:/opt/topology.yaml:ro")

    def test_prometheus_is_told_every_serf(self, shipped, checkout):
        targets = json.loads((checkout / "prometheus-targets.json").read_text())
        expected = [{"targets": [f"{serf.name}:9090"], "labels": {"serf": serf.name}} for serf in shipped.serfs]
        assert targets == expected

    def test_it_uses_only_what_the_schema_of_containerlab_knows(self, checkout):
        data = yaml.safe_load((checkout / "topology.yaml").read_text())
        levels = [
            data["topology"]["defaults"],
            *data["topology"]["groups"].values(),
            *data["topology"]["nodes"].values(),
        ]
        assert set(data) <= {"name", "prefix", "mgmt", "topology", "settings", "debug"}
        assert set(data["mgmt"]) <= MGMT_KEYS
        assert set().union(*levels) <= NODE_KEYS
        assert all(set(link) <= {"endpoints", "mtu", "vars", "labels"} for link in data["topology"]["links"])
