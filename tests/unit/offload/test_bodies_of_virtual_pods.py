"""The objects of a virtual pod: what is added for the virtual node, what is taken away for the provider."""

from __future__ import annotations

import orjson
import pytest

from serflab.emulation.names import CLOCK, KWOK_NODE, SERIES, VIRTUAL, VIRTUAL_POD_ID
from serflab.emulation.objects import PodTemplate, RequestPolicy
from serflab.emulation.workload import Workload, read_workload
from serflab.offload.bodies import (
    OFFLOADED,
    Identity,
    ShadowState,
    created_pod,
    current_values,
    home_pod,
    remote_pod,
    remote_spec,
    returned_pod,
    shadow_pod,
    virtual_pod_of,
)
from serflab.offload.names import HOME_POD, NOT_ALLOWED, REMOTE_CLUSTER_LABEL
from serflab.offload.records import shadow_record
from serflab.offload.transfer import OUT, Transfer
from serflab.traces.model import AnnotationKeys, PodTrace, Series

KEYS = AnnotationKeys()
SERIES_OF_THREE = Series.of([(100, 200, 1, 0), (300, 220, 2, 1), (200, 210, 1.5, 0.5)])
IDENTITY = Identity("vp-007", "serf1", "serf2", "ns1", "web-0", kind=OFFLOADED, bytes=1000)


def local_pod():
    body = PodTemplate("emulation_config", KEYS, RequestPolicy()).body(
        PodTrace("ns1", "web-0", SERIES_OF_THREE), "node-1"
    )
    body["metadata"] |= {"uid": "local-uid", "resourceVersion": "5", "creationTimestamp": "2026-01-01T00:00:00Z"}
    body["spec"] |= {"nodeName": "node-1", "serviceAccount": "default", "serviceAccountName": "default"}
    return body


def stored(body, uid="shadow-uid"):
    body["metadata"] |= {"uid": uid, "resourceVersion": "9", "creationTimestamp": "2026-01-01T00:00:00Z"}
    return shadow_record(body)


def offloaded_shadow(workload):
    home = orjson.dumps(home_pod(local_pod())).decode()
    state = ShadowState("local-uid", workload, Transfer(OUT, 1000, 2.0, 50.0, ("serf1", "serf2")), OUT, home)
    return stored(shadow_pod(IDENTITY, "ns1-serf1", local_pod()["spec"], local_pod()["metadata"]["labels"], state))


def test_a_created_pod_may_run_on_the_virtual_node_only():
    body = created_pod(IDENTITY, Workload(SERIES_OF_THREE, 5.0))
    assert body["spec"]["nodeSelector"] == {REMOTE_CLUSTER_LABEL: "serf2"}
    assert {item["key"] for item in body["spec"]["tolerations"]} == {KWOK_NODE, NOT_ALLOWED}
    assert body["metadata"]["labels"][VIRTUAL_POD_ID] == "vp-007"
    assert read_workload(body["metadata"]["annotations"]).series == SERIES_OF_THREE


def test_the_provider_gets_nothing_that_means_something_in_the_source_only():
    spec = remote_spec({
        "nodeName": "serf2",
        "nodeSelector": {REMOTE_CLUSTER_LABEL: "serf2"},
        "serviceAccountName": "builder",
        "tolerations": [{"key": NOT_ALLOWED, "operator": "Exists"}, {"key": "other", "operator": "Exists"}],
        "volumes": [{"name": "kube-api-access-x7"}, {"name": "scratch", "emptyDir": {}}],
        "containers": [{"name": "app", "volumeMounts": [{"name": "kube-api-access-x7"}, {"name": "scratch"}]}],
    })  # fmt: skip
    assert spec.keys() == {"tolerations", "volumes", "containers"}
    assert [item["key"] for item in spec["tolerations"]] == ["other", KWOK_NODE]
    assert spec["volumes"] == [{"name": "scratch", "emptyDir": {}}]
    assert spec["containers"] == [{"name": "app", "volumeMounts": [{"name": "scratch"}]}]


def test_a_shadow_pod_tells_all_that_the_remote_pod_needs():
    workload = Workload(SERIES_OF_THREE, 5.0, start=100.0)
    shadow = offloaded_shadow(workload)
    assert (shadow.consumer, shadow.provider, shadow.source_uid, shadow.handover) == (
        "serf1",
        "serf2",
        "local-uid",
        OUT,
    )
    assert shadow.transfer == Transfer(OUT, 1000, 2.0, 50.0, ("serf1", "serf2"))
    assert read_workload({SERIES: shadow.series, CLOCK: shadow.clock}) == workload
    pod = remote_pod(shadow, current_values(workload, KEYS, 106.0))
    assert pod["metadata"]["namespace"] == "ns1-serf1"
    assert pod["metadata"]["ownerReferences"][0]["uid"] == "shadow-uid"
    assert pod["metadata"]["annotations"][KEYS.cpu] == "300.0m"
    assert pod["metadata"]["annotations"][KEYS.time_index] == "1"
    assert "nodeName" not in pod["spec"]


def test_the_virtual_pod_has_the_name_and_digest_of_the_local_one_but_not_its_values():
    shadow = offloaded_shadow(Workload(SERIES_OF_THREE, 5.0, start=100.0))
    body, local = virtual_pod_of(IDENTITY, shadow, KEYS), local_pod()
    annotations = body["metadata"]["annotations"]
    assert (body["metadata"]["namespace"], body["metadata"]["name"]) == ("ns1", "web-0")
    assert (
        annotations["emulation.metrics.k8s.io/spec"]
        == local["metadata"]["annotations"]["emulation.metrics.k8s.io/spec"]
    )
    assert annotations[VIRTUAL] == "true"
    assert not annotations.keys() & {KEYS.cpu, KEYS.memory, KEYS.power, KEYS.psi, "kwok.x-k8s.io/usage-cpu"}
    assert local["metadata"]["labels"].items() <= body["metadata"]["labels"].items()


@pytest.mark.parametrize(("now", "index"), [(100.0, "0"), (109.9, "1"), (114.0, "2"), (116.0, "0")])
def test_the_pod_that_comes_home_is_the_local_one_with_the_values_of_the_moment(now, index):
    workload = Workload(SERIES_OF_THREE, 5.0, start=100.0)
    shadow = offloaded_shadow(workload)
    virtual = virtual_pod_of(IDENTITY, shadow, KEYS)
    body, local = (
        returned_pod(orjson.loads(virtual["metadata"]["annotations"][HOME_POD]), workload, KEYS, now),
        local_pod(),
    )
    assert body["metadata"]["annotations"][KEYS.time_index] == index
    assert VIRTUAL not in body["metadata"]["annotations"]
    assert body["metadata"]["labels"] == local["metadata"]["labels"]
    assert body["spec"]["nodeSelector"] == local["spec"]["nodeSelector"]
    assert "nodeName" not in body["spec"]


def test_a_workload_that_ends_tells_when():
    assert Workload(SERIES_OF_THREE, 5.0, loop=False, start=100.0).ends == 115.0
    assert Workload(SERIES_OF_THREE, 5.0, loop=True, start=100.0).ends is None
    assert Workload(SERIES_OF_THREE, 5.0, loop=False).ends is None
