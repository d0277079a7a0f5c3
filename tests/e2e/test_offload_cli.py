"""`serflab offload` and `virtual_pod_manager.py` on a real lab: peer two serfs, run, move and remove pods."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests
import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

SCRIPT = Path(__file__).parents[2] / "flask-app" / "scripts" / "virtual_pod_manager.py"
BURST = ("create", "serf1", "serf2", "--template=burst", "--interval=2")


class Cli:
    """Runs `serflab offload` on the shared lab."""

    def __init__(self, lab: Any) -> None:
        self.lab = lab

    def __call__(self, *arguments: str, status: int = 0) -> subprocess.CompletedProcess[str]:
        """Run a command that ends with this exit status."""
        done: subprocess.CompletedProcess[str] = self.lab.serflab("offload", *arguments, check=False)
        assert done.returncode == status, f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def json(self, *arguments: str) -> dict[str, Any]:
        """Return what a command prints as JSON."""
        document: dict[str, Any] = json.loads(self(*arguments, "-o", "json").stdout)
        return document

    def pods(self, *arguments: str) -> list[dict[str, Any]]:
        """Return the virtual pods that `list` shows."""
        found: list[dict[str, Any]] = self.json("list", *arguments)["virtual_pods"]
        return found

    def objects(self, serf: str, *arguments: str) -> list[dict[str, Any]]:
        """Return what `kubectl get` finds in a serf."""
        found = self.lab.serflab("kubectl", serf, "--", "get", *arguments, "-o", "json").stdout
        items: list[dict[str, Any]] = json.loads(found)["items"]
        return items


@pytest.fixture(scope="module")
def cli(lab: Any) -> Cli:
    return Cli(lab)


@pytest.fixture(scope="module")
def connection(cli: Cli) -> Iterator[None]:
    """serf1 is connected to serf2, with room for the largest pod; at the end it is not, and nothing is left of it."""
    cli("connect", "serf1", "serf2", "--cpu=8", "--memory=16Gi")
    yield
    cli("disconnect", "serf1", "serf2", "--yes")
    assert cli.json("connections")["connections"] == []


@pytest.fixture
def peered(cli: Cli, connection: None) -> Iterator[Cli]:  # noqa: ARG001
    """A connection from serf1 to serf2 without virtual pods, before and after."""
    yield cli
    if requests.get(f"{cli.lab.viewer_url}/api/virtual-pods", timeout=60).json()["virtual_pods"]:
        cli("drain", "serf1", "serf2")
        cli("uncordon", "serf1", "serf2")
    assert requests.get(f"{cli.lab.viewer_url}/api/virtual-pods", timeout=60).json()["virtual_pods"] == []


def names(objects: list[dict[str, Any]]) -> list[str]:
    return [f"{item['metadata'].get('namespace', '')}/{item['metadata']['name']}" for item in objects]


def test_a_connection_comes_and_goes(cli: Cli) -> None:
    made = cli("connect", "serf1", "serf2")
    assert made.stdout == "serf1 is connected to serf2: cpu 4, memory 8Gi, pods 110, quota None\n"
    (connection,) = cli.json("connections")["connections"]
    assert (connection["from"], connection["to"], connection["state"]) == ("serf1", "serf2", "Established")
    assert "/serf2" in names(cli.objects("serf1", "nodes", "-l", "liqo.io/type=virtual-node"))

    again = cli("connect", "serf1", "serf2").stdout
    assert again == "serf1 is connected to serf2 already: cpu 4, memory 8Gi, pods 110, quota None\n"
    changed = cli("connect", "serf1", "serf2", "--cpu=6").stdout
    assert changed == "serf1 is connected to serf2: cpu 6, memory 8Gi, pods 110, quota None\n"

    gone = cli("disconnect", "serf1", "serf2", "--yes").stdout.splitlines()
    assert gone[0] == "with the peering serf1 → serf2: 0 virtual pods"
    assert gone[-1] == "serf1 is not connected to serf2 any more"
    assert cli("disconnect", "serf1", "serf2", "--yes").stdout == "serf1 is not connected to serf2\n"
    assert names(cli.objects("serf1", "nodes", "-l", "liqo.io/type=virtual-node")) == []


def test_a_virtual_pod_is_created_shown_and_deleted(peered: Cli) -> None:
    told = peered(*BURST, "--name=peak", "--image-mib=0")
    (pod,) = peered.pods("--source=serf1", "--dest=serf2", "--status=Running")
    assert told.stdout.startswith(f"{pod['id']} (default/peak, serf1 → serf2): Running as ")
    assert f"create.{pod['id']}: done in " in told.stderr
    local = peered.objects("serf1", "pods", "-A", "--field-selector=spec.nodeName=serf2")
    assert names(local) == ["default/peak"]
    remote = peered.objects("serf2", "pods", "-n", pod["dest_namespace"])
    assert names(remote) == [f"{pod['dest_namespace']}/{pod['dest_pod_name']}"]

    shown = peered.json("show", pod["id"])["virtual_pod"]
    assert (shown["workload_template"], shown["points"], shown["interval"]) == ("burst", 60, 2.0)

    assert peered("delete", pod["id"]).stdout == f"{pod['id']} is deleted\n"
    assert peered("delete", pod["id"]).stdout == f"{pod['id']} is not there\n"
    assert peered.pods() == []
    assert peered.objects("serf1", "pods", "-n", "default") == []
    assert peered.objects("serf2", "pods", "-n", pod["dest_namespace"]) == []


def test_several_are_begun_at_once_and_waited_for_later(peered: Cli) -> None:
    begun = peered(*BURST, "--name=many", "--count=3", "--no-wait").stdout.splitlines()
    operations = [line.partition(":")[0] for line in begun]
    assert len(operations) == 3
    waited = peered("wait", *operations).stdout.splitlines()
    assert waited == [f"{operation}: Succeeded" for operation in operations]
    running = {pod["source_pod_name"] for pod in peered.pods("--status=Running")}
    assert running == {"many-1", "many-2", "many-3"}


def test_an_emulated_pod_is_offloaded_and_comes_home(peered: Cli) -> None:
    where = names(peered.objects("serf1", "pods", "-n", "ns1"))[0]
    would = peered("offload", "serf1", where, "serf2", "--dry-run").stdout
    assert would.startswith(f"would offload {where} from serf1 to serf2")

    peered("offload", "serf1", where, "serf2")
    (pod,) = peered.pods()
    assert (pod["origin"], pod["status"], f"{pod['namespace']}/{pod['source_pod_name']}") == (
        "offloaded",
        "Running",
        where,
    )
    assert where in names(peered.objects("serf1", "pods", "-A", "--field-selector=spec.nodeName=serf2"))
    refused = peered("offload", "serf1", where, "serf2", status=1)
    assert refused.stderr.startswith("error: ")

    assert peered("bring-back", pod["id"]).stdout == f"{pod['id']} is home again\n"
    assert peered.pods() == []
    assert where in names(peered.objects("serf1", "pods", "-n", "ns1", "--field-selector=spec.nodeName!=serf2"))


def test_what_goes_with_a_connection_is_listed_and_nothing_happens_without_consent(peered: Cli) -> None:
    where = names(peered.objects("serf1", "pods", "-n", "ns2"))[0]
    peered("offload", "serf1", where, "serf2")
    peered(*BURST, "--name=guest")
    expected = {"default/guest is deleted", f"{where} comes home"}

    for arguments, status in ((["--dry-run"], 0), ([], 2)):
        listed = peered("disconnect", "serf1", "serf2", *arguments, status=status).stdout.splitlines()
        assert listed[0] == "with the peering serf1 → serf2: 2 virtual pods:"
        assert {line.split(maxsplit=1)[1] for line in listed[1:3]} == expected
    assert len(peered.pods("--status=Running")) == 2


def test_a_virtual_node_is_cordoned_and_drained(peered: Cli) -> None:
    peered(*BURST, "--name=guest")
    assert peered("cordon", "serf1", "serf2").stdout == "serf1 → serf2 is cordoned\n"
    assert peered("cordon", "serf1", "serf2", "--dry-run").stdout == "serf1 → serf2 is cordoned already\n"
    assert "default/guest is deleted" in peered("drain", "serf1", "serf2", "--dry-run").stdout
    assert peered("drain", "serf1", "serf2").stdout == "serf1 → serf2 is drained\n"
    assert peered.pods() == []
    assert peered("uncordon", "serf1", "serf2").stdout == "serf1 → serf2 is uncordoned\n"
    assert peered("drain", "serf1", "serf2").stdout == "serf1 → serf2 is drained\n"
    assert peered("drain", "serf1", "serf2").stdout == "serf1 → serf2 is drained\n"
    peered("uncordon", "serf1", "serf2")
    peered(*BURST, "--name=guest")


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        (("create", "serf2", "serf1", "--template=burst"), 1, "hint: "),
        (("create", "serf1", "serf2", "--template=bust"), 2, 'did you mean "burst"?'),
        (("create", "serf1", "surf2", "--template=burst"), 2, 'did you mean "serf2"?'),
        (("create", "serf1", "serf2", "--template=burst", "--namespace=nowhere"), 2, "nowhere"),
        (("create", "serf1", "serf2", "--template=burst", "--name=Not_A_Name"), 2, "hint: "),
        (("offload", "serf1", "ns1/nobody", "serf2"), 2, "ns1/nobody"),
        (("bring-back", "vp-999"), 2, "vp-999"),
        (("show", "vp-999"), 2, "vp-999"),
        (("connect", "serf1", "surf2"), 2, "hint: did you mean serf"),
        (("connect", "serf1", "serf1"), 2, "another serf than from"),
        (("cordon", "serf2", "serf1"), 2, "hint: "),
        (("wait", "create.vp-999"), 2, "create.vp-999"),
        (("info", "surf1"), 2, "hint: did you mean serf"),
    ],
)
def test_what_cannot_be_is_refused(peered: Cli, arguments: tuple[str, ...], status: int, told: str) -> None:
    refused = peered(*arguments, status=status)
    assert told in refused.stderr
    assert refused.stderr.startswith("error: ")
    assert refused.stdout == ""


def test_templates_and_info(peered: Cli) -> None:
    listed = peered.json("templates")["templates"]
    assert {"burst", "idle", "ml-training"} <= {template["name"] for template in listed}
    curves = peered("templates", "burst").stdout.splitlines()
    assert curves[1] == "60 points, image of 240 MiB"
    assert [line.split()[0] for line in curves[2:]] == ["cpu", "memory", "power", "psi"]

    info = yaml.safe_load(peered("info", "serf1", "-o", "yaml").stdout)
    assert info == peered.json("info", "serf1")
    (peering,) = info["peerings"]
    assert (peering["clusterID"], peering["networkingStatus"], peering["offloadingStatus"]) == (
        "serf2",
        "Healthy",
        "Healthy",
    )
    words = peered("info").stdout
    assert "Cluster ID:  serf1\n" in words
    assert "Cluster ID:  serf2\n" in words


def test_the_script_does_the_same(peered: Cli) -> None:
    url = peered.lab.viewer_url
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SERFLAB_")}

    def run(*arguments: str) -> str:
        command = [sys.executable, str(SCRIPT), *arguments]
        return subprocess.run(
            command, env={**environment, "SERFLAB_URL": url}, capture_output=True, text=True, check=True
        ).stdout

    run(*BURST, "--name=scripted")
    assert [pod["source_pod_name"] for pod in json.loads(run("list", "-o", "json"))["virtual_pods"]] == ["scripted"]
    (pod,) = peered.pods()
    assert run("delete", "--all", "--yes") == f"{pod['id']} is deleted\n"


def test_names_of_the_lab_are_completed(peered: Cli) -> None:
    def completed(*words: str) -> list[str]:
        line = ["serflab", "offload", *words]
        asked = {"_SERFLAB_COMPLETE": "bash_complete", "COMP_WORDS": " ".join(line), "COMP_CWORD": str(len(line) - 1)}
        environment = {**peered.lab.environment, **asked}
        told = subprocess.run(
            [sys.executable, "-m", "serflab"], env=environment, capture_output=True, text=True, check=True
        )
        return [item.removeprefix("plain,") for item in told.stdout.split()]

    assert completed("disconnect", "serf1", "") == ["serf2"]
    assert completed("create", "serf1", "serf2", "--template", "ml") == ["ml-inference", "ml-training"]
