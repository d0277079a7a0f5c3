"""Release downloads, from a server that behaves like dl.k8s.io and the GitHub releases API (`release_server.py`)."""

from __future__ import annotations

import io
import socket
import tarfile

import pytest
from release_server import ReleaseServer

from serflab.errors import SerflabError
from serflab.lab.tools.pinned import Pins, tools_named
from serflab.lab.tools.sources import Downloads, architecture

CONTENT = b"#!/bin/sh\necho hello\n" * 1000
KUBECTL, ETCD, KWOK, DESCHEDULER = (tools_named([name])[0] for name in ("kubectl", "etcd", "kwok", "descheduler"))


@pytest.fixture
def releases():
    server = ReleaseServer()
    yield server
    server.close()


@pytest.fixture
def downloads(releases):
    return Downloads(kubernetes=f"{releases.url}/release", github=f"{releases.url}/api")


@pytest.fixture
def pins(checkout):
    return Pins(checkout / "tools")


@pytest.fixture
def target(tmp_path):
    """Where a download goes: a directory that holds nothing else."""
    (tmp_path / "staging").mkdir()
    return tmp_path / "staging" / "program"


@pytest.fixture
def fetch(downloads, pins, target):
    """Fetch a tool to the target; return what progress was told."""

    def fetch(tool):
        steps = []
        downloads.fetch(tool, pins, target, lambda done, total: steps.append((done, total)))
        return steps

    return fetch


@pytest.fixture
def publish_kubectl(releases, pins):
    def publish(content=CONTENT, digest=None):
        return releases.publish_kubernetes(pins.version(KUBECTL), architecture(), "kubectl", content, digest)

    return publish


def tar_gz(**members):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in members.items():
            entry = tarfile.TarInfo(name.replace("__", "/"))
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def test_a_program_of_kubernetes_is_a_plain_file_with_its_checksum_beside_it(fetch, publish_kubectl, target):
    publish_kubectl()
    steps = fetch(KUBECTL)
    assert target.read_bytes() == CONTENT
    assert target.stat().st_mode & 0o777 == 0o755
    assert steps[-1] == (len(CONTENT), len(CONTENT))
    assert list(target.parent.iterdir()) == [target]


def test_a_program_of_a_github_release_may_be_a_plain_file(fetch, releases, pins, target):
    releases.publish_github("kubernetes-sigs/kwok", pins.version(KWOK), {f"kwok-linux-{architecture()}": CONTENT})
    fetch(KWOK)
    assert target.read_bytes() == CONTENT


def test_a_program_is_taken_out_of_a_github_releases_archive(fetch, releases, pins, target):
    version = pins.version(ETCD)
    archive = tar_gz(**{f"etcd-{version}__README": b"read me", f"etcd-{version}__etcd": CONTENT, "etcdctl": b"no"})
    releases.publish_github("etcd-io/etcd", version, {f"etcd-{version}-linux-{architecture()}.tar.gz": archive})
    fetch(ETCD)
    assert target.read_bytes() == CONTENT
    assert target.stat().st_mode & 0o777 == 0o755
    assert list(target.parent.iterdir()) == [target]


def test_a_file_with_another_checksum_is_refused_and_not_kept(fetch, publish_kubectl, target):
    publish_kubectl(digest="0" * 64)
    with pytest.raises(SerflabError, match=r"kubectl has sha256 [0-9a-f]{64}, but its release publishes 0{64}"):
        fetch(KUBECTL)
    assert list(target.parent.iterdir()) == []


def test_an_archive_with_another_checksum_is_not_even_opened(fetch, releases, pins, target):
    version = pins.version(ETCD)
    name = f"etcd-{version}-linux-{architecture()}.tar.gz"
    releases.publish_github("etcd-io/etcd", version, {name: tar_gz(etcd=CONTENT)}, digest="sha256:" + "0" * 64)
    with pytest.raises(SerflabError, match="but its release publishes"):
        fetch(ETCD)
    assert list(target.parent.iterdir()) == []


def test_without_a_published_checksum_nothing_is_taken(fetch, releases, publish_kubectl, pins, target):
    path = publish_kubectl(digest="")
    with pytest.raises(SerflabError, match=r"kubectl v.* could not be downloaded: "):
        fetch(KUBECTL)
    del releases.files[f"{path}.sha256"]
    with pytest.raises(SerflabError, match=r"kubectl v.* could not be downloaded: 404"):
        fetch(KUBECTL)
    releases.publish_github("kubernetes-sigs/kwok", pins.version(KWOK), {f"kwok-linux-{architecture()}": CONTENT}, "")
    with pytest.raises(SerflabError, match=r"publishes no kwok-linux-.* with a sha256 digest"):
        fetch(KWOK)
    assert not target.exists()
    assert path not in releases.asked
    assert not any(asked.startswith("/download/") for asked in releases.asked)


def test_a_release_that_is_not_there(fetch, target):
    for tool in (KUBECTL, KWOK):
        with pytest.raises(SerflabError, match=rf"{tool.name} v.* could not be downloaded: 404"):
            fetch(tool)
    assert not target.exists()


def test_an_answer_that_is_no_release(fetch, releases, pins):
    path = f"/api/repos/kubernetes-sigs/kwok/releases/tags/{pins.version(KWOK)}"
    for answer in (b"<html>please log in</html>", b"[]", b'{"assets": [{}]}'):
        releases.files[path] = answer
        with pytest.raises(SerflabError, match=r"could not be downloaded|publishes no"):
            fetch(KWOK)


def test_a_download_that_breaks_off_is_not_kept(fetch, releases, publish_kubectl, target):
    releases.broken_off.add(publish_kubectl())
    with pytest.raises(SerflabError, match=r"could not be downloaded|but its release publishes"):
        fetch(KUBECTL)
    assert not target.exists()


@pytest.mark.parametrize(
    "content",
    [tar_gz(etcdctl=CONTENT), b"no archive at all", tar_gz(etcd=CONTENT)[:100]],
    ids=["another program", "no archive", "cut off"],
)
def test_an_archive_that_lacks_the_program_or_cannot_be_read(fetch, releases, pins, target, content):
    version = pins.version(ETCD)
    releases.publish_github("etcd-io/etcd", version, {f"etcd-{version}-linux-{architecture()}.tar.gz": content})
    with pytest.raises(SerflabError, match=r"holds no etcd|could not be downloaded"):
        fetch(ETCD)
    assert not target.exists()


def test_a_place_that_answers_at_all_is_reachable_and_one_that_is_off_is_not_asked(releases):
    both = Downloads(kubernetes=f"{releases.url}/release", github=f"{releases.url}/api")
    assert both.reachable() == {"kubernetes", "github"}
    assert Downloads(kubernetes="off", github=f"{releases.url}/api").reachable() == {"github"}
    assert Downloads(kubernetes="off", github="off").reachable() == set()


def test_a_place_that_refuses_or_never_answers_is_not_reachable(monkeypatch):
    monkeypatch.setattr("serflab.lab.tools.sources._CONNECT_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as hanging:
        with socket.create_server(("127.0.0.1", 0)) as closed:
            refusing = closed.getsockname()[1]
        downloads = Downloads(f"http://127.0.0.1:{hanging.getsockname()[1]}", f"http://127.0.0.1:{refusing}")
        assert downloads.reachable() == set()


def test_a_tool_is_offered_by_the_place_of_its_release_alone(downloads):
    assert [downloads.offers(KUBECTL, {place}) for place in ("kubernetes", "github")] == [True, False]
    assert [downloads.offers(ETCD, {place}) for place in ("kubernetes", "github")] == [False, True]
    assert not downloads.offers(DESCHEDULER, {"kubernetes", "github"})


def test_mirrors_come_from_the_environment(monkeypatch):
    usual = Downloads()
    assert (usual.kubernetes, usual.github) == ("https://dl.k8s.io/release", "https://api.github.com")
    monkeypatch.setenv("SERFLAB_KUBERNETES_RELEASES", "http://mirror/k8s")
    monkeypatch.setenv("SERFLAB_GITHUB_API", "off")
    assert (Downloads().kubernetes, Downloads().github) == ("http://mirror/k8s", "off")
