"""What is read from the description of a container, recorded from Docker 20.10, and what is told of its serf."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
import yaml

from serflab.errors import SerflabError
from serflab.lab.containerlab_serf import ContainerSerf, check_runs
from serflab.lab.engine import Container
from serflab.lab.plan import Workload

# Parts of `docker inspect`.
RECORDED = {
    "Id": "2a81c48bd7f2",
    "Name": "/clab-emulation-serf1",
    "Config": {
        "Image": "serflab/serf:upstream",
        "Labels": {
            "clab-node-kind": "linux",
            "clab-node-name": "serf1",
            "clab-topo-file": "/srv/topology.yaml",
            "containerlab": "emulation",
        },
    },
    "State": {
        "Status": "running",
        "ExitCode": 0,
        "Health": {"Status": "unhealthy", "Log": [{"ExitCode": 1, "Output": "links is BACKOFF\nkwok is not ready\n"}]},
    },
    "NetworkSettings": {
        "Ports": {
            "6443/tcp": [{"HostIp": "127.0.0.1", "HostPort": "16441"}],
            "9090/tcp": [{"HostIp": "0.0.0.0", "HostPort": "19091"}],
            "53/udp": [{"HostIp": "127.0.0.1", "HostPort": "5353"}],
            "2379/tcp": None,
        },
        "Networks": {"serflab": {"IPAddress": "172.30.30.11"}},
    },
}
WORKLOAD = Workload(Path("/lab/config.json"), 48, 5)


def described(**changes):
    return Container.of({**RECORDED, **changes})


def test_a_container_is_read():
    container = described()
    assert (container.name, container.node, container.image) == (
        "clab-emulation-serf1",
        "serf1",
        "serflab/serf:upstream",
    )
    assert (container.topology, container.address) == ("/srv/topology.yaml", "172.30.30.11")
    assert container.ports == {6443: ("127.0.0.1", 16441), 9090: ("127.0.0.1", 19091)}
    assert container.runs
    assert container.problem == "links is BACKOFF, kwok is not ready"


@pytest.mark.parametrize(
    ("state", "problem"),
    [
        ({"Status": "exited", "ExitCode": 137}, "container clab-emulation-serf1 has ended with exit status 137"),
        ({"Status": "created", "ExitCode": 0}, "container clab-emulation-serf1 is created"),
        ({"Status": "paused"}, "container clab-emulation-serf1 is paused"),
        ({"Status": "running"}, ""),
        ({"Status": "running", "Health": {"Status": "none"}}, ""),
        ({"Status": "running", "Health": {"Status": "starting", "Log": []}}, ""),
    ],
)
def test_why_a_container_does_not_do_its_work(state, problem):
    assert described(State=state).problem == problem


class Files:
    """In the engine's place: the files of one container, and what it wrote."""

    def __init__(self, **files):
        self._files = {path: content.encode() for path, content in files.items()}

    def read(self, _, path):
        return self._files.get(path.rpartition("/")[2])

    def output(self, _, lines):
        return "\n".join(["older", "first", "error: no"][-lines:])


@pytest.fixture
def serf(tmp_path):
    """Make a serf from the description of its container and its files."""

    def make(container=None, **files):
        return ContainerSerf(container or described(), WORKLOAD, tmp_path / "serf1", Files(**files))

    return make


def test_a_serf_is_reached_as_it_is_published(serf, tmp_path):
    entry = serf().inventory_entry
    assert (entry.server, entry.exporter) == ("https://127.0.0.1:16441", "http://127.0.0.1:19091")
    assert (entry.container, entry.logs) == ("clab-emulation-serf1", Path("/var/lib/serflab/logs"))
    assert entry.kubeconfig == tmp_path / "serf1" / "kubeconfig"
    assert entry.env == {"SERFLAB_PHASE": "48", "SERFLAB_INTERVAL": "5"}


def test_a_serf_that_publishes_nothing_is_reached_at_its_own_address(serf):
    settings = {"Ports": {}, "Networks": RECORDED["NetworkSettings"]["Networks"]}
    entry = serf(described(NetworkSettings=settings)).inventory_entry
    assert (entry.server, entry.exporter) == ("https://172.30.30.11:6443", "http://172.30.30.11:9090")


def test_the_kubeconfig_has_the_published_address_and_every_certificate_in_it(serf, tmp_path):
    inside = {
        "clusters": [{"name": "c", "cluster": {"server": "https://x:6443", "certificate-authority": "/pki/ca.crt"}}],
        "users": [{"name": "u", "user": {"client-certificate-data": "Zm9v", "client-key": "/pki/admin.key"}}],
        "current-context": "c",
    }
    files = {"kubeconfig": yaml.safe_dump(inside), "ca.crt": "authority", "admin.key": "key"}
    serf(**files).export_kubeconfig()
    written = tmp_path / "serf1" / "kubeconfig"
    config = yaml.safe_load(written.read_text())
    coded = base64.b64encode(b"authority").decode()
    assert config["clusters"][0]["cluster"] == {
        "server": "https://127.0.0.1:16441",
        "certificate-authority-data": coded,
    }
    assert config["users"][0]["user"] == {
        "client-certificate-data": "Zm9v",
        "client-key-data": base64.b64encode(b"key").decode(),
    }
    assert config["current-context"] == "c"
    assert written.stat().st_mode & 0o077 == 0


def test_an_image_that_is_no_serf_is_told(serf):
    with pytest.raises(SerflabError, match="has no file /var/lib/serflab/kubeconfig") as caught:
        serf().export_kubeconfig()
    assert caught.value.hint == "is serflab/serf:upstream an image of a serf?"


def test_a_container_that_ended_is_told_with_what_it_wrote_last():
    ended = described(State={"Status": "exited", "ExitCode": 2})
    with pytest.raises(
        SerflabError, match="serf1: container clab-emulation-serf1 has ended with exit status 2"
    ) as caught:
        check_runs("serf1", ended, Files())
    assert caught.value.hint == (
        "`docker logs clab-emulation-serf1` tells more; it ends with\n    older\n    first\n    error: no"
    )


def test_a_node_without_a_container_is_told():
    with pytest.raises(SerflabError, match="serf1 has no container"):
        check_runs("serf1", None, Files())
