"""The manifests of `serflab export kubernetes` on a real API server, and the discovery of the serfs in a real lab."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from exported_lab import CHECKOUT, NAMESPACE, SERFS, serflab, within

from serflab.errors import SerflabError
from serflab.kube.client import ApiClient, ApiError
from serflab.kube.credentials import load_credentials
from serflab.kube.exec import ExecError, Target, run_in_pod
from serflab.lab.inventory import load_inventory
from serflab.lab.tools.toolbox import Toolbox

PODS = {"serf-1", "serf-2", "serf-3"}


def as_account(lab, account, *arguments):
    """Return whether the RBAC lets an account of the lab do that."""
    user = f"--as=system:serviceaccount:{NAMESPACE}:{account}"
    said = lab.host.kubectl("auth", "can-i", user, "--namespace", NAMESPACE, *arguments, check=False)
    return said.strip() == "yes"


@pytest.mark.parametrize("side", ["--server-side", "--server-side=false"])
def test_the_api_server_accepts_every_object_strictly(exported_lab, side):
    texts = serflab("export", "kubernetes", f"--namespace={NAMESPACE}", "--serfs=3", "--output=-")
    done = exported_lab.host.kubectl("apply", side, "--dry-run=server", "--validate=strict", "-f", "-", stdin=texts)
    assert len(done.splitlines()) == len(list(yaml.safe_load_all(texts)))


def test_an_unknown_field_would_be_noticed(exported_lab):
    text = (exported_lab.directory / "serfs.yaml").read_text().replace("podManagementPolicy", "podManagementPolitics")
    with pytest.raises(AssertionError, match=r'unknown field "spec.podManagementPolitics"'):
        exported_lab.host.kubectl("apply", "--dry-run=server", "--validate=strict", "-f", "-", stdin=text)


def test_all_pods_run_in_a_namespace_that_enforces_pod_security(exported_lab):
    def running():
        phases = exported_lab.pods()
        return len(phases) == len(PODS) + 2 and set(phases.values()) == {"Running"} and phases

    phases = within(running, "five pods run")
    assert set(phases) >= PODS
    namespace = json.loads(exported_lab.host.kubectl("get", "namespace", NAMESPACE, "-o", "json"))
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    [serfs] = exported_lab.get("statefulsets")
    assert serfs["status"]["readyReplicas"] == len(PODS)


def test_a_pod_that_breaks_the_rules_would_be_refused_there(exported_lab):
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "root", "namespace": NAMESPACE},
        "spec": {"containers": [{"name": "root", "image": "root:1"}]},
    }
    with pytest.raises(AssertionError, match=r'violates PodSecurity "restricted'):
        exported_lab.host.kubectl("create", "--dry-run=server", "-f", "-", stdin=json.dumps(pod))


def test_applying_again_changes_nothing(exported_lab):
    def versions():
        kinds = "statefulsets,deployments,services,configmaps,roles,poddisruptionbudgets,networkpolicies"
        return {
            (found["kind"], found["metadata"]["name"]): found["metadata"].get("generation", 0)
            for found in exported_lab.get(kinds)
        }

    before = versions()
    exported_lab.apply()
    assert versions() == before
    assert exported_lab.host.kubectl("diff", "--server-side", "-k", str(exported_lab.directory)) == ""


def test_each_serf_has_a_service_that_leads_to_its_own_pod(exported_lab):
    def endpoints():
        found = {}
        for piece in exported_lab.get("endpointslices"):
            labels = piece["metadata"]["labels"]
            for end in piece["endpoints"] or ():
                found.setdefault(labels["kubernetes.io/service-name"], []).append(end["targetRef"]["name"])
        return len(found) == len(SERFS) + 3 and {name: sorted(pods) for name, pods in found.items()}

    found = within(endpoints, "every Service has endpoints")
    assert {serf: found[serf] for serf in SERFS} == {"serf1": ["serf-1"], "serf2": ["serf-2"], "serf3": ["serf-3"]}
    assert found["serf"] == sorted(PODS)


def test_the_labels_by_which_prometheus_tells_serfs_apart_reach_the_endpoint_slices(exported_lab):
    """What Prometheus' discovery of the role `endpointslice` reads; the pinned Prometheus is built without it."""
    file = yaml.safe_load_all((exported_lab.directory / "prometheus.yaml").read_text())
    [text] = [body["data"]["prometheus.yml"] for body in file if body["kind"] == "ConfigMap"]
    job = yaml.safe_load(text)["scrape_configs"][0]
    [selector] = job["kubernetes_sd_configs"][0]["selectors"]
    pieces = within(lambda: exported_lab.get("endpointslices", "--selector", selector["label"]), "slices of serfs")
    keep, serf, _ = job["relabel_configs"]
    targets = {
        (piece["metadata"]["labels"]["serflab.serf"], port["port"])
        for piece in pieces
        for port in piece["ports"]
        if port["name"] == keep["regex"]
    }
    assert targets == {(name, 9090) for name in SERFS}
    assert serf["source_labels"] == ["__meta_kubernetes_endpointslice_label_serflab_serf"]


def test_promtool_accepts_configuration_and_rules(exported_lab, tmp_path):
    file = yaml.safe_load_all((exported_lab.directory / "prometheus.yaml").read_text())
    [data] = [body["data"] for body in file if body["kind"] == "ConfigMap"]
    for name, text in data.items():
        (tmp_path / name).write_text(text)

    def check():
        command = [Toolbox(CHECKOUT).path("promtool"), "check", "config", tmp_path / "prometheus.yml"]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    accepted = check()
    assert accepted.returncode == 0, accepted.stderr
    assert "rules found" in accepted.stdout
    (tmp_path / "prometheus.yml").write_text(data["prometheus.yml"].replace("role: endpointslice", "role: cluster"))
    refused = check()
    assert refused.returncode == 1
    assert "unknown Kubernetes SD role" in refused.stderr


def test_the_budget_lets_a_tenth_of_the_serfs_go_and_one_at_least(exported_lab):
    def counted():
        [budget] = exported_lab.get("poddisruptionbudgets")
        status = budget["status"]
        return status["currentHealthy"] == len(PODS) and status

    status = within(counted, "the budget has counted its pods")
    assert (status["expectedPods"], status["desiredHealthy"], status["disruptionsAllowed"]) == (3, 2, 1)


def test_the_viewer_may_look_at_the_pods_and_ask_the_serfs_and_nothing_else(exported_lab):
    def may(verb, kind, *name):
        resource, _, part = kind.partition("/")
        options = [f"--subresource={part}"] if part else []
        return as_account(exported_lab, "viewer", verb, "/".join([resource, *name]), *options)

    allowed = [("list", "pods"), ("watch", "pods"), ("create", "pods/exec", "serf-1"), ("get", "pods/exec", "serf-3")]
    assert [what for what in allowed if not may(*what)] == []
    refused = [("get", "secrets"), ("list", "secrets"), ("create", "pods"), ("delete", "pods"), ("list", "nodes")]
    refused += [("create", "pods/exec"), ("create", "pods/exec", "prometheus"), ("get", "configmaps")]
    assert [what for what in refused if may(*what)] == []


async def test_a_command_that_fails_says_what_it_said_and_one_that_is_not_allowed_is_refused(exported_lab, account):
    within(lambda: len(exported_lab.pods()) == len(PODS) + 2, "the pods are there")
    async with ApiClient(load_credentials(account)) as client:
        serf = Target(NAMESPACE, "serf-1", "serf")
        assert await run_in_pod(client, serf, ["sh", "-c", "printf 'a b'; echo no >&2"]) == "a b"
        with pytest.raises(ExecError, match=r"exported/serf-1: sh -c echo no >&2; exit 3: .*: no$"):
            await run_in_pod(client, serf, ["sh", "-c", "echo no >&2; exit 3"])
        [prometheus] = [name for name in exported_lab.pods() if name.startswith("prometheus")]
        with pytest.raises(ApiError) as raised:
            await run_in_pod(client, Target(NAMESPACE, prometheus, "prometheus"), ["true"])
    assert raised.value.status == 403


def test_prometheus_may_find_its_targets_and_nothing_else(exported_lab):
    for kind in ("pods", "services", "endpointslices.discovery.k8s.io"):
        for verb in ("get", "list", "watch"):
            assert as_account(exported_lab, "prometheus", verb, kind), (verb, kind)
    for verb, kind in (("create", "pods"), ("list", "secrets"), ("list", "nodes"), ("list", "configmaps")):
        assert not as_account(exported_lab, "prometheus", verb, kind), (verb, kind)


@pytest.fixture
def account(exported_lab, tmp_path):
    """A kubeconfig with the token of the viewer's account and nothing else."""
    kubeconfig = yaml.safe_load(exported_lab.host.kubeconfig.read_text())
    token = exported_lab.host.kubectl("create", "token", "viewer", "--namespace", NAMESPACE).strip()
    kubeconfig["users"][0]["user"] = {"token": token}
    (tmp_path / "account").write_text(yaml.safe_dump(kubeconfig))
    return tmp_path / "account"


@pytest.fixture
def discovery(exported_lab, account, tmp_path):
    """The program of the viewer's pod, with the token of its account and a state directory of its own."""
    within(lambda: len(exported_lab.pods()) == len(PODS) + 2, "the pods are there")
    file = yaml.safe_load_all((exported_lab.directory / "viewer.yaml").read_text())
    [text] = [body["data"]["lab.json"] for body in file if body["kind"] == "ConfigMap"]
    plan = json.loads(text)
    plan["topology"] = str(CHECKOUT / "topology.yaml")
    for serf in plan["serfs"]:
        # There is no DNS for the names of Services here.
        serf |= {"server": exported_lab.real.server, "config": str(CHECKOUT / "annotations" / "emulation_config.json")}
    (tmp_path / "lab.json").write_text(json.dumps(plan))
    environment = {**os.environ, "SERFLAB_EXPORT": str(tmp_path / "lab.json"), "SERFLAB_STATE": str(tmp_path / "state")}
    environment["KUBECONFIG"] = str(account)
    command = [Path(sys.executable).with_name("serflab"), "export", "discover"]
    with (tmp_path / "discovery.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=CHECKOUT, env=environment, stdout=log, stderr=log)
    yield tmp_path / "state"
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=30) == 130
    assert "Traceback" not in (tmp_path / "discovery.log").read_text()


def found(state_dir):
    """Return the inventory once it has all serfs."""
    try:
        inventory = load_inventory(state_dir)
    except SerflabError:
        return None
    return inventory if len(inventory.serfs) == len(SERFS) else None


def test_discovery_finds_the_serfs_with_the_rights_of_the_viewers_account(discovery):
    inventory = within(lambda: found(discovery), "three serfs in the inventory")
    assert [serf.name for serf in inventory.serfs] == list(SERFS)
    assert inventory.runtime == "kubernetes"
    assert {serf.env["SERFLAB_PHASE"] for serf in inventory.serfs} == {"0", "48", "96"}
    for serf in inventory.serfs:
        assert serf.kubeconfig.stat().st_mode & 0o777 == 0o600
        command = [Toolbox(CHECKOUT).path("kubectl"), f"--kubeconfig={serf.kubeconfig}", "get", "--raw", "/readyz"]
        assert subprocess.run(command, check=True, capture_output=True, text=True).stdout == "ok"


def test_a_pod_that_comes_back_with_other_certificates_is_asked_again(exported_lab, discovery):
    before = within(lambda: found(discovery), "three serfs in the inventory")
    other = yaml.safe_load(exported_lab.inside.read_text())
    other["users"][0]["name"] = other["contexts"][0]["context"]["user"] = "another"
    exported_lab.inside.write_text(yaml.safe_dump(other))
    exported_lab.host.kubectl("delete", "pod", "serf-2", "--namespace", NAMESPACE)

    def changed():
        now = found(discovery)
        return now and now.serf("serf2").kubeconfig != before.serf("serf2").kubeconfig and now

    now = within(changed, "another kubeconfig of serf2")
    assert yaml.safe_load(now.serf("serf2").kubeconfig.read_text())["users"][0]["name"] == "another"
    assert now.serf("serf1") == before.serf("serf1")
    assert not before.serf("serf2").kubeconfig.exists()


def test_a_serf_that_cannot_be_asked_is_left_out_until_it_can(exported_lab, discovery):
    within(lambda: found(discovery), "three serfs in the inventory")
    text = exported_lab.inside.read_text()
    exported_lab.inside.write_text("not a kubeconfig")
    exported_lab.host.kubectl("delete", "pod", "serf-3", "--namespace", NAMESPACE)
    log = discovery.parent / "discovery.log"
    within(lambda: "serf3: no kubeconfig yet" in log.read_text(), "it says that serf3 has none")
    kept = load_inventory(discovery).serf("serf3").kubeconfig
    assert kept.exists()
    exported_lab.inside.write_text(text)
    within(lambda: log.read_text().count("serf3 is serf-3") == 2, "it is asked again")
