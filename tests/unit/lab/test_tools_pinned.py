"""The pinned tools: versions are written once, in the Go modules, and name the builds in the cache."""

from __future__ import annotations

import re
import shutil

import pytest

from serflab.errors import SerflabError
from serflab.lab.tools.pinned import LAB_TOOLS, TOOLS, Pins, minor_of, tools_named

GO_MOD = """\
module serflab.dev/tools/cluster

go 1.26.0

replace (
	k8s.io/kubernetes v1.0.0 => ../kubernetes
	k8s.io/api => k8s.io/api v0.36.3
)

require (
	k8s.io/kubernetes v1.36.3
	go.etcd.io/etcd/server/v3 v3.6.8 // indirect
	sigs.k8s.io/descheduler v0.36.0
	sigs.k8s.io/kwok v0.8.0
)
"""


@pytest.fixture
def pins(checkout):
    return Pins(checkout / "tools")


def tool(name):
    return tools_named([name])[0]


def copied(checkout, directory):
    """Return the pins of a copy of the checkout's modules."""
    for module in ("cluster", "prometheus"):
        (directory / module).mkdir(parents=True)
        for name in ("go.mod", "go.sum"):
            shutil.copy(checkout / "tools" / module / name, directory / module / name)
    return Pins(directory)


@pytest.mark.parametrize("item", TOOLS, ids=lambda item: item.name)
def test_each_tool_is_a_tool_of_its_module_with_a_version(pins, item):
    assert re.fullmatch(r"v\d+\.\d+\.\d+", pins.version(item))
    declared = (pins.directory / item.module / "go.mod").read_text().partition("tool (")[2].partition(")")[0].split()
    assert item.package in declared


def test_the_control_plane_has_one_version(pins):
    names = ["kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl"]
    assert len({pins.version(item) for item in tools_named(names)}) == 1


def test_versions_are_those_that_go_mod_requires(tmp_path):
    (tmp_path / "cluster").mkdir()
    (tmp_path / "cluster" / "go.mod").write_text(GO_MOD)
    versions = {name: Pins(tmp_path).version(tool(name)) for name in ("kubectl", "etcd", "kwok", "kwokctl")}
    assert versions == {"kubectl": "v1.36.3", "etcd": "v3.6.8", "kwok": "v0.8.0", "kwokctl": "v0.8.0"}
    assert Pins(tmp_path).go_version("cluster") == (1, 26, 0)


@pytest.mark.parametrize(
    ("of_module", "of_release"),
    [("v0.315.0", "v3.15.0"), ("v0.305.2", "v3.5.2"), ("v0.300.1", "v3.0.1"), ("v0.55.1", "v0.55.1")],
)
def test_prometheus_packs_its_release_into_its_module_version(tmp_path, of_module, of_release):
    (tmp_path / "prometheus").mkdir()
    text = f"module x\n\ngo 1.26.0\n\nrequire github.com/prometheus/prometheus {of_module} // indirect\n"
    (tmp_path / "prometheus" / "go.mod").write_text(text)
    assert Pins(tmp_path).version(tool("prometheus")) == of_release
    assert Pins(tmp_path).version(tool("promtool")) == of_release


def test_a_build_is_named_by_tool_version_and_all_that_goes_into_it(checkout, tmp_path):
    before = copied(checkout, tmp_path / "a")
    assert re.fullmatch(r"kubectl-v1\.\d+\.\d+-[0-9a-f]{8}", before.key(tool("kubectl")))
    same = copied(checkout, tmp_path / "b")
    assert [same.key(item) for item in TOOLS] == [before.key(item) for item in TOOLS]
    assert len({before.key(item) for item in TOOLS}) == len(TOOLS)


def test_another_go_sum_is_another_build_of_the_tools_of_that_module_only(checkout, tmp_path):
    before, after = copied(checkout, tmp_path / "a"), copied(checkout, tmp_path / "b")
    sums = after.directory / "cluster" / "go.sum"
    sums.write_text(sums.read_text() + "\n")
    changed = {item.name for item in TOOLS if before.key(item) != after.key(item)}
    assert changed == {item.name for item in TOOLS if item.module == "cluster"}


@pytest.mark.parametrize("setting", ["ldflags", "tags"])
def test_other_flags_are_another_build(pins, monkeypatch, setting):
    before = pins.key(tool("kwok"))
    monkeypatch.setattr(Pins, setting, lambda *_: "-other")
    assert pins.key(tool("kwok")) != before


def test_the_linker_writes_the_versions_that_the_programs_tell(pins):
    kubernetes, flags = pins.version(tool("kubectl")), pins.ldflags("cluster")
    _, major, minor, _ = re.split(r"[v.]", kubernetes)
    for package in ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version"):
        assert f"-X {package}.gitVersion={kubernetes} " in flags
        assert f"-X {package}.gitMajor={major} " in flags
        assert f"-X {package}.gitMinor={minor} " in flags
    assert "-X github.com/prometheus/common/version.Version=3." in pins.ldflags("prometheus")
    assert pins.tags("prometheus") == "remove_all_sd"


def test_go_installs_a_program_under_the_last_part_of_its_path_that_is_no_version():
    assert tool("etcd").go_binary == "server"
    assert tool("kube-apiserver").go_binary == "kube-apiserver"


def test_a_lab_needs_the_control_plane_kwok_kubectl_and_prometheus():
    assert LAB_TOOLS == (
        "etcd",
        "kube-apiserver",
        "kube-controller-manager",
        "kube-scheduler",
        "kubectl",
        "kwok",
        "prometheus",
    )


def test_tools_are_named_in_their_own_order_and_unknown_ones_are_bad_usage():
    assert [item.name for item in tools_named(["kwok", "etcd", "kwok"])] == ["etcd", "kwok"]
    with pytest.raises(SerflabError) as caught:
        tools_named(["kwok", "kubelet", "docker"])
    assert caught.value.message == "no such tool: docker, kubelet"
    assert caught.value.hint.startswith("the tools are: etcd, kube-apiserver, ")
    assert caught.value.exit_status == 2


@pytest.mark.parametrize(
    ("output", "minor"),
    [
        ("etcd Version: 3.6.8\nGit SHA: GitNotFound\nGo Version: go1.26.1\n", (3, 6)),
        ("Kubernetes v1.36.3\n", (1, 36)),
        ("Client Version: v1.36.3\nKustomize Version: v5.7.1\n", (1, 36)),
        ("kwok version v0.8.0 go1.26.1 (linux/amd64)\n", (0, 8)),
        ("prometheus, version 3.15.0 (branch: , revision: unknown)\n  go version: go1.26.1\n", (3, 15)),
        ("Descheduler version {Major:0 Minor:36 GitVersion:v0.36.0 GoVersion:go1.26.1}\n", (0, 36)),
        ("unknown\n", None),
    ],
)
def test_a_version_is_read_from_what_the_programs_print(output, minor):
    assert minor_of(output) == minor
