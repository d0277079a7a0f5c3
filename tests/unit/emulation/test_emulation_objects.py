"""What is created: bodies of nodes and pods, requests, and what is refused because it cannot fit."""

import pytest

from serflab.emulation.fit import requests_that_do_not_fit
from serflab.emulation.objects import (
    PodTemplate,
    RequestPolicy,
    Requests,
    instance_name,
    node_body,
    pod_requests,
)
from serflab.traces.model import Series

TRACE = Series.of([(cpu, memory, 1, 0) for cpu, memory in ((10, 100), (20, 200.5), (100, 50), (40.2, 50))])


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (RequestPolicy(), Requests(cpu=43, memory=201)),
        (RequestPolicy(cpu="max", memory="mean"), Requests(cpu=100, memory=101)),
        (RequestPolicy(cpu="p95"), Requests(cpu=100, memory=201)),
        (RequestPolicy(cpu="none", memory="none"), Requests(cpu=None, memory=None)),
    ],
)
def test_requests_follow_from_the_series(policy, expected):
    assert pod_requests(TRACE, policy) == expected


def test_the_95th_percentile_leaves_out_the_highest_twentieth():
    trace = Series.of([(cpu, 1, 1, 0) for cpu in range(1, 101)])
    assert pod_requests(trace, RequestPolicy(cpu="p95")).cpu == 95


def test_a_pod_as_the_contract_says(config):
    body = PodTemplate("mine", config.annotation_keys, RequestPolicy()).body(config.pods[0], "node-1")
    assert body["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "serflab"
    assert body["metadata"]["labels"]["app.kubernetes.io/instance"] == "mine"
    spec = body["spec"]
    assert spec["tolerations"] == [
        {"key": "kwok.x-k8s.io/node", "operator": "Equal", "value": "fake", "effect": "NoSchedule"}
    ]
    assert "nodeName" not in spec
    assert spec["nodeSelector"] == {"kubernetes.io/hostname": "node-1"}
    assert spec["containers"][0]["resources"] == {"requests": {"cpu": "200m", "memory": "100Mi"}}
    assert (spec["automountServiceAccountToken"], spec["enableServiceLinks"]) == (False, False)


def test_a_pod_shows_its_first_point_but_says_that_none_was_played(config):
    annotations = PodTemplate("mine", config.annotation_keys, RequestPolicy()).body(config.pods[0], None)["metadata"][
        "annotations"
    ]
    shown = {key.split("/")[1]: value for key, value in annotations.items() if key.split("/")[1] != "spec"}
    assert shown == {
        "cpu": "100.0m",
        "memory": "100.0Mi",
        "power": "1.00W",
        "psi": "0.0%",
        "usage-cpu": "100.0m",
        "usage-memory": "100.0Mi",
    }


def test_the_keys_of_the_config_are_used(make_config):
    config = make_config(emulation={"annotation_keys": {"cpu": "my.org/cpu"}})
    body = PodTemplate("mine", config.annotation_keys, RequestPolicy()).body(config.pods[0], None)
    assert body["metadata"]["annotations"]["my.org/cpu"] == "100.0m"
    assert "nodeSelector" not in body["spec"]


def test_the_digest_tells_pods_apart_that_must_be_made_anew(config):
    def digest(node="node-1", policy=None):
        body = PodTemplate("mine", config.annotation_keys, policy or RequestPolicy()).body(config.pods[0], node)
        return body["metadata"]["annotations"]["emulation.metrics.k8s.io/spec"]

    assert digest() == digest()
    assert len({digest(), digest("node-2"), digest(policy=RequestPolicy(cpu="max"))}) == 3


def test_a_node_that_kwok_takes_care_of(config):
    body = node_body(config.nodes[0], 500, "mine")
    assert body["metadata"]["annotations"]["kwok.x-k8s.io/node"] == "fake"
    assert body["spec"]["taints"] == [{"key": "kwok.x-k8s.io/node", "value": "fake", "effect": "NoSchedule"}]
    assert body["status"]["capacity"] == {"cpu": "4000m", "memory": f"{8 * 1024 * 1024}Ki", "pods": "1000"}
    assert body["status"]["allocatable"] == body["status"]["capacity"]
    labels = body["metadata"]["labels"]
    assert (labels["type"], labels["kubernetes.io/hostname"]) == ("kwok", "node-1")
    assert node_body(config.nodes[0], 3, "mine")["status"]["capacity"]["pods"] == "110"


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("/opt/annotations/emulation_config.json", "emulation_config"),
        ("some where/my config!.json", "my-config"),
        ("---.json", "emulation"),
        ("x" * 100, "x" * 63),
    ],
)
def test_the_name_of_a_config_is_a_label(file, name):
    assert instance_name(file) == name


def single(cpu, memory):
    return {"mode": "single", "single_node": {"name": "node-1", "cpu": cpu, "memory": memory}}


def test_what_fits_is_no_finding(make_config):
    # 200 + 10 + 61 millicores, 3 x 100 Mi: exactly full
    assert requests_that_do_not_fit(make_config(node_config=single("271m", "300Mi")), RequestPolicy()) == []


def test_everything_that_does_not_fit_is_told_at_once(make_config):
    findings = requests_that_do_not_fit(make_config(node_config=single("270m", "299Mi")), RequestPolicy())
    assert [str(finding).splitlines()[0] for finding in findings] == [
        "some/where/my config.json: $.node_config: node 'node-1' has 270m of CPU, its 3 pods request 271m",
        "some/where/my config.json: $.node_config: node 'node-1' has 299Mi of memory, its 3 pods request 300Mi",
    ]
    assert "--cpu-request" in findings[0].hint
    nothing = RequestPolicy(cpu="none", memory="none")
    assert requests_that_do_not_fit(make_config(node_config=single("270m", "299Mi")), nothing) == []


def test_each_namespace_has_its_own_node(make_config):
    nodes = {"shop": {"cpu": "100m", "memory": "1Gi"}, "data": {"cpu": "100m", "memory": "1Gi"}}
    config = make_config(node_config={"mode": "per_namespace", "per_namespace_nodes": nodes})
    (finding,) = requests_that_do_not_fit(config, RequestPolicy())
    assert finding.problem == "node 'shop-node' has 100m of CPU, its 2 pods request 210m"


def test_a_pool_must_hold_each_pod_and_all_of_them(make_config):
    pool = {"mode": "pool", "pool": {"count": 2, "cpu": "120m", "memory": "1Gi"}}
    findings = requests_that_do_not_fit(make_config(node_config=pool), RequestPolicy())
    assert [(finding.path, finding.problem) for finding in findings] == [
        ("$.pods[0]", "the largest node of the pool has 120m of CPU, a pod requests 200m"),
        ("$.node_config", "the pool of 2 nodes has 240m of CPU, its 3 pods request 271m"),
    ]
