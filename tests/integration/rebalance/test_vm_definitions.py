"""The CustomResourceDefinitions on a real API server: what it accepts, refuses, prints and keeps."""

from __future__ import annotations

import copy
import json
import subprocess
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from serflab.cli.rebalance_crd import crd
from serflab.rebalance.crds import text

CHECKOUT = Path(__file__).resolve().parents[3]
VM = {
    "apiVersion": "simulation.node-classifier.io/v1alpha1",
    "kind": "VirtualMachine",
    "metadata": {"name": "vm-1"},
    "spec": {"resources": {"cpu": "0.15", "memory": "0.2"}},
}


def changed(**spec):
    body = copy.deepcopy(VM)
    body["spec"] |= spec
    return body


@pytest.fixture
def create(vm_serf, namespace):
    def create(body, *arguments):
        return vm_serf.kubectl("-n", namespace, "create", "-f", "-", *arguments, check=False, stdin=json.dumps(body))

    return create


@pytest.fixture
def refusal(vm_serf, namespace):
    """Return what kubectl says on stderr about a body."""

    def refusal(body, verb="create"):
        command = ["-n", namespace, verb, "-f", "-"]
        with pytest.raises(AssertionError) as told:
            vm_serf.kubectl(*command, stdin=json.dumps(body))
        return str(told.value)

    return refusal


def test_the_manifest_holds_what_the_package_installs():
    assert (CHECKOUT / "k8s/virtualmachine-crd.yaml").read_text(encoding="utf-8") == text()


def test_manifest_and_examples_are_accepted(vm_serf, namespace, objects):
    vm_serf.kubectl("apply", "--dry-run=server", "-f", str(CHECKOUT / "k8s/virtualmachine-crd.yaml"))
    examples = (CHECKOUT / "k8s/example-vms.yaml").read_text(encoding="utf-8")
    assert all(body["metadata"]["namespace"] == "default" for body in yaml.safe_load_all(examples))
    vm_serf.kubectl("apply", "-n", namespace, "-f", "-", stdin=examples.replace("namespace: default", ""))
    assert {vm["spec"]["running"] for vm in objects("vm")} == {True, False}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (changed(resources={"cpu": "0.0", "memory": "0.2"}), "expected a ratio of a node above 0"),
        (changed(resources={"cpu": "0.1", "memory": "0"}), "expected a ratio of a node above 0"),
        (changed(resources={"cpu": "-0.1", "memory": "0.2"}), "should match"),
        (changed(resources={"cpu": "nan", "memory": "0.2"}), "should match"),
        (changed(resources={"cpu": 0.1, "memory": "0.2"}), "must be of type string"),
        (changed(resources={"cpu": "0.1"}), "spec.resources.memory: Required value"),
        (changed(evictionStrategy="Sometimes"), 'supported values: "None", "LiveMigrate"'),
        (changed(requests={"cpu": "0"}), "expected a ratio of a node above 0"),
        (VM | {"metadata": {"name": "v" * 64}}, "may have 63 characters"),
        (VM | {"spec": None}, "spec: Required value"),
    ],
)
def test_what_a_vm_must_not_be(refusal, body, words):
    assert words in refusal(body)


def test_a_vm_runs_unless_it_says_otherwise_and_prints_its_columns(vm_serf, namespace, create, objects):
    create(VM)
    assert objects("vms", "vm-1")["spec"]["running"] is True
    status = {
        "phase": "Running",
        "nodeName": "node-a",
        "podName": "virt-launcher-vm-1-abcde",
        "cpuConsumption": "0.15",
        "memoryConsumption": "0.2",
        "requests": {"cpu": "4800m", "memory": "26215Mi"},
    }
    patch = json.dumps({"status": status})
    vm_serf.kubectl("-n", namespace, "patch", "vm", "vm-1", "--subresource=status", "--type=merge", "-p", patch)
    head, row = vm_serf.kubectl("-n", namespace, "get", "vm").splitlines()
    assert head.split() == ["NAME", "PHASE", "NODE", "POD", "CPU", "MEMORY", "AGE"]
    assert row.split()[:-1] == ["vm-1", "Running", "node-a", "virt-launcher-vm-1-abcde", "0.15", "0.2"]
    head, row = vm_serf.kubectl("-n", namespace, "get", "vm", "-o", "wide").splitlines()
    assert " ".join(head.split()).endswith(" AGE CPU REQUESTS MEMORY REQUESTS RUNNING LEAVES")
    assert row.split()[7:10] == ["4800m", "26215Mi", "true"]


def test_the_status_is_written_by_its_own_path_only(vm_serf, namespace, create, objects):
    create(VM | {"status": {"phase": "Running"}})
    assert "status" not in objects("vm", "vm-1")
    patch = '{"status": {"phase": "Dancing"}}'
    command = ("-n", namespace, "patch", "vm", "vm-1", "--subresource=status", "--type=merge", "-p", patch)
    with pytest.raises(AssertionError, match="Unsupported value"):
        vm_serf.kubectl(*command)


def test_a_migration_is_what_it_was_made_as(vm_serf, namespace, create, refusal):
    migration = {
        "apiVersion": VM["apiVersion"],
        "kind": "VirtualMachineInstanceMigration",
        "metadata": {"name": "m"},
        "spec": {"vmiName": "vm-1"},
    }
    create(migration)
    assert "a migration is what it was made as" in refusal(migration | {"spec": {"vmiName": "vm-2"}}, "replace")
    head = vm_serf.kubectl("-n", namespace, "get", "vmim").splitlines()[0]
    assert head.split() == ["NAME", "PHASE", "VMI", "SOURCE", "TARGET", "STARTED", "ENDED", "AGE", "MESSAGE"]


def script(vm_serf, *arguments, **environment):
    programs, config = Path(vm_serf.local.plan.programs["kubectl"]).parent, vm_serf.kubeconfig
    return subprocess.run(
        [CHECKOUT / "setup_vm_crd.sh", *arguments],
        env={"PATH": f"{programs}:/usr/bin:/bin", "HOME": str(config.parent), "KUBECONFIG": str(config), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_script_installs_what_is_installed_already(vm_serf):
    done = script(vm_serf)
    assert (done.returncode, done.stdout.count("condition met")) == (0, 2), done.stderr
    dry = script(vm_serf, "--dry-run")
    assert (dry.returncode, dry.stdout.count("(server dry run)")) == (0, 2), dry.stderr


def test_the_script_says_what_is_wrong(vm_serf, tmp_path):
    assert script(vm_serf, "--force").returncode == 2
    nowhere = script(vm_serf, KUBECONFIG=str(tmp_path / "none"))
    assert (nowhere.returncode, "kubectl has no current context" in nowhere.stderr) == (1, True)
    config = vm_serf.kubeconfig.read_text(encoding="utf-8").replace(vm_serf.server, "https://127.0.0.1:9")
    (tmp_path / "config").write_text(config, encoding="utf-8")
    silent = script(vm_serf, KUBECONFIG=str(tmp_path / "config"))
    assert (silent.returncode, "does not answer" in silent.stderr) == (1, True)


def test_the_command_installs_and_prints(vm_serf):
    runner = CliRunner()
    assert runner.invoke(crd, ["--print"]).output == text()
    for arguments, words in ((["--dry-run"], "would be installed"), ([], "is served")):
        done = runner.invoke(crd, [f"--kubeconfig={vm_serf.kubeconfig}", *arguments])
        assert (done.exit_code, done.output.count(words)) == (0, 2), done.output
