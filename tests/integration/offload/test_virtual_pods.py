"""Virtual pods on real serfs: created, offloaded, brought back, deleted, with their objects on both sides."""

from __future__ import annotations

import functools
import json

import pytest
from fleet_sweep import ask, end_namespace, objects_of, sweep
from local_pods import listed, make_local_pods, mark_replay, pod_of, pods_in
from managed import eventually, managed

from serflab.emulation.names import NAMESPACES_PATH, SHADOW_PODS_PATH, VIRTUAL, VIRTUAL_PREFIX
from serflab.emulation.workload import read_workload
from serflab.kube.refusal import Refusal
from serflab.offload import virtual_pod_commands as commands
from serflab.offload.names import NOT_ALLOWED, REMOTE_CLUSTER_LABEL
from serflab.offload.peering_commands import DRAIN, cordon, drain, operation


@pytest.fixture(scope="module")
def peered(row_of_serfs):
    """A manager, and serf1 connected to serf2, for all tests of this file."""
    sweep(row_of_serfs)
    with managed(row_of_serfs) as made:
        made.connect("serf1", "serf2")
        yield made


@pytest.fixture
def connected(peered):
    """The same, without any virtual pod."""
    yield peered
    clear(peered)


@pytest.fixture
def fleet_serfs(row_of_serfs):
    """The serfs as the test before has left them."""
    return row_of_serfs


def clear(manager):
    """Delete all virtual pods, and wait until nothing is left of their namespaces."""
    for identifier in manager.pods():
        delete(manager, identifier)
    eventually(lambda: not manager.pods(), f"all are gone: {manager.pods()}")
    eventually(lambda: all(_end_twins(serf) for serf in manager.serfs), "their namespaces are gone")


def _end_twins(serf):
    """End the twins that are on their way out; whether there is none left."""
    twins = [
        item["metadata"]
        for item in listed(serf, NAMESPACES_PATH)
        if item["metadata"]["name"].endswith(("-serf1", "-serf2")) and "tenant" not in item["metadata"]["name"]
    ]
    for twin in twins:
        if "deletionTimestamp" in twin:
            ask(serf, functools.partial(end_namespace, name=twin["name"]))
    return not twins


def creation(**wanted):
    plain = {"source": "serf1", "destination": "serf2", "template": "burst", "interval": 1.0}
    return commands.Creation(**(plain | wanted))


def create(manager, **wanted):
    return manager.call(lambda made: commands.create(made.fleet, creation(**wanted))).id


def offload(manager, namespace, name, source="serf1", destination="serf2"):
    return manager.call(lambda made: commands.offload(made.fleet, source, namespace, name, destination)).id


def bring_back(manager, identifier):
    manager.call(lambda made: commands.return_home(made.fleet, identifier))


def delete(manager, identifier):
    manager.call(lambda made: commands.remove(made.fleet, identifier))


def phases(serf):
    return [shadow["status"]["phase"] for shadow in listed(serf, SHADOW_PODS_PATH) if "status" in shadow]


def test_a_created_pod_is_bound_by_the_scheduler_and_runs_in_the_provider(connected, fleet_serfs):
    identifier = create(connected, name="job", namespace="default")
    told = connected.wait_status(identifier, "Running")
    source, remote = (
        pod_of(fleet_serfs["serf1"], "default", "job"),
        pod_of(fleet_serfs["serf2"], "default-serf1", "job"),
    )
    assert source["spec"]["nodeName"] == "serf2"
    assert remote["spec"]["nodeName"] == "emulation-node-1"
    assert source["status"]["phase"] == remote["status"]["phase"] == "Running"
    assert source["status"]["podIP"] == remote["status"]["podIP"] == told["pod_ip"]
    annotations = {key.removeprefix(VIRTUAL_PREFIX): value for key, value in source["metadata"]["annotations"].items()}
    assert annotations["is-virtual"] == "true"
    assert (annotations["source-node"], annotations["destination-node"]) == ("serf1", "serf2")
    assert (annotations["source-pod"], annotations["destination-pod"]) == ("job", "job")
    assert annotations["virtual-pod-id"] == identifier
    assert remote["metadata"]["annotations"][f"{VIRTUAL_PREFIX}role"] == "remote"


def test_the_workload_of_a_created_pod_lies_on_its_shadow_pod_for_the_replay_of_the_provider(connected, fleet_serfs):
    identifier = create(connected, name="job", interval=2.5, loop=False)
    connected.wait_status(identifier, "Running")
    [shadow] = listed(fleet_serfs["serf2"], SHADOW_PODS_PATH)
    workload = read_workload(shadow["metadata"]["annotations"])
    assert (workload.interval, workload.loop, workload.series.length) == (2.5, False, 60)
    assert workload.start is not None


@pytest.mark.parametrize(
    ("wanted", "code"),
    [
        ({"destination": "serf3"}, "not_peered"),
        ({"source": "serf2", "destination": "serf1"}, "not_peered"),
        ({"source": "serf9"}, "unknown_node"),
        ({"template": "nope"}, "unknown_template"),
        ({"template": "../etc"}, "unknown_template"),
        ({"namespace": "nope"}, "unknown_namespace"),
        ({"template": "", "source_pod": "ns1/nope"}, "unknown_pod"),
    ],
)
def test_what_cannot_be_created_is_refused_and_leaves_nothing(connected, fleet_serfs, wanted, code):
    before = objects_of(fleet_serfs["serf1"])
    with pytest.raises(Refusal) as refusal:
        create(connected, **wanted)
    assert refusal.value.code == code
    assert objects_of(fleet_serfs["serf1"]) == before


def test_a_name_that_is_taken_is_refused(connected):
    create(connected, name="job")
    with pytest.raises(Refusal) as refusal:
        create(connected, name="job")
    assert refusal.value.code == "name_taken"


def test_deleting_a_created_pod_leaves_nothing_of_it_on_either_side_and_can_be_repeated(connected, fleet_serfs):
    before = {serf.name: objects_of(serf) for serf in fleet_serfs}
    identifier = create(connected)
    connected.wait_status(identifier, "Running")
    delete(connected, identifier)
    delete(connected, identifier)
    connected.wait_status(identifier, "gone")
    delete(connected, identifier)
    for serf in fleet_serfs:
        eventually(lambda serf=serf: objects_of(serf) == before[serf.name], f"nothing is left in {serf.name}")


def test_a_pod_that_kubectl_deletes_in_the_source_goes_in_the_provider_as_well(connected, fleet_serfs):
    identifier = create(connected, name="job")
    connected.wait_status(identifier, "Running")
    fleet_serfs["serf1"].kubectl("delete", "pod", "job")
    connected.wait_status(identifier, "gone")
    eventually(lambda: not pods_in(fleet_serfs["serf2"], "default-serf1"), "the remote pod is gone")


def test_a_remote_pod_that_is_deleted_comes_again_and_counts_as_a_restart(connected, fleet_serfs):
    identifier = create(connected, name="job")
    connected.wait_status(identifier, "Running")
    eventually(lambda: phases(fleet_serfs["serf2"]) == ["Running"], "the ShadowPod tells so")
    first = pod_of(fleet_serfs["serf2"], "default-serf1", "job")["metadata"]["uid"]
    fleet_serfs["serf2"].kubectl("delete", "pod", "job", "-n", "default-serf1")
    eventually(
        lambda: (
            pod_of(fleet_serfs["serf2"], "default-serf1", "job").get("metadata", {}).get("uid") not in {first, None}
        ),
        "the remote pod is made anew",
    )
    eventually(lambda: connected.pods()[identifier]["restarts"] == 1, "the restart is counted")


def test_a_shadow_pod_that_is_deleted_in_the_provider_is_made_anew(connected, fleet_serfs):
    identifier = create(connected, name="job")
    connected.wait_status(identifier, "Running")
    fleet_serfs["serf2"].kubectl("delete", "shadowpod", "job", "-n", "default-serf1")
    eventually(lambda: listed(fleet_serfs["serf2"], SHADOW_PODS_PATH), "it is there again")
    connected.wait_status(identifier, "Running")
    assert pods_in(fleet_serfs["serf2"], "default-serf1") == ["job"]


def test_a_series_without_loop_ends_the_pod_on_both_sides(connected, fleet_serfs):
    identifier = create(connected, name="job", interval=0.05, loop=False)
    connected.wait_status(identifier, "Succeeded")
    assert pod_of(fleet_serfs["serf2"], "default-serf1", "job")["status"]["phase"] == "Succeeded"
    assert pod_of(fleet_serfs["serf1"], "default", "job")["status"]["containerStatuses"][0]["state"]["terminated"]


def test_a_pod_of_kubectl_on_the_virtual_node_is_adopted(connected, fleet_serfs):
    fleet_serfs["serf1"].kubectl("create", "-f", "-", stdin=json.dumps({
        "apiVersion": "offloading.liqo.io/v1beta1", "kind": "NamespaceOffloading",
        "metadata": {"name": "offloading", "namespace": "default"}, "spec": {},
    }))  # fmt: skip
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "mine", "namespace": "default"},
        "spec": {
            "nodeSelector": {REMOTE_CLUSTER_LABEL: "serf2"},
            "tolerations": [{"key": NOT_ALLOWED, "operator": "Exists"}],
            "containers": [{"name": "app", "image": "nginx"}],
        },
    }
    fleet_serfs["serf1"].kubectl("create", "-f", "-", stdin=json.dumps(pod))
    eventually(lambda: [item for item in connected.pods().values() if item["status"] == "Running"], "it runs")
    [told] = connected.pods().values()
    assert (told["origin"], told["source_pod_name"], told["dest_namespace"]) == ("adopted", "mine", "default-serf1")
    # It was deleted with the grace of thirty seconds that pods have; no kubelet is there to end it.
    fleet_serfs["serf1"].kubectl("delete", "pod", "mine", "--wait=true", "--timeout=60s")
    eventually(lambda: not pods_in(fleet_serfs["serf2"], "default-serf1"), "the remote pod is gone")
    fleet_serfs["serf1"].kubectl("delete", "namespaceoffloading", "offloading")


def test_kubectl_drains_a_virtual_node_as_any_other(connected, fleet_serfs):
    identifier = create(connected, name="job")
    connected.wait_status(identifier, "Running")
    kubectl = fleet_serfs["serf1"].kubectl
    # No controller makes such a pod again, which kubectl wants to hear that one knows.
    kubectl("drain", "serf2", "--force", "--timeout=60s")
    connected.wait_status(identifier, "gone")
    eventually(lambda: not pods_in(fleet_serfs["serf2"], "default-serf1"), "the remote pod is gone")
    kubectl("uncordon", "serf2")


@pytest.fixture(scope="module")
def at_home(peered, row_of_serfs):
    assert peered.alive
    [key] = make_local_pods(row_of_serfs["serf1"], 1)
    return key


@pytest.fixture
def local(connected, row_of_serfs, at_home):
    """An emulated pod that runs at home."""
    mark_replay(row_of_serfs["serf1"])
    yield at_home
    for identifier in connected.pods():
        bring_back(connected, identifier)
    eventually(lambda: not connected.pods(), "it is back home")


class TestOffloading:
    """An emulated pod that runs moves to the provider under its name, and comes back."""

    def test_a_virtual_pod_of_the_same_name_takes_its_place(self, connected, fleet_serfs, local):
        before = pod_of(fleet_serfs["serf1"], *local)
        identifier = offload(connected, *local)
        told = connected.wait_status(identifier, "Running")
        source = pod_of(fleet_serfs["serf1"], *local)
        assert source["spec"]["nodeName"] == "serf2"
        assert source["metadata"]["uid"] != before["metadata"]["uid"]
        assert source["metadata"]["annotations"][VIRTUAL] == "true"
        assert told["origin"] == "offloaded"
        assert pods_in(fleet_serfs["serf2"], f"{local[0]}-serf1") == [local[1]]

    def test_its_clock_is_that_of_the_replay(self, connected, fleet_serfs, local):
        marker = mark_replay(fleet_serfs["serf1"], interval=7.0, start=1_000_000.0)
        connected.wait_status(offload(connected, *local), "Running")
        [shadow] = listed(fleet_serfs["serf2"], SHADOW_PODS_PATH)
        workload = read_workload(shadow["metadata"]["annotations"])
        assert (workload.start, workload.interval, workload.loop) == (marker.start, 7.0, True)

    def test_it_comes_back_as_it_was_and_nothing_is_left_over_there(self, connected, fleet_serfs, local):
        before = {serf.name: objects_of(serf) for serf in fleet_serfs}
        pod_before = pod_of(fleet_serfs["serf1"], *local)
        identifier = offload(connected, *local)
        connected.wait_status(identifier, "Running")
        bring_back(connected, identifier)
        connected.wait_status(identifier, "gone")
        after = pod_of(fleet_serfs["serf1"], *local)
        assert after["spec"]["nodeName"] == pod_before["spec"]["nodeName"]
        assert after["metadata"]["labels"] == pod_before["metadata"]["labels"]
        assert after["status"]["phase"] == "Running"
        for serf in fleet_serfs:
            eventually(lambda serf=serf: objects_of(serf) == before[serf.name], f"nothing is left in {serf.name}")

    def test_calling_it_home_at_once_leaves_it_where_it_is(self, connected, fleet_serfs, local):
        identifier = offload(connected, *local)
        bring_back(connected, identifier)
        connected.wait_status(identifier, "gone")
        assert pod_of(fleet_serfs["serf1"], *local)["spec"]["nodeName"] == "emulation-node-1"
        eventually(lambda: not pods_in(fleet_serfs["serf2"], f"{local[0]}-serf1"), "nothing runs over there")

    def test_a_drain_of_the_virtual_node_brings_it_home(self, connected, fleet_serfs, local):
        created = create(connected, name="job")
        identifier = offload(connected, *local)
        for each in (created, identifier):
            connected.wait_status(each, "Running")
        connected.call(lambda made: drain(made.fleet, "serf1", "serf2"))
        eventually(lambda: not connected.pods(), "the virtual node is empty")
        assert pod_of(fleet_serfs["serf1"], *local)["spec"]["nodeName"] == "emulation-node-1"
        assert not pods_in(fleet_serfs["serf1"], "default")
        eventually(
            lambda: operation(connected.fleet, DRAIN, "serf1", "serf2")["state"] == "Succeeded", "the drain is over"
        )
        connected.call(lambda made: cordon(made.fleet, "serf1", "serf2", cordoned=False))

    def test_it_cannot_be_offloaded_twice(self, connected, local):
        identifier = offload(connected, *local)
        connected.wait_status(identifier, "Running")
        with pytest.raises(Refusal) as refusal:
            offload(connected, *local)
        assert refusal.value.code == "already_offloaded"

    def test_a_created_pod_has_no_home(self, connected):
        identifier = create(connected)
        with pytest.raises(Refusal) as refusal:
            bring_back(connected, identifier)
        assert refusal.value.code == "not_offloaded"

    def test_a_pod_of_somebody_else_is_refused(self, connected, fleet_serfs):
        fleet_serfs["serf1"].kubectl("run", "mine", "--image=nginx")
        with pytest.raises(Refusal) as refusal:
            offload(connected, "default", "mine")
        assert refusal.value.code == "not_emulated"

    def test_a_pod_without_a_replay_is_refused(self, connected, fleet_serfs, local):
        fleet_serfs["serf1"].kubectl("delete", "lease", "serflab-replay", "-n", "kube-system")
        with pytest.raises(Refusal) as refusal:
            offload(connected, *local)
        assert refusal.value.code == "not_played"
