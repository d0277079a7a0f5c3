"""The manifests in k8s/ as a real API server takes them; nothing but definitions and namespaces is made."""

from __future__ import annotations

import json

import pytest

from rebalance_manifests import FOLDER, IN_ORDER, NEEDS_OPERATOR, bodies, objects, pod_spec

# Of the Prometheus operator's own definition only what this test needs: that rules have a record and an expression.
OPERATOR = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "prometheusrules.monitoring.coreos.com"},
    "spec": {
        "group": "monitoring.coreos.com",
        "names": {"kind": "PrometheusRule", "plural": "prometheusrules", "singular": "prometheusrule"},
        "scope": "Namespaced",
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "required": ["spec"],
                        "properties": {
                            "spec": {
                                "type": "object",
                                "required": ["groups"],
                                "properties": {
                                    "groups": {
                                        "type": "array",
                                        "items": {
                                            "type": "object",
                                            "required": ["name", "rules"],
                                            "properties": {
                                                "name": {"type": "string", "minLength": 1},
                                                "interval": {"type": "string"},
                                                "rules": {
                                                    "type": "array",
                                                    "items": {
                                                        "type": "object",
                                                        "required": ["record", "expr"],
                                                        "properties": {
                                                            "record": {"type": "string"},
                                                            "expr": {"type": "string"},
                                                            "labels": {
                                                                "type": "object",
                                                                "additionalProperties": {"type": "string"},
                                                            },
                                                        },
                                                    },
                                                },
                                            },
                                        },
                                    }
                                },
                            }
                        },
                    }
                },
            }
        ],
    },
}


@pytest.fixture(scope="module")
def prepared(serf):
    """The shared serf with what has to be there before the rest is checked."""
    for name in IN_ORDER[:2]:
        serf.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(FOLDER / name))
    serf.kubectl("apply", "--server-side", "-f", "-", stdin=json.dumps(OPERATOR))
    serf.kubectl("wait", "--for=condition=Established", "--timeout=30s", "crd", "--all")
    yield serf
    serf.kubectl("delete", "crd", OPERATOR["metadata"]["name"])
    serf.kubectl("delete", "--wait=false", "-f", str(FOLDER / IN_ORDER[0]))


@pytest.mark.parametrize("name", [*IN_ORDER, NEEDS_OPERATOR])
def test_the_server_takes_it(prepared, name):
    told = prepared.kubectl("apply", "--dry-run=server", "--server-side", "--force-conflicts", "-f", str(FOLDER / name))
    assert told.count("(server dry run)") == len(bodies(name))


@pytest.mark.parametrize("name", ["prometheus.yaml", "vm-controller.yaml", NEEDS_OPERATOR])
def test_it_would_find_a_field_that_is_none(prepared, name):
    body = bodies(name)[-1]
    body["spec"]["replicaz"] = 2
    body["spec"].setdefault("groups", [{"name": ""}])
    with pytest.raises(AssertionError, match=r"replicaz|unknown field|name in body should be at least 1"):
        prepared.kubectl("create", "--dry-run=server", "--validate=strict", "-f", "-", stdin=json.dumps(body))


@pytest.mark.parametrize("name", sorted(objects("Deployment")))
def test_pod_security_restricted_lets_its_pods_in(prepared, name):
    """In the namespace `monitoring`, which enforces it; `default` does not."""
    spec = {key: value for key, value in pod_spec(name).items() if key != "serviceAccountName"}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "monitoring"}, "spec": spec}
    prepared.kubectl("create", "--dry-run=server", "-f", "-", stdin=json.dumps(pod))
    pod["spec"]["containers"][0]["securityContext"].pop("capabilities")
    with pytest.raises(AssertionError, match="violates PodSecurity"):
        prepared.kubectl("create", "--dry-run=server", "-f", "-", stdin=json.dumps(pod))


def test_a_node_keeps_its_room_when_it_is_applied(prepared):
    """Else KWOK would give it one of its own choice."""
    try:
        prepared.kubectl("apply", "--server-side", "-f", str(FOLDER / "kwok-nodes.yaml"))
        node = json.loads(prepared.kubectl("get", "node", "kwok-node-1", "-o", "json"))
        assert node["status"]["allocatable"].items() >= {"cpu": "32", "memory": "128Gi"}.items()
    finally:
        prepared.kubectl("delete", "-f", str(FOLDER / "kwok-nodes.yaml"))
