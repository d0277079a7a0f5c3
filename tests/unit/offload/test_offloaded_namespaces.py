"""Names of twins, phases of a NamespaceOffloading, and which clusters it selects."""

from __future__ import annotations

import pytest

from serflab.offload.cluster_selector import selects
from serflab.offload.twins import CREATING, FAILED, LEAVING, READY, Twin, phase, twin_name


@pytest.mark.parametrize(
    ("spec", "name"),
    [
        ({}, "ns1-serf1"),
        ({"namespaceMappingStrategy": "DefaultName"}, "ns1-serf1"),
        ({"namespaceMappingStrategy": "EnforceSameName"}, "ns1"),
        ({"namespaceMappingStrategy": "SelectedName", "remoteNamespaceName": "guests"}, "guests"),
    ],
)
def test_the_mapping_names_the_twin(spec, name):
    assert twin_name({"metadata": {"namespace": "ns1"}, "spec": spec}, "serf1") == name


@pytest.mark.parametrize(
    ("states", "told"),
    [
        ([], "NoClusterSelected"),
        ([READY, READY], "Ready"),
        ([READY, CREATING], "InProgress"),
        ([READY, LEAVING], "InProgress"),
        ([READY, FAILED], "SomeFailed"),
        ([CREATING, FAILED], "SomeFailed"),
        ([FAILED, FAILED], "AllFailed"),
    ],
)
def test_the_phase_is_the_worst_that_has_happened(states, told):
    assert phase([Twin(state) for state in states], leaving=False) == told


def test_one_that_is_deleted_is_terminating_whatever_its_twins_are():
    assert phase([Twin(READY)], leaving=True) == "Terminating"


NODE = {"metadata": {"name": "serf2", "labels": {"region": "eu", "size": "7"}}}


def term(key, operator, *values, part="matchExpressions"):
    return {part: [{"key": key, "operator": operator, "values": list(values)}]}


@pytest.mark.parametrize(
    ("terms", "selected"),
    [
        ([], True),
        ([{}], False),
        ([term("region", "In", "eu", "us")], True),
        ([term("region", "In", "us")], False),
        ([term("region", "NotIn", "us")], True),
        ([term("zone", "NotIn", "a")], True),
        ([term("region", "Exists")], True),
        ([term("zone", "Exists")], False),
        ([term("zone", "DoesNotExist")], True),
        ([term("size", "Gt", "6")], True),
        ([term("size", "Lt", "6")], False),
        ([term("region", "Gt", "6")], False),
        ([term("zone", "Gt", "6")], False),
        ([term("metadata.name", "In", "serf2", part="matchFields")], True),
        ([term("region", "In", "us"), term("size", "Gt", "6")], True),
        (
            [
                {
                    "matchExpressions": [
                        *term("region", "In", "eu")["matchExpressions"],
                        {"key": "zone", "operator": "Exists"},
                    ]
                }
            ],
            False,
        ),
    ],
)
def test_a_selector_selects_as_a_node_affinity_does(terms, selected):
    assert selects({"nodeSelectorTerms": terms}, NODE) is selected
