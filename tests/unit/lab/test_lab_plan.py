"""What `up` plans: the serfs that are wanted, where each listens and what it plays; all that is wrong comes at once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from serflab.errors import InputError, SerflabError
from serflab.lab.plan import LabSettings, plan_lab, select_serfs
from serflab.lab.topology import load_topology

CONFIG = {
    "node_config": {"mode": "single", "single_node": {"name": "node-1", "cpu": "16", "memory": "60Gi"}},
    "namespaces": ["shop"],
    "pods": [{"namespace": "shop", "pod_name": "web", "time_series": [{"cpu": 1, "memory": 1, "power": 0, "psi": 0}]}],
}


@pytest.fixture
def lab_settings(tmp_path):
    """A checkout with a good config, and settings for it; its topology is the test's to write."""
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations" / "emulation_config.json").write_text(json.dumps(CONFIG))
    return LabSettings(tmp_path, tmp_path / ".serflab", tmp_path / "topology.yaml", 21000)


@pytest.fixture
def nodes(lab_settings):
    """Write the topology: node names to their environment."""

    def write(**environments):
        declared = {name: {"env": env} for name, env in environments.items()}
        lab_settings.topology.write_text(json.dumps({"name": "lab", "topology": {"nodes": declared}}))
        return load_topology(lab_settings.topology)

    return write


class TestSelection:
    """`--serfs` and `--only`."""

    @pytest.fixture
    def topology(self, nodes):
        return nodes(serf1={}, router={}, serf2={}, serf10={})

    def test_all_serfs_are_taken_where_nothing_is_said(self, topology):
        assert select_serfs(topology, None, []) == ("serf1", "serf2", "serf10")

    def test_a_number_takes_that_many_from_the_front(self, topology):
        assert select_serfs(topology, 2, []) == ("serf1", "serf2")

    def test_names_are_taken_in_the_order_of_the_topology(self, topology):
        assert select_serfs(topology, None, ["serf10", "serf1", "serf10"]) == ("serf1", "serf10")

    def test_both_together_take_what_both_name(self, topology):
        assert select_serfs(topology, 2, ["serf2", "serf10"]) == ("serf2",)

    @pytest.mark.parametrize(
        ("name", "hint"),
        [
            ("srf2", "did you mean serf2?"),
            ("router", "the serfs are serf1, serf2, serf10"),
            ("", "the serfs are serf1, serf2, serf10"),
        ],
    )
    def test_a_name_that_is_no_serf(self, topology, name, hint):
        with pytest.raises(SerflabError) as caught:
            select_serfs(topology, None, ["serf1", name])
        assert str(caught.value) == f"{topology.file} has no serf {name!r}\n  hint: {hint}"
        assert caught.value.exit_status == 2

    @pytest.mark.parametrize("count", [0, -1, 4])
    def test_a_number_that_the_topology_does_not_have(self, topology, count):
        with pytest.raises(SerflabError) as caught:
            select_serfs(topology, count, [])
        assert str(caught.value) == f"{topology.file} has 3 serfs, not {count}\n  hint: give 1 to 3"
        assert caught.value.exit_status == 2

    def test_a_topology_without_serfs(self, nodes):
        topology = nodes(router={})
        with pytest.raises(InputError) as caught:
            select_serfs(topology, None, [])
        hint = "give nodes the label `serflab.role: serf`, or names such as serf1"
        assert str(caught.value) == f"{topology.file}: $.topology.nodes: holds no serf\n  hint: {hint}"


def plan(lab_settings, *names):
    return plan_lab(lab_settings, {}, names)


def test_a_serf_has_its_own_directory_ports_and_pod_network(lab_settings, nodes):
    nodes(serf1={}, serf2={})
    one, two = plan(lab_settings, "serf1", "serf2").serfs
    assert (one.directory, two.directory) == (lab_settings.state_dir / "serf1", lab_settings.state_dir / "serf2")
    assert (one.server, one.exporter) == ("https://127.0.0.1:21000", "http://127.0.0.1:21006")
    assert (two.server, two.exporter) == ("https://127.0.0.1:21010", "http://127.0.0.1:21016")
    assert (one.pod_network, two.pod_network) == ("10.128.0.0/24", "10.128.1.0/24")


def test_the_place_in_the_topology_decides_about_ports_whatever_is_selected(lab_settings, nodes):
    nodes(serf1={}, router={}, serf2={}, serf3={})
    everything = {serf.name: serf for serf in plan(lab_settings, "serf1", "serf2", "serf3").serfs}
    (alone,) = plan(lab_settings, "serf3").serfs
    assert (alone.ports, alone.pod_network) == (everything["serf3"].ports, everything["serf3"].pod_network)
    assert alone.ports.apiserver == 21020


def test_a_node_says_in_its_environment_what_it_plays(lab_settings, nodes):
    other = lab_settings.checkout / "other" / "trace.json"
    other.parent.mkdir()
    other.write_text(json.dumps(CONFIG))
    nodes(
        serf1={"SERFLAB_CONFIG": "other/trace.json", "SERFLAB_PHASE": 48, "SERFLAB_INTERVAL": 0.5},
        serf2={"SERFLAB_CONFIG": str(other), "SERFLAB_PHASE": 3},
        serf3={},
    )
    one, two, three = plan(lab_settings, "serf1", "serf2", "serf3").serfs
    assert (one.config, one.phase, one.interval) == (other, 48, 0.5)
    assert (two.config, two.phase, two.interval) == (other, 3, 5.0)
    assert three.config == lab_settings.checkout / "annotations" / "emulation_config.json"
    assert three.phase == 0


def test_the_inventory_tells_how_each_serf_and_service_is_reached(lab_settings, nodes):
    nodes(serf1={"SERFLAB_PHASE": 12})
    inventory = plan(lab_settings, "serf1").inventory
    assert (inventory.name, inventory.runtime) == ("lab", "local")
    assert (inventory.prometheus, inventory.viewer) == ("http://127.0.0.1:9091", "http://127.0.0.1:8080")
    (serf,) = inventory.serfs
    assert serf.kubeconfig == lab_settings.state_dir / "serf1" / "kubeconfig"
    assert serf.metrics_url == "http://127.0.0.1:21006/metrics"
    assert serf.env == {"SERFLAB_PHASE": "12", "SERFLAB_INTERVAL": "5"}


@pytest.mark.parametrize("text", ["noon", "1.5", "", "-3", "²", "1 2"])
def test_a_phase_that_is_no_whole_number(lab_settings, nodes, text):
    nodes(serf1={"SERFLAB_PHASE": text})
    with pytest.raises(InputError) as caught:
        plan(lab_settings, "serf1")
    place = f"{lab_settings.topology}: $.topology.nodes.serf1.env.SERFLAB_PHASE"
    assert str(caught.value) == f"{place}: is {text!r}; expected a whole number of points of the trace, 0 or more"


@pytest.mark.parametrize("text", ["fast", "0", "-1", "nan", "inf", ""])
def test_an_interval_that_is_no_time(lab_settings, nodes, text):
    nodes(serf1={"SERFLAB_INTERVAL": text})
    with pytest.raises(InputError) as caught:
        plan(lab_settings, "serf1")
    place = f"{lab_settings.topology}: $.topology.nodes.serf1.env.SERFLAB_INTERVAL"
    assert str(caught.value) == f"{place}: is {text!r}; expected seconds a point, more than 0"


def test_findings_of_the_topology_and_of_all_configs_come_at_once_and_each_file_is_checked_once(lab_settings, nodes):
    Path(lab_settings.checkout, "broken.json").write_text("{")
    Path(lab_settings.checkout, "negative.json").write_text(json.dumps(CONFIG).replace('"cpu": 1,', '"cpu": -1,'))
    nodes(
        serf1={"SERFLAB_CONFIG": "missing.json", "SERFLAB_PHASE": "x"},
        serf2={"SERFLAB_CONFIG": "broken.json"},
        serf3={"SERFLAB_CONFIG": "negative.json", "SERFLAB_INTERVAL": "x"},
        serf4={"SERFLAB_CONFIG": "negative.json"},
    )
    with pytest.raises(InputError) as caught:
        plan(lab_settings, "serf1", "serf2", "serf3", "serf4")
    where = [(Path(finding.file).name, finding.path) for finding in caught.value.findings]
    assert where == [
        ("topology.yaml", "$.topology.nodes.serf1.env.SERFLAB_PHASE"),
        ("topology.yaml", "$.topology.nodes.serf3.env.SERFLAB_INTERVAL"),
        ("broken.json", ""),
        ("missing.json", ""),
        ("negative.json", "$.pods[0].time_series[0].cpu"),
    ]
    assert str(caught.value).startswith("5 problems found, nothing was changed:\n")
    assert not lab_settings.state_dir.exists()


def test_what_an_unselected_serf_says_does_not_matter(lab_settings, nodes):
    nodes(serf1={}, serf2={"SERFLAB_PHASE": "x", "SERFLAB_CONFIG": "missing.json"})
    assert [serf.name for serf in plan(lab_settings, "serf1").serfs] == ["serf1"]


def test_a_serf_cannot_have_a_name_that_the_lab_uses(lab_settings):
    topology = {"name": "lab", "topology": {"nodes": {"services": {"labels": {"serflab.role": "serf"}}}}}
    lab_settings.topology.write_text(json.dumps(topology), encoding="utf-8")
    with pytest.raises(InputError) as caught:
        plan(lab_settings, "services")
    place = f"{lab_settings.topology}: $.topology.nodes.services"
    assert str(caught.value) == f"{place}: is a name that the lab itself uses\n  hint: rename it"
