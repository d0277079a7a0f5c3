"""`serflab export kubernetes`: which serf becomes which pod, and what the manifests say, whatever the topology."""

from __future__ import annotations

import base64
import gzip
import json
import re
import shlex
import subprocess
from dataclasses import replace

import pytest
import yaml

from serflab.errors import InputError, SerflabError
from serflab.lab.export.manifests import HEADER, files, manifests, stream, write
from serflab.lab.export.plan import ExportSettings, plan_export
from serflab.lab.export.resources import serf_needs
from serflab.lab.topology import load_topology

POINT = {"time": 1, "cpu": 40.0, "memory": 85.0, "power": 0.15, "psi": 0.0}


@pytest.fixture
def topology(tmp_path):
    """Three serfs of two groups with two configs of the same file name, a router and a Prometheus."""
    for place, pods in (("a", 1), ("b", 200)):
        (tmp_path / place).mkdir()
        listed = [{"namespace": "ns1", "pod_name": f"web-{number}", "time_series": [POINT]} for number in range(pods)]
        node = {"mode": "single", "single_node": {"name": "node-1", "cpu": "64", "memory": "256Gi"}}
        trace = {"node_config": node, "namespaces": ["ns1"], "pods": listed}
        (tmp_path / place / "trace.json").write_text(json.dumps(trace))
    file = tmp_path / "topology.yaml"
    file.write_text(
        """
name: mixed
topology:
  groups:
    edge: {image: "${EDGE_IMAGE:=edge:1}", labels: {serflab.role: serf}, env: {SERFLAB_CONFIG: a/trace.json}}
  nodes:
    north: {group: edge, env: {SERFLAB_PHASE: 3}}
    south: {group: edge, env: {SERFLAB_CONFIG: b/trace.json, SERFLAB_INTERVAL: 2.5}}
    serf7: {env: {SERFLAB_CONFIG: a/trace.json}}
    router: {kind: linux, image: "alpine:3"}
    prometheus: {image: "prom/prometheus:v9", labels: {serflab.role: prometheus}}
"""
    )
    return file


@pytest.fixture
def settings(checkout, topology):
    return ExportSettings(checkout, topology, "lab", 5.0)


@pytest.fixture
def export(settings):
    return plan_export(settings)


def objects(export, kind):
    """Return the objects of a kind by name, which must differ."""
    found = [body for bodies in manifests(export).values() for body in bodies if body["kind"] == kind]
    named = {body["metadata"]["name"]: body for body in found}
    assert len(named) == len(found)
    return named


def pod_specs(export):
    return {
        f"{kind}/{name}": body["spec"]["template"]["spec"]
        for kind in ("StatefulSet", "Deployment")
        for name, body in objects(export, kind).items()
    }


def variables(export, group, pod):
    """Return what a pod's line of the table puts into the environment of its entrypoint."""
    [container] = objects(export, "StatefulSet")[group]["spec"]["template"]["spec"]["containers"]
    table = objects(export, "ConfigMap")[f"{group}-pods"]["data"][pod]
    assert f"{group}-pods" in str(container) + str(objects(export, "StatefulSet")[group]["spec"]["template"])
    return dict(shlex.split(line)[0].split("=", 1) for line in table.splitlines())


def test_a_stateful_set_a_group_and_a_pod_a_serf_in_the_order_of_the_topology(export):
    assert {group.name: [(serf.pod, serf.name) for serf in group.serfs] for group in export.groups} == {
        "edge": [("edge-1", "north"), ("edge-2", "south")],
        "serf": [("serf-1", "serf7")],
    }
    sets = objects(export, "StatefulSet")
    assert {name: (body["spec"]["replicas"], body["spec"]["ordinals"]) for name, body in sets.items()} == {
        "edge": (2, {"start": 1}),
        "serf": (1, {"start": 1}),
    }


def test_each_pod_learns_its_name_config_and_clock_from_the_table(export):
    north, south = variables(export, "edge", "edge-1"), variables(export, "edge", "edge-2")
    assert (north["SERFLAB_NAME"], north["SERFLAB_PHASE"], north["SERFLAB_INTERVAL"]) == ("north", "3", "5")
    assert (south["SERFLAB_NAME"], south["SERFLAB_PHASE"], south["SERFLAB_INTERVAL"]) == ("south", "0", "2.5")
    assert {"north.lab.svc", "edge-1.edge.lab.svc"} < set(north["SERFLAB_NAMES"].split(","))
    # Same file name, other content.
    assert north["SERFLAB_CONFIG"] != south["SERFLAB_CONFIG"]
    assert variables(export, "serf", "serf-1")["SERFLAB_CONFIG"] == north["SERFLAB_CONFIG"]


def test_the_entrypoint_reads_the_table_as_a_shell_does(export, tmp_path):
    [container] = objects(export, "StatefulSet")["edge"]["spec"]["template"]["spec"]["containers"]
    (tmp_path / "edge-2").write_text(objects(export, "ConfigMap")["edge-pods"]["data"]["edge-2"])
    [shell, flag, script] = container["command"]
    script = script.replace("/etc/serflab/pods", str(tmp_path)).replace("python3 -m serflab.lab.container", "env")
    done = subprocess.run([shell, flag, script], env={"POD_NAME": "edge-2"}, capture_output=True, text=True, check=True)
    assert "SERFLAB_NAME=south\n" in done.stdout


def test_configs_arrive_as_they_are(export, topology, tmp_path):
    archives = {}
    for body in objects(export, "ConfigMap").values():
        for key, data in body.get("binaryData", {}).items():
            archives[key] = base64.b64decode(data)
    assert len(archives) == 2
    [unpack] = pod_specs(export)["StatefulSet/edge"]["initContainers"]
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    for key, data in archives.items():
        (tmp_path / "in" / key).write_bytes(data)
    script = unpack["command"][2].replace("/etc/serflab/configs", str(tmp_path / "in"))
    subprocess.run([*unpack["command"][:2], script.replace("/opt/configs", str(tmp_path / "out"))], check=True)
    for group, pod, place in (("edge", "edge-1", "a"), ("edge", "edge-2", "b")):
        config = variables(export, group, pod)["SERFLAB_CONFIG"].removeprefix("configs/")
        assert (tmp_path / "out" / config).read_text() == (topology.parent / place / "trace.json").read_text()
        assert gzip.decompress(archives[f"{config}.gz"]).decode() == (tmp_path / "out" / config).read_text()


def test_configs_of_equal_text_are_one_object_whatever_their_files(settings, topology):
    (topology.parent / "b" / "trace.json").write_text((topology.parent / "a" / "trace.json").read_text())
    (topology.parent / "a" / "Trace.json").write_text((topology.parent / "a" / "trace.json").read_text())
    text = topology.read_text()
    topology.write_text(text.replace("serf7: {env: {SERFLAB_CONFIG: a/trace", "serf7: {env: {SERFLAB_CONFIG: a/Trace"))
    export = plan_export(settings)
    assert len([name for name in objects(export, "ConfigMap") if name.startswith("config-")]) == 1
    for name, spec in pod_specs(export).items():
        sources = [
            str(source) for volume in spec["volumes"] for source in volume.get("projected", {}).get("sources", ())
        ]
        assert len(set(sources)) == len(sources), name
    played = {variables(export, "edge", pod)["SERFLAB_CONFIG"] for pod in ("edge-1", "edge-2")}
    assert played == {variables(export, "serf", "serf-1")["SERFLAB_CONFIG"]}


@pytest.mark.parametrize("file", ["my trace.json", ".trace.json", "...", "größe.json", f"{'x' * 250}.json"])
def test_any_file_name_becomes_a_key_that_a_config_map_may_have(settings, topology, file):
    (topology.parent / "a" / "trace.json").rename(topology.parent / "a" / file)
    topology.write_text(topology.read_text().replace("a/trace.json", f"'a/{file}'"))
    export = plan_export(settings)
    keys = {key for body in objects(export, "ConfigMap").values() for key in body.get("binaryData", {})}
    assert len(keys) == 2
    for key in keys:
        # https://kubernetes.io/docs/concepts/configuration/configmap/, and no file that `*` passes over.
        assert re.fullmatch(r"[-_a-zA-Z0-9][-._a-zA-Z0-9]{0,252}", key)
    assert f"{variables(export, 'edge', 'edge-1')['SERFLAB_CONFIG'].removeprefix('configs/')}.gz" in keys


def test_names_that_become_the_same_key_are_told_apart(settings, topology):
    (topology.parent / "a" / "trace.json").rename(topology.parent / "a" / "my trace.json")
    (topology.parent / "b" / "trace.json").rename(topology.parent / "b" / "my+trace.json")
    text = topology.read_text().replace("a/trace", "a/my trace").replace("b/trace", "b/my+trace")
    topology.write_text(text)
    export = plan_export(settings)
    assert len({config.key for config in export.configs}) == len(export.configs) == 2


def test_another_config_is_another_object_and_rolls_the_pods(settings, topology):
    before = plan_export(settings)
    trace = topology.parent / "a" / "trace.json"
    trace.write_text(trace.read_text().replace("40.0", "41.0"))
    after = plan_export(settings)
    assert set(objects(before, "ConfigMap")) != set(objects(after, "ConfigMap"))
    assert pod_specs(before)["StatefulSet/serf"] != pod_specs(after)["StatefulSet/serf"]


def test_another_phase_rolls_the_pods_of_its_group_alone(settings, topology):
    before = objects(plan_export(settings), "StatefulSet")
    topology.write_text(topology.read_text().replace("SERFLAB_PHASE: 3", "SERFLAB_PHASE: 4"))
    after = objects(plan_export(settings), "StatefulSet")
    assert before["edge"]["spec"]["template"] != after["edge"]["spec"]["template"]
    assert before["serf"] == after["serf"]


def test_images_are_the_topologys_with_its_variables_or_the_given_one(settings, monkeypatch):
    def images(export):
        return {name: spec["containers"][0]["image"] for name, spec in pod_specs(export).items()}

    assert images(plan_export(settings)) == {
        "StatefulSet/edge": "edge:1",
        "StatefulSet/serf": "serflab/serf:k3s",
        "Deployment/prometheus": "prom/prometheus:v9",
        "Deployment/viewer": "serflab/viewer:latest",
    }
    monkeypatch.setenv("EDGE_IMAGE", "edge:2")
    assert images(plan_export(settings))["StatefulSet/edge"] == "edge:2"
    # What a variable holds is not expanded again.
    monkeypatch.setenv("EDGE_IMAGE", "edge:${HOME}")
    assert images(plan_export(settings))["StatefulSet/edge"] == "edge:${HOME}"
    given = images(plan_export(replace(settings, image="mine:1", viewer_image="mine:2")))
    assert (given["StatefulSet/edge"], given["StatefulSet/serf"]) == ("mine:1", "mine:1")
    assert given["Deployment/viewer"] == "mine:2"


def test_serfs_of_one_group_have_one_image(settings, topology):
    topology.write_text(topology.read_text().replace("south: {group", 'south: {image: "other:1", group'))
    with pytest.raises(InputError, match=r"groups\.edge: its serfs have several images \(edge:1, other:1\)"):
        plan_export(settings)


def test_every_finding_at_once(settings, topology):
    text = topology.read_text().replace("north:", "North_1:").replace("south:", "viewer:").replace("serf7:", "edge:")
    topology.write_text(text.replace("edge: {env", "edge: {labels: {serflab.role: serf}, env").replace(": 2.5", ": x"))
    with pytest.raises(InputError) as raised:
        plan_export(settings)
    assert "SERFLAB_INTERVAL" in str(raised.value)
    topology.write_text(topology.read_text().replace(": x", ": 1"))
    with pytest.raises(InputError) as raised:
        plan_export(settings)
    assert {finding.path for finding in raised.value.findings} == {
        "$.topology.nodes.North_1",
        "$.topology.nodes.viewer",
        "$.topology.groups.edge",
    }


def test_a_config_that_no_config_map_holds_is_refused(settings, monkeypatch):
    monkeypatch.setattr("serflab.lab.export.plan._MOST_BYTES", 500)
    with pytest.raises(InputError, match=r"b/trace.json: has \d KiB when it is compressed"):
        plan_export(settings)


def test_the_first_serfs_only(settings):
    export = plan_export(replace(settings, serfs=1))
    assert [serf.name for serf in export.serfs] == ["north"]
    assert set(objects(export, "StatefulSet")) == {"edge"}


def test_every_pod_keeps_to_pod_security_restricted(export):
    for name, spec in pod_specs(export).items():
        assert spec["securityContext"]["runAsNonRoot"], name
        assert spec["securityContext"]["runAsUser"] > 0, name
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        for container in [*spec.get("initContainers", ()), *spec["containers"]]:
            security = container["securityContext"]
            assert security["capabilities"] == {"drop": ["ALL"]}, name
            assert security["allowPrivilegeEscalation"] is False, name
            assert security["readOnlyRootFilesystem"], name
            assert container["imagePullPolicy"] == "IfNotPresent", name
            assert {"cpu", "memory"} <= set(container["resources"]["requests"]), name
            assert "memory" in container["resources"]["limits"], name


def test_every_mount_has_its_volume_and_every_volume_its_object(export):
    maps = objects(export, "ConfigMap")
    for name, spec in pod_specs(export).items():
        volumes = {volume["name"]: volume for volume in spec["volumes"]}
        used = {
            mount["name"]
            for container in [*spec.get("initContainers", ()), *spec["containers"]]
            for mount in container["volumeMounts"]
        }
        assert used == set(volumes), name
        for volume in volumes.values():
            sources = volume.get("projected", {}).get("sources", [volume])
            for source in sources:
                wanted = source.get("configMap", {}).get("name")
                assert wanted in {*maps, None, "kube-root-ca.crt"}, name


def test_only_discovery_and_prometheus_have_a_token_and_only_for_what_they_do(export):
    specs = pod_specs(export)
    assert {name for name, spec in specs.items() if spec["automountServiceAccountToken"]} == {"Deployment/prometheus"}
    holders = {
        container["name"]
        for container in specs["Deployment/viewer"]["containers"]
        if "account" in {mount["name"] for mount in container["volumeMounts"]}
    }
    assert holders == {"discovery"}
    roles = {name: body["rules"] for name, body in objects(export, "Role").items()}
    assert not objects(export, "ClusterRole")
    [pods, execs] = roles["viewer"]
    assert execs["resourceNames"] == ["edge-1", "edge-2", "serf-1"]
    assert (pods["resources"], pods["verbs"]) == (["pods"], ["list", "watch"])
    assert all(set(rule["verbs"]) <= {"get", "list", "watch"} for rule in roles["prometheus"])


def test_a_service_for_each_serf_and_a_headless_one_for_each_group(export):
    services = objects(export, "Service")
    assert set(services) == {"north", "south", "serf7", "edge", "serf", "prometheus", "viewer"}
    assert services["south"]["spec"]["selector"]["statefulset.kubernetes.io/pod-name"] == "edge-2"
    assert services["edge"]["spec"]["clusterIP"] == "None"
    assert {name for name, body in services.items() if "serflab.serf" in body["metadata"]["labels"]} == {
        "north",
        "south",
        "serf7",
    }


def test_the_viewer_reads_the_topology_as_it_is_here(settings, topology, tmp_path, monkeypatch):
    monkeypatch.setenv("EDGE_IMAGE", "edge:2")
    monkeypatch.setenv("RATE", "100mbit")
    text = topology.read_text().replace("router: {", 'router: {env: {A: "$$HOME", B: "$5", T: "${SERFLAB_INTERVAL}"}, ')
    links = '  links: [{endpoints: ["north:eth1", "south:eth1"], labels: {serflab.rate: "${RATE}"}}]\n'
    topology.write_text(text + links)
    (tmp_path / "there.yaml").write_text(objects(plan_export(settings), "ConfigMap")["lab"]["data"]["topology.yaml"])
    there = load_topology(tmp_path / "there.yaml", {"HOME": "/opt"})
    assert there.node("north").image == "edge:2"
    assert there.node("router").env == {"A": "$HOME", "B": "$5", "T": "5"}
    assert there.links[0].rate == 100e6


def test_requests_grow_with_the_pods_and_the_speed(export):
    def requests(name):
        return pod_specs(export)[name]["containers"][0]["resources"]["requests"]

    assert int(requests("StatefulSet/edge")["memory"][:-2]) > int(requests("StatefulSet/serf")["memory"][:-2])
    assert int(requests("StatefulSet/edge")["cpu"][:-1]) > int(requests("StatefulSet/serf")["cpu"][:-1])
    assert serf_needs(80, 1.0).cpu > serf_needs(80, 5.0).cpu


def test_prometheus_finds_the_serfs_by_kubernetes_and_keeps_everything_else(export, checkout):
    config = yaml.safe_load(objects(export, "ConfigMap")["prometheus"]["data"]["prometheus.yml"])
    own = yaml.safe_load((checkout / "prometheus.yml").read_text())
    assert config["global"] == own["global"]
    [serfs, itself] = config["scrape_configs"]
    assert itself == own["scrape_configs"][1]
    assert serfs["job_name"] == "kwok-emulation"
    assert "file_sd_configs" not in serfs
    [discovery] = serfs["kubernetes_sd_configs"]
    assert discovery["selectors"][0]["label"].split(",")[-1] == "serflab.serf"
    rules = objects(export, "ConfigMap")["prometheus"]["data"]["serflab-rules.yml"]
    assert rules == (checkout / "prometheus-rules.yml").read_text()


def test_a_prometheus_config_without_the_serfs_is_refused(settings, tmp_path):
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    (checkout / "prometheus.yml").write_text("scrape_configs: []\n")
    (checkout / "prometheus-rules.yml").write_text("groups: []\n")
    with pytest.raises(InputError, match=r"prometheus.yml: \$.scrape_configs: has no job 'kwok-emulation'"):
        manifests(plan_export(replace(settings, checkout=checkout)))


def test_the_same_input_gives_the_same_bytes(settings):
    assert files(plan_export(settings)) == files(plan_export(settings))
    assert stream(plan_export(settings)) == stream(plan_export(settings))


def test_the_files_hold_what_the_stream_holds_and_kustomization_names_them_all(export):
    texts = files(export)
    listed = yaml.safe_load(texts.pop("kustomization.yaml"))["resources"]
    assert listed == list(texts)
    parsed = [body for text in texts.values() for body in yaml.safe_load_all(text)]
    assert parsed == list(yaml.safe_load_all(stream(export)))
    assert parsed == [body for bodies in manifests(export).values() for body in bodies]


def test_writing_again_changes_nothing_and_leaves_other_files_alone(export, tmp_path):
    texts, directory = files(export), tmp_path / "out"
    assert write(texts, directory) == list(texts)
    (directory / "mine.yaml").write_text("kind: Mine\n")
    assert write(texts, directory) == []
    assert write({**texts, "serfs.yaml": f"{HEADER}---\n"}, directory) == ["serfs.yaml"]
    assert (directory / "mine.yaml").read_text() == "kind: Mine\n"


def test_files_of_others_are_not_overwritten(export, tmp_path):
    (tmp_path / "kustomization.yaml").write_text("resources: [mine.yaml]\n")
    with pytest.raises(SerflabError, match=r"not serflab's: kustomization\.yaml"):
        write(files(export), tmp_path)
    assert not (tmp_path / "serfs.yaml").exists()
