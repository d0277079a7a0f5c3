"""The manifests in k8s/ say what the code says, and give the programs no more than they need."""

from __future__ import annotations

import re

import pytest
import yaml

from rebalance_manifests import CHECKOUT, FOLDER, IN_ORDER, NEEDS_OPERATOR, arguments, bodies, objects, pod_spec
from serflab.emulation.names import KWOK_NODE
from serflab.lab.export.plan import PROMETHEUS_IMAGE
from serflab.lab.rebalance_image import RebalanceImage
from serflab.rebalance import admission, policy
from serflab.rebalance.descheduler import Descheduler
from serflab.rebalance.names import GROUP, KWOK_TYPE, NODE_CORES, NODE_MEMORY_GIB, NODE_PODS, NODE_TYPE, SCHEDULABLE
from serflab.rebalance.placement import node_body
from serflab.rebalance.rules import RuleSettings
from serflab.rebalance.scenario import Node
from serflab.rebalance.webhook_configuration import PROBE

DEPLOYMENTS = sorted(objects("Deployment"))
PYTHON = ("eviction-webhook", "metrics-exporter", "vm-controller")


def test_all_files_are_known_here():
    assert {file.name for file in FOLDER.glob("*.yaml")} == {*IN_ORDER, NEEDS_OPERATOR}
    assert sorted([*PYTHON, "descheduler", "prometheus"]) == DEPLOYMENTS


def test_the_nodes_are_those_that_take_part():
    nodes = objects("Node")
    assert sorted(nodes) == [f"kwok-node-{number}" for number in range(1, 6)]
    for name, node in nodes.items():
        metadata = node["metadata"]
        assert (
            metadata["labels"].items()
            >= {SCHEDULABLE: "true", NODE_TYPE: KWOK_TYPE, "kubernetes.io/hostname": name}.items()
        )
        assert metadata["annotations"] == {KWOK_NODE: "fake"}
        assert node["spec"]["taints"] == [{"key": KWOK_NODE, "value": "fake", "effect": "NoSchedule"}]
        room = {"cpu": str(NODE_CORES), "memory": f"{NODE_MEMORY_GIB}Gi", "pods": str(NODE_PODS)}
        assert node["status"]["capacity"] == room == node_body(Node(name))["status"]["capacity"]
        assert node["status"]["allocatable"] == node["status"]["capacity"]


def test_the_policies_are_those_that_the_package_installs():
    assert (FOLDER / "admission-policies.yaml").read_text(encoding="utf-8") == admission.text()


def test_the_webhook_may_install_its_own_configuration_and_evict_no_pod_but_its_probe():
    named = {
        resource: rule["resourceNames"]
        for kind in ("Role", "ClusterRole")
        for rule in objects(kind)["eviction-webhook"]["rules"]
        for resource in rule["resources"]
        if "resourceNames" in rule
    }
    assert named == {
        "validatingwebhookconfigurations": [admission.WEBHOOK_PATH.rpartition("/")[2]],
        "pods/eviction": [PROBE],
    }
    service = objects("Service")["eviction-webhook"]
    place = f"{service['metadata']['namespace']}/eviction-webhook:{service['spec']['ports'][0]['port']}"
    assert f"--service={place}" in arguments("eviction-webhook")


def test_prometheus_asks_the_services_at_the_ports_that_they_have():
    config = yaml.safe_load(objects("ConfigMap")["prometheus-config"]["data"]["prometheus.yml"])
    jobs = {job["job_name"]: job for job in config["scrape_configs"]}
    exporter, descheduler = jobs["rebalance-exporter"], jobs["rebalance-descheduler"]
    assert exporter["honor_labels"] is True
    assert descheduler["scheme"] == "https"
    for job, name in ((exporter, "metrics-exporter"), (descheduler, "descheduler")):
        service = objects("Service")[name]
        host = f"{name}.{service['metadata']['namespace']}.svc:{service['spec']['ports'][0]['port']}"
        assert job["static_configs"] == [{"targets": [host]}]
    service = objects("Service")["prometheus"]
    assert f"http://prometheus.monitoring.svc:{service['spec']['ports'][0]['port']}" == policy.CLUSTER_PROMETHEUS
    assert config["rule_files"] == ["/etc/prometheus/rules/*.yml"]
    mounted = {mount["name"]: mount["mountPath"] for mount in pod_spec("prometheus")["containers"][0]["volumeMounts"]}
    assert mounted["rules"] == "/etc/prometheus/rules"


def test_the_descheduler_has_the_flags_with_which_it_works(tmp_path):
    of_machine = {"--client-connection-kubeconfig", "--bind-address", "--tls-cert-file", "--tls-private-key-file"}
    files = [tmp_path / name for name in ("descheduler", "kubeconfig", "policy", "ca", "crt", "key")]
    wanted = dict(
        flag.split("=", 1) for flag in Descheduler(files[0], files[1], files[2], 120, 10258, *files[3:]).flags
    )
    given = dict(flag.split("=", 1) for flag in arguments("descheduler"))
    assert set(given) == set(wanted) - of_machine
    for flag in ("--feature-gates", "--descheduling-interval", "--secure-port", "--logging-format", "--v"):
        assert given[flag] == wanted[flag], flag
    volumes = {volume["name"]: volume for volume in pod_spec("descheduler")["volumes"]}
    (mount,) = pod_spec("descheduler")["containers"][0]["volumeMounts"]
    assert volumes[mount["name"]]["configMap"]["name"] == policy.CONFIG_MAP
    assert given["--policy-config-file"] == f"{mount['mountPath']}/{policy.FILE}"


def test_images_are_those_that_are_pinned_or_built():
    pinned = (CHECKOUT / "tools/cluster/go.mod").read_text(encoding="utf-8")
    version = re.search(r"sigs\.k8s\.io/descheduler (v[0-9.]+)", pinned)[1]
    images = {name: pod_spec(name)["containers"][0]["image"] for name in DEPLOYMENTS}
    assert images == {
        "descheduler": f"registry.k8s.io/descheduler/descheduler:{version}",
        "prometheus": PROMETHEUS_IMAGE,
        **dict.fromkeys(PYTHON, f"{RebalanceImage.repository}:latest"),
    }


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_each_pod_has_as_few_rights_as_it_can(name):
    spec = pod_spec(name)
    (container,) = spec["containers"]
    assert spec["serviceAccountName"] in objects("ServiceAccount")
    assert spec["automountServiceAccountToken"] is (name != "prometheus")
    assert (
        spec["securityContext"].items() >= {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}.items()
    )
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert {"cpu", "memory"} <= set(container["resources"]["requests"])
    assert "memory" in container["resources"]["limits"]


def test_no_role_gives_more_than_it_says():
    for kind in ("Role", "ClusterRole"):
        for name, role in objects(kind).items():
            for rule in role["rules"]:
                assert "*" not in [*rule["verbs"], *rule["resources"], *rule["apiGroups"]], name
                assert "secrets" not in rule["resources"], name


@pytest.mark.parametrize("kind", ["ClusterRoleBinding", "RoleBinding"])
def test_each_binding_binds_a_role_and_an_account_that_are_there(kind):
    accounts = {(body["metadata"]["namespace"], name) for name, body in objects("ServiceAccount").items()}
    for name, body in objects(kind).items():
        assert body["roleRef"]["name"] in objects(body["roleRef"]["kind"]), name
        assert {(subject["namespace"], subject["name"]) for subject in body["subjects"]} <= accounts, name


def test_every_service_finds_its_pods_and_their_port():
    for name, service in objects("Service").items():
        deployment = objects("Deployment")[name]
        labels = deployment["spec"]["template"]["metadata"]["labels"]
        assert service["spec"]["selector"].items() <= labels.items()
        assert service["metadata"]["namespace"] == deployment["metadata"]["namespace"]
        (port,) = service["spec"]["ports"]
        ports = {one["name"]: one["containerPort"] for one in pod_spec(name)["containers"][0]["ports"]}
        assert any(
            f"={ports[port['targetPort']]}" in word or f":{ports[port['targetPort']]}" in word
            for word in arguments(name)
        )


def test_our_group_is_named_as_in_the_code():
    for name in ("vm-controller.yaml", "metrics-exporter.yaml", "eviction-webhook.yaml"):
        groups = {
            group for body in bodies(name) for rule in body.get("rules") or () for group in rule.get("apiGroups", ())
        }
        assert {group for group in groups if "node-classifier" in group} == {GROUP}


def test_prometheus_forgets_old_samples_after_what_the_rules_average_over_as_in_a_loop():
    assert f"--query.lookback-delta={RuleSettings().window}" in arguments("prometheus")
