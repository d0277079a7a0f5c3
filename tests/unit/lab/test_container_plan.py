"""What a serf in a container learns from its environment, and what it says of an environment that is wrong."""

from __future__ import annotations

import pytest

from serflab.errors import InputError
from serflab.lab import container_plan
from serflab.lab.components import components
from serflab.lab.container_plan import Machine, serf_index
from serflab.lab.serf_plan import Variant

MACHINE = Machine("4b3f", ("127.0.0.1", "172.30.30.14"))
CONTAINERLAB = {
    "CLAB_LABEL_CLAB_NODE_NAME": "serf4",
    "CLAB_LABEL_CLAB_NODE_LONGNAME": "clab-emulation-serf4",
    "CLAB_LABEL_SERFLAB_ADDRESS_ETH1": "10.20.0.1/30",
    "CLAB_LABEL_SERFLAB_ADDRESS_ETH2": "10.20.0.6/30",
    "CLAB_INTFS": "2",
}


@pytest.fixture
def plan(tmp_path, monkeypatch):
    """Return the plan for an environment, in a container that has all programs."""
    monkeypatch.setattr(container_plan.shutil, "which", lambda name: f"/usr/local/bin/{name}")
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations" / "emulation_config.json").touch()

    def read(environ, machine=MACHINE):
        return container_plan.container_plan(environ, machine, data=tmp_path / "data", files=tmp_path)

    return read


def test_a_bare_container_is_named_by_its_host_name(plan):
    bare = plan({})
    assert (bare.name, bare.variant, bare.phase, bare.interval) == ("4b3f", Variant.UPSTREAM, 0, 5.0)
    assert not bare.links
    assert bare.config.name == "emulation_config.json"


def test_in_a_lab_of_containerlab_a_serf_has_the_name_of_its_node(plan):
    serf = plan(CONTAINERLAB)
    assert serf.name == "serf4"
    assert serf.links
    assert serf.names == ("4b3f", "clab-emulation-serf4")


def test_the_certificate_is_for_the_addresses_that_links_will_have(plan):
    assert plan(CONTAINERLAB).addresses == ("127.0.0.1", "172.30.30.14", "10.20.0.1", "10.20.0.6")


def test_what_the_user_says_goes_first(plan):
    serf = plan(
        CONTAINERLAB | {"SERFLAB_NAME": "mine", "SERFLAB_NAMES": "a.example.org, 192.0.2.7,b", "SERFLAB_PHASE": "7"}
    )
    assert (serf.name, serf.phase) == ("mine", 7)
    assert serf.names[-2:] == ("a.example.org", "b")
    assert serf.addresses[-1] == "192.0.2.7"


def test_only_containers_with_links_set_addresses_and_do_so_with_the_supervisors_rights(plan):
    machine = Machine("h", (), user="serflab")
    parts = {part.name: part for part in components(plan(CONTAINERLAB, machine))}
    assert parts["links"].own_user
    assert not any(part.own_user for part in parts.values() if part.name != "links")
    assert "links" not in {part.name for part in components(plan({}, machine))}


@pytest.mark.parametrize("variant", Variant)
def test_replay_and_exporter_may_be_stopped_all_others_come_back(plan, variant):
    parts = components(plan({"SERFLAB_VARIANT": variant.value}))
    assert {part.name for part in parts if part.may_end} == {"replay", "exporter"}


def test_every_variable_that_is_wrong_is_told_at_once(plan):
    wrong = {
        "SERFLAB_NAME": "Serf_1",
        "SERFLAB_PHASE": "-1",
        "SERFLAB_INTERVAL": "nan",
        "SERFLAB_VARIANT": "k4s",
        "SERFLAB_CONFIG": "none.json",
    }
    with pytest.raises(InputError) as caught:
        plan(wrong)
    assert {finding.file for finding in caught.value.findings} == set(wrong)


def test_an_image_without_the_programs_of_its_variant_is_told(plan, monkeypatch):
    monkeypatch.setattr(container_plan.shutil, "which", lambda name: None if name == "etcd" else f"/bin/{name}")
    with pytest.raises(InputError, match="this image lacks etcd"):
        plan({})


def test_serfs_have_networks_of_their_own_by_number_or_by_name(plan):
    assert [serf_index(name) for name in ("serf1", "serf11")] == [0, 10]
    networks = {plan({"SERFLAB_NAME": name}).pod_network for name in ("serf1", "serf2", "berlin", "paris", "serf0")}
    assert len(networks) == 5
