"""The modules of a ForeignCluster: which conditions hold, and what state they make."""

from __future__ import annotations

import pytest

from serflab.offload.modules import Facts, api_server, conditions, module_state, module_status

WELL = Facts(path=True, silence="", consumes=True, identity=True, node=True)


def states(facts):
    return {name: module_state(module_status(None, found)) for name, found in conditions(facts, "serf2").items()}


def test_a_peering_that_works_is_established_in_all_modules():
    assert set(states(WELL).values()) == {"Established"}


def test_without_a_path_over_links_networking_is_not_enabled():
    facts = Facts(path=False, silence="", consumes=True, identity=True, node=True)
    assert states(facts) == {"networking": "None", "authentication": "Established", "offloading": "Established"}


def test_a_provider_that_is_silent_is_an_error_of_networking():
    facts = Facts(path=True, silence="serf2 does not answer", consumes=True, identity=True, node=True)
    assert states(facts)["networking"] == "Error"
    assert api_server(facts, "serf2").status == "Error"


@pytest.mark.parametrize(
    ("facts", "state"),
    [
        (Facts(path=True, silence="", consumes=True, identity=True, node=None), "Pending"),
        (Facts(path=True, silence="", consumes=True, identity=True, node=False), "Error"),
        (Facts(path=True, silence="", consumes=True, identity=True, denial="too large"), "Error"),
        (Facts(path=True, silence="", consumes=False, tenant=True), "None"),
    ],
    ids=["no node yet", "node not ready", "denied", "provider only"],
)
def test_offloading_follows_the_virtual_node(facts, state):
    assert states(facts)["offloading"] == state


def test_a_provider_tells_of_the_tenant_and_a_consumer_of_its_identity():
    both = Facts(path=True, silence="", consumes=True, identity=True, tenant=False, node=True)
    found = {item.type: item.status for item in conditions(both, "serf2")["authentication"]}
    assert found == {"AuthIdentityControlPlaneStatus": "Established", "AuthTenantStatus": "Pending"}


def test_a_module_of_which_nothing_is_known_is_pending():
    assert module_state(None) == "Pending"
