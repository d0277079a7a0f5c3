"""create_resources.py on a real serf: the scheduler binds, KWOK makes running, nothing is done twice or to others."""

from __future__ import annotations

import json

import pytest
from programs import shown, small_config


def versions(emulation):
    return {key: pod["metadata"]["resourceVersion"] for key, pod in emulation.pods().items()}


def uids(emulation):
    return {key[1]: pod["metadata"]["uid"] for key, pod in emulation.pods().items()}


def names(emulation):
    return [*emulation.data["namespaces"], emulation.data["node_config"]["single_node"]["name"]]


def test_pods_run_and_show_their_first_point(created):
    pods = created.pods()
    node = created.data["node_config"]["single_node"]["name"]
    assert {name for _, name in pods} == {"web-0", "web-1", "db-0"}
    for pod in pods.values():
        assert pod["status"]["phase"] == "Running"
        assert pod["spec"]["nodeName"] == node
    web = next(pod for (_, name), pod in pods.items() if name == "web-0")
    assert shown(web) == ("100.0m", "100.0Mi", "1.00W", "0.0%", "100.0m", "100.0Mi")
    assert web["spec"]["containers"][0]["resources"]["requests"] == {"cpu": "200m", "memory": "100Mi"}


def test_the_real_scheduler_binds_the_pods(created):
    namespace = created.data["namespaces"][0]
    events = created.get("events", "-n", namespace, "--field-selector=reason=Scheduled").values()
    assert {event["involvedObject"]["name"] for event in events} == {"web-0", "web-1"}


def test_running_it_twice_changes_nothing(created):
    before = versions(created)
    status, log = created.create()
    assert status == 0
    assert "nothing to do: everything is as the config says" in log
    assert versions(created) == before


@pytest.mark.parametrize(
    ("nodes", "expected"),
    [
        (
            {"mode": "single_node", "single_node": {"name": "NAME-node", "cpu": "4", "memory": "8Gi"}},
            [{"NAME-node"}] * 3,
        ),
        (
            {
                "mode": "per_namespace",
                "per_namespace_nodes": {
                    "NAME-shop": {"name": "NAME-a", "cpu": "2", "memory": "4Gi"},
                    "NAME-data": {"name": "NAME-b", "cpu": "2", "memory": "4Gi"},
                },
            },
            [{"NAME-a"}, {"NAME-a"}, {"NAME-b"}],
        ),
        ({"mode": "pool", "pool": {"count": 2, "cpu": "4", "memory": "8Gi"}}, None),
    ],
    ids=["single", "per namespace", "pool"],
)
def test_node_modes(make_emulation, nodes, expected):
    names = []

    def config(name):
        names.append(name)
        return {**small_config(name), "node_config": json.loads(json.dumps(nodes).replace("NAME", name))}

    emulation = make_emulation(config)
    status, log = emulation.create()
    assert status == 0, log
    placed = [emulation.pods()[pod["namespace"], pod["pod_name"]]["spec"]["nodeName"] for pod in emulation.data["pods"]]
    ours = set(emulation.get("nodes", f"-l=app.kubernetes.io/instance={emulation.config.stem}"))
    if expected is None:
        assert len(ours) == 2
        assert set(placed) <= ours
    else:
        assert [{node} for node in placed] == [
            {node.replace("NAME", names[0]) for node in allowed} for allowed in expected
        ]


def test_what_is_missing_is_made_anew_and_nothing_else(created):
    namespace = created.data["namespaces"][0]
    before = uids(created)
    created.serf.kubectl("-n", namespace, "delete", "pod", "web-0")
    status, log = created.create()
    assert status == 0
    assert "done: create 1 pods" in log
    after = uids(created)
    assert after.pop("web-0") != before.pop("web-0")
    assert after == before


def test_a_pod_that_has_ended_is_made_anew(created):
    namespace = created.data["namespaces"][0]
    patch = json.dumps({"status": {"phase": "Failed"}})
    created.serf.kubectl("-n", namespace, "patch", "pod", "web-0", "--subresource=status", f"--patch={patch}")
    status, log = created.create()
    assert status == 0
    assert "done: replace 1 pods" in log
    assert {pod["status"]["phase"] for pod in created.pods().values()} == {"Running"}


def test_a_changed_config_is_carried_out(created):
    def change(data):
        data["node_config"]["single_node"]["cpu"] = "6"
        data["pods"][0]["time_series"][0]["cpu"] = 1000  # web-0 requests more
        del data["pods"][1]  # web-1 goes

    created.change(change)
    status, log = created.create()
    assert status == 0
    assert "done: change 1 nodes, replace 1 pods, remove 1 pods" in log
    pods = {name: pod for (_, name), pod in created.pods().items()}
    assert set(pods) == {"web-0", "db-0"}
    assert pods["web-0"]["spec"]["containers"][0]["resources"]["requests"]["cpu"] == "500m"
    node = created.get("nodes")[created.data["node_config"]["single_node"]["name"]]
    assert node["status"]["capacity"]["cpu"] == "6"
    assert created.create()[1].count("nothing to do") == 1


def test_a_dry_run_says_what_it_would_do(emulation):
    status, log = emulation.create("--dry-run")
    assert status == 0
    assert "would create 2 namespaces, create 1 nodes, create 3 pods" in log
    assert not emulation.get("namespaces").keys() & set(names(emulation))
    assert not emulation.get("nodes").keys() & set(names(emulation))


def test_requests_that_cannot_fit_are_refused_before_anything_is_created(emulation):
    emulation.change(lambda data: data["node_config"]["single_node"].update(cpu="100m", memory="100Mi"))
    status, log = emulation.create()
    assert status == 2
    assert "has 100m of CPU, its 3 pods request 271m" in log
    assert "has 100Mi of memory, its 3 pods request 300Mi" in log
    assert not emulation.get("namespaces").keys() & set(names(emulation))


def test_a_pod_of_others_with_the_same_name_is_in_the_way(created):
    namespace = created.data["namespaces"][0]
    created.serf.kubectl("-n", namespace, "label", "pod", "web-0", "app.kubernetes.io/managed-by-", "--overwrite")
    created.serf.kubectl("-n", namespace, "delete", "pod", "web-1")
    status, log = created.create()
    assert status == 1
    assert f"pod {namespace}/web-0 is there already and was not made by serflab" in log
    assert "web-1" not in created.get("pods", "-n", namespace)
    created.serf.kubectl("-n", namespace, "delete", "pod", "web-0")


def test_a_node_that_was_made_from_another_config_is_in_the_way(created):
    other = created.config.with_name("other.json")
    data = created.data
    data["namespaces"] = [name.replace("-", "-x-") for name in data["namespaces"]]
    for pod in data["pods"]:
        pod["namespace"] = pod["namespace"].replace("-", "-x-")
    other.write_text(json.dumps(data))
    status, log = type(created)(created.serf, other).create()
    assert status == 1
    assert f"made from another config ({created.config.stem!r})" in log
    assert not created.get("namespaces").keys() & set(data["namespaces"])


def test_delete_removes_what_was_made(created):
    status, log = created.create("--delete")
    assert status == 0
    assert "removed 3 pods, 1 nodes, 2 namespaces" in log
    assert not created.get("namespaces").keys() & set(names(created))
    assert not created.get("nodes").keys() & set(names(created))
    status, log = created.create("--delete")
    assert status == 0
    assert "nothing to remove" in log


def test_delete_leaves_what_others_made(emulation):
    ours, theirs = emulation.data["namespaces"]
    emulation.serf.kubectl("create", "namespace", theirs)
    assert emulation.create()[0] == 0
    emulation.serf.kubectl("-n", ours, "create", "configmap", "precious", "--from-literal=a=b")
    status, log = emulation.create("--delete")
    assert status == 0
    assert "removed 3 pods, 1 nodes, 0 namespaces" in log
    assert f"namespace {ours} stays, it holds objects of others: configmaps/precious" in log
    assert {ours, theirs} <= emulation.get("namespaces").keys()
    assert not emulation.pods()
    emulation.serf.kubectl("delete", "namespace", ours, theirs)


def test_a_namespace_on_its_way_out_is_waited_for(created):
    namespace = created.data["namespaces"][0]
    created.serf.kubectl("delete", "namespace", namespace, "--wait=false")
    status, log = created.create()
    assert status == 0, log
    assert {pod["status"]["phase"] for pod in created.pods().values()} == {"Running"}


def test_pods_that_do_not_come_to_run_are_named_with_the_reason(created):
    created.serf.kubectl("cordon", created.data["node_config"]["single_node"]["name"])
    created.serf.kubectl("-n", created.data["namespaces"][0], "delete", "pod", "web-0")
    status, log = created.create("--timeout=1")
    assert status == 1
    assert "1 of 3 pods are not running after 1 s" in log
    assert f"{created.data['namespaces'][0]}/web-0: " in log
    assert "unschedulable" in log
