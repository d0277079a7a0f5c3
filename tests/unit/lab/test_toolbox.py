"""Getting the tools: cached, on PATH, downloaded, built; nothing half-written is ever used.

Releases come from `release_server.py`, builds from `fake_go.py`: that a real Go builds the real modules is seen
whenever the suite runs with an empty cache.
"""

from __future__ import annotations

import collections
import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest
from fake_go import FakeGo
from release_server import ReleaseServer
from waiting import until

from serflab.errors import SerflabError
from serflab.lab.tools.pinned import TOOLS, tools_named
from serflab.lab.tools.sources import architecture
from serflab.lab.tools.toolbox import Toolbox, cache_directory

pytestmark = pytest.mark.usefixtures("go")


@pytest.fixture
def go(tmp_path, monkeypatch):
    """A Go that does well, and nothing else on PATH."""
    made = FakeGo(tmp_path / "fake-go")
    monkeypatch.setenv("PATH", made.path)
    yield made
    if made.hanging:
        with contextlib.suppress(ProcessLookupError):
            os.kill(made.hanging, signal.SIGKILL)


@pytest.fixture(autouse=True)
def releases(monkeypatch):
    """A release server that publishes nothing."""
    server = ReleaseServer()
    monkeypatch.setenv("SERFLAB_KUBERNETES_RELEASES", f"{server.url}/release")
    monkeypatch.setenv("SERFLAB_GITHUB_API", f"{server.url}/api")
    yield server
    server.close()


@pytest.fixture
def offline(monkeypatch):
    monkeypatch.setenv("SERFLAB_KUBERNETES_RELEASES", "off")
    monkeypatch.setenv("SERFLAB_GITHUB_API", "off")


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


@pytest.fixture
def toolbox(checkout, cache):
    return Toolbox(checkout, cache)


def tools_in(cache):
    """Return the names of the programs in the cache, without version and digest."""
    return sorted(path.name.rpartition("-v")[0] for path in (cache / "tools").glob("*"))


def test_each_tool_comes_from_the_first_place_that_has_it(toolbox, cache, go, releases, heard):
    etcd, kubectl, kwok, descheduler = tools_named(["etcd", "kubectl", "kwok", "descheduler"])
    for tool in (etcd, kubectl, kwok):
        script = f"#!/bin/sh\necho {toolbox.pins.version(tool)}\n".encode()
        name = f"{tool.name}-linux-{architecture()}"
        releases.publish_github("kubernetes-sigs/kwok", toolbox.pins.version(kwok), {name: script})
        releases.publish_kubernetes(toolbox.pins.version(tool), architecture(), tool.name, script)
        if tool is not kwok:
            (Path(go.path) / tool.name).write_bytes(script)
            (Path(go.path) / tool.name).chmod(0o755)
    toolbox.expected_path(etcd)
    cached = cache / "tools" / toolbox.pins.key(etcd)
    cached.parent.mkdir(parents=True)
    cached.write_text("")

    paths = toolbox.install([etcd, kubectl, kwok, descheduler], heard)

    assert paths["etcd"] == cached
    assert paths["kubectl"] == Path(go.path) / "kubectl"
    assert {path for path in releases.asked if "kwok" not in path} == set()
    assert paths["kwok"].parent == paths["descheduler"].parent == cache / "tools"
    assert [call.rpartition(" ")[2] for call in go.installs()] == ["sigs.k8s.io/descheduler/cmd/descheduler"]
    version, built = toolbox.pins.version(kwok), toolbox.pins.version(descheduler)
    assert heard.tasks == [f"downloading kwok {version}", "building descheduler"]
    assert heard.finished == heard.tasks
    assert built in paths["descheduler"].name
    assert [toolbox.locate(tool).source for tool in (etcd, kubectl, kwok, descheduler)] == [
        "cache",
        "PATH",
        "cache",
        "cache",
    ]


def test_what_is_there_is_not_got_again(toolbox, go, releases, heard):
    chosen = tools_named(["kwok", "promtool"])
    first = toolbox.install(chosen, heard)
    calls, asked = len(go.installs()), list(releases.asked)
    assert toolbox.install(chosen, heard) == first
    assert (len(go.installs()), releases.asked) == (calls, asked)


@pytest.mark.usefixtures("offline")
def test_all_tools_are_built_in_one_run_a_module_where_nothing_can_be_downloaded(toolbox, cache, go, heard):
    paths = toolbox.install(TOOLS, heard)
    assert set(paths) == {tool.name for tool in TOOLS}
    assert tools_in(cache) == sorted(paths)
    outputs = {subprocess.run([path], capture_output=True, text=True, check=True).stdout for path in paths.values()}
    assert outputs == {"built\n"}
    cluster, prometheus = go.installs()
    assert cluster.startswith("CGO_ENABLED=0 GOTOOLCHAIN=local install -v -trimpath -ldflags -s -w -X ")
    assert " -tags remove_all_sd github.com/prometheus/prometheus/cmd/prometheus" in prometheus
    assert ("building prometheus, promtool", 4, 4, "packages") in heard.steps
    assert [step for step in heard.steps if step[1] > step[2]] == []


def test_a_download_that_fails_is_told_and_built_instead(toolbox, releases, heard):
    (kubectl,) = tools_named(["kubectl"])
    version = toolbox.pins.version(kubectl)
    releases.publish_kubernetes(version, architecture(), "kubectl", b"tampered", "0" * 64)
    path = toolbox.install([kubectl], heard)["kubectl"]
    assert path.read_text() == "#!/bin/sh\necho built\n"
    (said,) = heard.said
    assert said.endswith(f"but its release publishes {'0' * 64}; it will be built instead")


@pytest.mark.usefixtures("offline")
def test_a_build_that_fails_says_how_it_ended_and_where_its_log_is(toolbox, cache, go, heard):
    go.behave("fail")
    with pytest.raises(SerflabError) as caught:
        toolbox.install(tools_named(["kwok", "etcd"]), heard)
    log = cache / "logs" / "build-cluster.log"
    assert caught.value.message.startswith(f"building etcd, kwok failed; the last lines of {log}:\n")
    assert caught.value.message.endswith("\n    c\n    disk quota exceeded")
    assert "GOPROXY" in caught.value.hint
    assert caught.value.exit_status == 1
    assert log.read_text().endswith("disk quota exceeded\n")
    assert tools_in(cache) == []
    assert list(cache.glob(".*")) == []


INSTALL = """
import sys
from pathlib import Path
from unittest.mock import Mock
from serflab.lab.tools.pinned import tools_named
from serflab.lab.tools.toolbox import Toolbox
Toolbox(Path(sys.argv[1]), Path(sys.argv[2])).install(tools_named(["kwok"]), Mock())
"""


@pytest.fixture
def interrupted(checkout, cache, go):
    """Interrupt another serflab with a signal while it builds; return what it left of its Go."""

    def interrupt(number):
        go.behave("hang")
        other = subprocess.Popen([sys.executable, "-c", INSTALL, checkout, cache], stderr=subprocess.DEVNULL)
        pid = until(lambda: go.hanging, "the build")
        assert [path.name for path in cache.glob(".staging-*/*")] == ["kwok"]
        other.send_signal(number)
        assert other.wait() != 0
        go.behave("")
        return pid

    return interrupt


@pytest.mark.usefixtures("offline")
def test_an_interrupted_build_ends_go_and_leaves_nothing(interrupted, toolbox, cache):
    go_pid = interrupted(signal.SIGINT)
    assert not psutil.pid_exists(go_pid)
    assert list(cache.glob(".*")) == []
    assert toolbox.locate(tools_named(["kwok"])[0]).source == "missing"


@pytest.mark.usefixtures("offline")
def test_what_a_killed_build_left_is_never_used_and_cleared_by_the_next(interrupted, toolbox, cache, heard):
    interrupted(signal.SIGKILL)
    (kwok,) = tools_named(["kwok"])
    (leftover,) = cache.glob(".staging-*")
    assert toolbox.locate(kwok).source == "missing"
    assert toolbox.install([kwok], heard)["kwok"].read_text() == "#!/bin/sh\necho built\n"
    assert not leftover.exists()


@pytest.mark.usefixtures("offline")
def test_two_at_once_wait_for_each_other_and_do_nothing_twice(toolbox, cache, go, heard):
    (kwok,) = tools_named(["kwok"])
    cache.mkdir()
    got = {}
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        thread = threading.Thread(target=lambda: got.update(toolbox.install([kwok], heard)))
        thread.start()
        until(lambda: heard.said)
        assert heard.said == ["another serflab is getting the tools; waiting for it"]
        path = cache / "tools" / toolbox.pins.key(kwok)
        path.parent.mkdir()
        path.write_text("of the other")
    thread.join()
    assert got == {"kwok": path}
    assert go.installs() == []


@pytest.mark.usefixtures("offline")
def test_a_disk_that_is_too_full_is_told_before_anything_is_built(toolbox, cache, go, heard, monkeypatch):
    usage = collections.namedtuple("usage", "total used free")  # noqa: PYI024 - what shutil gives
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage(10 << 30, 9 << 30, 1 << 30))
    with pytest.raises(SerflabError) as caught:
        toolbox.install(tools_named(["kwok", "etcd"]), heard)
    assert caught.value.message == f"building etcd, kwok needs about 6 GiB below {cache}, 1.0 GiB are free"
    assert "SERFLAB_CACHE" in caught.value.hint
    assert go.installs() == []


def test_a_tool_that_is_not_there_says_how_to_get_it(toolbox, cache):
    with pytest.raises(SerflabError) as caught:
        toolbox.path("kubectl")
    assert str(caught.value) == "kubectl is not installed\n  hint: get it with `serflab tools install kubectl`"
    (kubectl,) = tools_named(["kubectl"])
    assert toolbox.expected_path(kubectl) == cache / "tools" / toolbox.pins.key(kubectl)
    assert not cache.exists()


def test_the_cache_belongs_to_the_user_and_can_be_elsewhere(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", "/home/ada")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert cache_directory() == Path("/home/ada/.cache/serflab")
    monkeypatch.setenv("XDG_CACHE_HOME", "/var/cache/ada")
    assert cache_directory() == Path("/var/cache/ada/serflab")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SERFLAB_CACHE", "mine")
    assert cache_directory() == tmp_path / "mine"
