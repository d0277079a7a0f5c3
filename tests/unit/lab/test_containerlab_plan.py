"""What is checked before containerlab is asked to deploy, and the file that a part of a lab is deployed from."""

from __future__ import annotations

import json
from pathlib import Path, PurePosixPath

import pytest
import yaml

from serflab.errors import InputError
from serflab.lab.containerlab_files import Deployment, load_deployment
from serflab.lab.containerlab_plan import binds, plan_containers, published_ports
from serflab.lab.containerlab_runtime import prometheus_url
from serflab.lab.plan import LabSettings
from serflab.lab.topology import Node, Topology, load_topology

CONFIG = {
    "node_config": {"mode": "single", "single_node": {"name": "node-1", "cpu": "16", "memory": "60Gi"}},
    "namespaces": ["shop"],
    "pods": [{"namespace": "shop", "pod_name": "web", "time_series": [{"cpu": 1, "memory": 1, "power": 0, "psi": 0}]}],
}
LAB = """
name: lab
topology:
  defaults: {kind: linux, image: "${IMAGE:=serf}", env: {SERFLAB_INTERVAL: "${SERFLAB_INTERVAL:=5}"}}
  nodes:
    serf1: {binds: [annotations:/opt/annotations:ro], ports: ["127.0.0.1:16441:6443"]}
    serf2: {ports: ["127.0.0.1:16442:6443"]}
    serf3: {}
    router: {binds: [router.conf:/etc/router.conf, "__clabNodeDir__/state:/state"]}
    prometheus: {labels: {serflab.role: prometheus}, ports: ["127.0.0.1:9091:9091"]}
  links:
    - endpoints: [serf1:eth1, serf2:eth1]
    - endpoints: [serf2:eth2, serf3:eth1]
    - endpoints: [serf1:eth2, router:eth1]
    - endpoints: [serf1:eth3, host:serf1]
"""


@pytest.fixture
def write(tmp_path):
    """Write a topology beside a good config; return the settings for it."""
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations" / "emulation_config.json").write_text(json.dumps(CONFIG))
    (tmp_path / "router.conf").touch()

    def write(text=LAB):
        (tmp_path / "t.yaml").write_text(text)
        return LabSettings(tmp_path, tmp_path / ".serflab", tmp_path / "t.yaml", 21000, interval=2)

    return write


def found_in(settings, *wanted):
    with pytest.raises(InputError) as caught:
        plan_containers(settings, wanted)
    return [(finding.path, finding.problem) for finding in caught.value.findings]


def test_a_plan_has_the_serfs_that_are_wanted_and_every_other_node(write):
    plan = plan_containers(write(), ["serf2", "serf1"])
    assert [node.name for node in plan.serfs] == ["serf1", "serf2"]
    assert [node.name for node in plan.nodes] == ["serf1", "serf2", "router", "prometheus"]
    assert plan.workloads["serf1"].interval == 2
    assert not plan.is_whole
    assert plan_containers(write(), ["serf1", "serf2", "serf3"]).is_whole


def test_prometheus_is_the_node_as_it_is_published_and_else_one_of_this_machine(write):
    assert prometheus_url(plan_containers(write(), ["serf1"])) == "http://127.0.0.1:9091"
    inside = LAB.replace('ports: ["127.0.0.1:9091:9091"]', "mgmt-ipv4: 172.30.30.9")
    assert prometheus_url(plan_containers(write(inside), ["serf1"])) == "http://172.30.30.9:9091"
    without = LAB.replace("    prometheus: {labels", "    other: {labels").replace("role: prometheus", "role: host")
    plan = plan_containers(write(without), ["serf1"])
    assert plan.prometheus is None
    assert prometheus_url(plan) == "http://127.0.0.1:9091"


def test_everything_that_is_wrong_comes_at_once(write, tmp_path):
    wrong = (
        LAB.replace('image: "${IMAGE:=serf}", ', "")
        .replace("annotations:/opt/annotations:ro", "nowhere:/opt/annotations:ro")
        .replace("127.0.0.1:16442:6443", "127.0.0.1:16441:6443")
        .replace("serf3: {}", "serf3: {env: {SERFLAB_CONFIG: traces/x.json}}")
    )
    (tmp_path / "traces").mkdir()
    (tmp_path / "traces" / "x.json").write_text(json.dumps(CONFIG))
    nodes = "$.topology.nodes"
    assert found_in(write(wrong), "serf1", "serf2", "serf3") == [
        (f"{nodes}.serf1.binds", f"binds {tmp_path}/nowhere to /opt/annotations, and {tmp_path}/nowhere is not there"),
        (f"{nodes}.serf1.image", "is missing; expected the image of a serf"),
        (f"{nodes}.serf2.image", "is missing; expected the image of a serf"),
        (f"{nodes}.serf3.image", "is missing; expected the image of a serf"),
        (f"{nodes}.serf3.env.SERFLAB_CONFIG", "is /opt/traces/x.json in the container, which nothing binds"),
        (f"{nodes}.serf2.ports", "publishes 6443 of serf2 on port 16441, which has 6443 of serf1"),
    ]


def test_a_name_that_no_contained_serf_may_have_is_found_before_anything_is_deployed(write):
    wrong = LAB.replace("serf3: {}", "Edge_1: {labels: {serflab.role: serf}}").replace("serf3:", "Edge_1:")
    [(path, problem)] = found_in(write(wrong), "Edge_1")
    assert path == "$.topology.nodes.Edge_1"
    assert problem.startswith("makes 'Edge_1' the name of a serf in a container; expected lower-case letters")
    named = wrong.replace("{serflab.role: serf}", "{serflab.role: serf}, env: {SERFLAB_NAME: edge-1}")
    assert [node.name for node in plan_containers(write(named), ["Edge_1"]).serfs] == ["Edge_1"]
    [(path, _)] = found_in(write(named.replace("edge-1", "-edge")), "Edge_1")
    assert path == "$.topology.nodes.Edge_1.env.SERFLAB_NAME"
    # Whatever is no serf may be named as containerlab likes it.
    router = LAB.replace("router:", "Router_1:")
    assert plan_containers(write(router), ["serf3"]).topology.node("Router_1")


def test_a_config_elsewhere_may_be_bound(write, tmp_path):
    (tmp_path / "traces").mkdir()
    (tmp_path / "traces" / "x.json").write_text(json.dumps(CONFIG))
    bound = LAB.replace("serf3: {}", "serf3: {env: {SERFLAB_CONFIG: traces/x.json}, binds: [traces:/opt/traces:ro]}")
    assert plan_containers(write(bound), ["serf3"]).workloads["serf3"].config == tmp_path / "traces" / "x.json"


@pytest.mark.parametrize(
    ("text", "published"),
    [
        ("16441:6443", {6443: ("127.0.0.1", 16441)}),
        ("127.0.0.1:16441:6443/tcp", {6443: ("127.0.0.1", 16441)}),
        ("10.0.0.1:16441:6443", {6443: ("10.0.0.1", 16441)}),
        ("5353:53/udp", {}),
        ("6443", {}),
        ("8000-8010:80", {}),
    ],
)
def test_ports_that_are_published_at_a_fixed_place(text, published):
    assert published_ports(Node("n", "linux", "serf", ports=(text,))) == published


def test_the_nearest_bind_of_a_path_counts():
    node = Node("n", "linux", "serf", binds=("a:/a:ro", "/b:/b", "__clabNodeDir__/c:/c", "mine:/a"))
    here = Path.cwd()
    assert binds(Topology(Path("t.yaml"), "lab", (node,), ()), node) == {
        PurePosixPath("/a"): here / "mine",
        PurePosixPath("/b"): Path("/b"),
        PurePosixPath("/c"): None,
    }


class TestFiles:
    """What is handed to containerlab."""

    def test_the_whole_lab_is_deployed_from_its_own_file_with_the_variables_that_it_asks_for(self, write, monkeypatch):
        monkeypatch.setenv("IMAGE", "mine")
        monkeypatch.setenv("SECRET", "not asked for")
        settings = write()
        plan = plan_containers(settings, ["serf1", "serf2", "serf3"])
        deployment = Deployment.of(plan)
        assert (deployment.file, deployment.base) == (settings.topology, settings.checkout)
        assert deployment.variables == {"IMAGE": "mine", "SERFLAB_INTERVAL": "2"}
        assert load_deployment(settings.state_dir) is None
        deployment.write(plan)
        assert load_deployment(settings.state_dir) == deployment

    def test_a_part_has_a_file_with_its_nodes_and_the_links_between_them(self, write, tmp_path):
        settings = write()
        plan = plan_containers(settings, ["serf1", "serf2"])
        deployment = Deployment.of(plan)
        deployment.write(plan)
        assert deployment.base == tmp_path
        data = yaml.safe_load(deployment.file.read_text())
        assert data["topology"]["defaults"] == {"kind": "linux", "image": "serf", "env": {"SERFLAB_INTERVAL": "2"}}
        links = [link["endpoints"] for link in data["topology"]["links"]]
        assert links == [["serf1:eth1", "serf2:eth1"], ["serf1:eth2", "router:eth1"], ["serf1:eth3", "host:serf1"]]
        part = load_topology(deployment.file)
        assert [node.name for node in part.nodes] == ["serf1", "serf2", "router", "prometheus"]
        assert part.node("serf1").binds == (f"{tmp_path}/annotations:/opt/annotations:ro",)
        assert part.node("router").binds == (f"{tmp_path}/router.conf:/etc/router.conf", "__clabNodeDir__/state:/state")

    def test_every_path_of_a_part_is_absolute_that_is_sought_from_the_directory_of_the_file(self, write, tmp_path):
        text = LAB.replace(
            "kind: linux,",
            "kind: linux, binds:, startup-config: configs/__clabNodeName__.cfg, credentials: {identity-file: key},",
        ).replace(
            "serf3: {}",
            """serf3: {startup-config: "https://example.org/a", license: in/serf.lic, env-files: [a.env, /b.env]}
    more: {license: ~/serf.lic, startup-config: "set a\\nset b\\n", env-files: , binds: [__clabNodeDir__/x:/x]}""",
        )
        text += "settings: {certificate-authority: {cert: ca.pem, key: /ca.key, key-size: 2048}}\n"
        settings = write(text)
        plan = plan_containers(settings, ["serf3"])
        Deployment.of(plan).write(plan)
        data = yaml.safe_load(Deployment.of(plan).file.read_text())
        defaults, nodes = data["topology"]["defaults"], data["topology"]["nodes"]
        assert defaults["binds"] is None
        assert defaults["startup-config"] == f"{tmp_path}/configs/__clabNodeName__.cfg"
        assert defaults["credentials"] == {"identity-file": f"{tmp_path}/key"}
        assert nodes["serf3"] == {
            "startup-config": "https://example.org/a",
            "license": f"{tmp_path}/in/serf.lic",
            "env-files": [f"{tmp_path}/a.env", "/b.env"],
        }
        assert nodes["more"] == {
            "license": "~/serf.lic",
            "startup-config": "set a\nset b\n",
            "env-files": None,
            "binds": ["__clabNodeDir__/x:/x"],
        }
        authority = {"cert": f"{tmp_path}/ca.pem", "key": "/ca.key", "key-size": 2048}
        assert data["settings"]["certificate-authority"] == authority

    def test_what_a_part_says_is_not_expanded_a_second_time(self, write, monkeypatch):
        monkeypatch.setenv("TOKEN", "a$HOME")
        monkeypatch.setenv("HOME", "/home/me")
        text = LAB.replace("serf3: {}", 'serf3: {env: {WITH: "${TOKEN}", HERE: "$$HOME", COST: "$5"}}')
        plan = plan_containers(write(text), ["serf3"])
        Deployment.of(plan).write(plan)
        part = load_topology(Deployment.of(plan).file)
        assert part.node("serf3").env == {
            "SERFLAB_INTERVAL": "2",
            "WITH": "a$HOME",
            "HERE": "$HOME",
            "COST": "$5",
        }
