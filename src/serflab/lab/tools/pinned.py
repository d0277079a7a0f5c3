"""Which programs the lab runs, in which versions, and how each is known, built and downloaded.

The versions themselves stand in `tools/*/go.mod`; this module reads them from there, so that they are written once.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from serflab.errors import SerflabError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Tool:
    """A program and where it comes from.

    `package` is the Go package in the module directory `tools/<module>`; `requirement` the module path whose version in
    go.mod is the program's; `release` is `dl.k8s.io`, a GitHub `owner/repository`, or empty when upstream publishes no
    binary; `asset` the file of that release with `{version}`, `{bare}` (without the v) and `{arch}` to fill in.
    """

    name: str
    module: str
    package: str
    requirement: str
    version_arguments: tuple[str, ...] = ("--version",)
    release: str = ""
    asset: str = ""
    in_lab: bool = True

    @property
    def go_binary(self) -> str:
        """Return the file name that `go install` gives the program."""
        last = self.package.rsplit("/", 1)[-1]
        return self.package.rsplit("/", 2)[-2] if re.fullmatch(r"v\d+", last) else last


def _kubernetes(name: str, *version_arguments: str) -> Tool:
    return Tool(
        name=name,
        module="cluster",
        package=f"k8s.io/kubernetes/cmd/{name}",
        requirement="k8s.io/kubernetes",
        version_arguments=version_arguments or ("--version",),
        release="dl.k8s.io",
        asset=name,
    )


TOOLS: tuple[Tool, ...] = (
    Tool(
        name="etcd",
        module="cluster",
        package="go.etcd.io/etcd/server/v3",
        requirement="go.etcd.io/etcd/server/v3",
        release="etcd-io/etcd",
        asset="etcd-{version}-linux-{arch}.tar.gz",
    ),
    _kubernetes("kube-apiserver"),
    _kubernetes("kube-controller-manager"),
    _kubernetes("kube-scheduler"),
    _kubernetes("kubectl", "version", "--client"),
    Tool(
        name="kwok",
        module="cluster",
        package="sigs.k8s.io/kwok/cmd/kwok",
        requirement="sigs.k8s.io/kwok",
        release="kubernetes-sigs/kwok",
        asset="kwok-linux-{arch}",
    ),
    Tool(
        name="prometheus",
        module="prometheus",
        package="github.com/prometheus/prometheus/cmd/prometheus",
        requirement="github.com/prometheus/prometheus",
        release="prometheus/prometheus",
        asset="prometheus-{bare}.linux-{arch}.tar.gz",
    ),
    Tool(
        name="promtool",
        module="prometheus",
        package="github.com/prometheus/prometheus/cmd/promtool",
        requirement="github.com/prometheus/prometheus",
        release="prometheus/prometheus",
        asset="prometheus-{bare}.linux-{arch}.tar.gz",
        in_lab=False,
    ),
    Tool(
        name="kwokctl",
        module="cluster",
        package="sigs.k8s.io/kwok/cmd/kwokctl",
        requirement="sigs.k8s.io/kwok",
        release="kubernetes-sigs/kwok",
        asset="kwokctl-linux-{arch}",
        in_lab=False,
    ),
    Tool(
        name="descheduler",
        module="cluster",
        package="sigs.k8s.io/descheduler/cmd/descheduler",
        requirement="sigs.k8s.io/descheduler",
        version_arguments=("version",),
        in_lab=False,
    ),
)

LAB_TOOLS: tuple[str, ...] = tuple(tool.name for tool in TOOLS if tool.in_lab)
"""The programs that `serflab up` needs; the others serve the tests, the benchmarks and the rebalancing loop."""


class UnknownToolError(SerflabError):
    """A tool was asked for that serflab does not know."""

    exit_status = 2


def tools_named(names: Iterable[str]) -> list[Tool]:
    """Return the tools of those names in the order of `TOOLS`; `UnknownToolError` names the unknown."""
    wanted = set(names)
    unknown = wanted - {tool.name for tool in TOOLS}
    if unknown:
        known = ", ".join(tool.name for tool in TOOLS)
        raise UnknownToolError(f"no such tool: {', '.join(sorted(unknown))}", hint=f"the tools are: {known}")
    return [tool for tool in TOOLS if tool.name in wanted]


@dataclass(frozen=True, slots=True)
class Pins:
    """The pinned versions of a checkout, read from the Go modules in `directory` (`tools/`)."""

    directory: Path

    def version(self, tool: Tool) -> str:
        """Return the pinned version of a tool as its project writes it, such as `v1.36.3`.

        Prometheus tags its Go module v0.XYY.Z for release X.YY.Z (its convention since 2.35): v0.315.0 is v3.15.0.
        """
        text = _requirements(self.directory / tool.module / "go.mod")[tool.requirement]
        if tool.requirement == "github.com/prometheus/prometheus":
            _, packed, patch = text.removeprefix("v").split(".")
            return f"v{int(packed) // 100}.{int(packed) % 100}.{patch}"
        return text

    def key(self, tool: Tool) -> str:
        """Return the name of this build in the cache: tool, version and a digest of all that goes into it."""
        digest = hashlib.sha256()
        for name in ("go.mod", "go.sum"):
            digest.update((self.directory / tool.module / name).read_bytes())
        digest.update(repr((self.ldflags(tool.module), self.tags(tool.module))).encode())
        return f"{tool.name}-{self.version(tool)}-{digest.hexdigest()[:8]}"

    def go_version(self, module: str) -> tuple[int, int, int]:
        """Return the least Go version that builds the module."""
        text = (self.directory / module / "go.mod").read_text(encoding="utf-8")
        found = re.search(r"^go (\d+)\.(\d+)(?:\.(\d+))?$", text, re.MULTILINE)
        if found is None:
            raise SerflabError(f"{self.directory / module / 'go.mod'} has no `go` line")
        return int(found[1]), int(found[2]), int(found[3] or 0)

    def ldflags(self, module: str) -> str:
        """Return the linker flags that write the versions into the binaries, as upstream's release builds do."""
        values: dict[str, str] = {}
        if module == "cluster":
            kubernetes = self.version(tools_named(["kube-apiserver"])[0])
            major, minor, _ = kubernetes.removeprefix("v").split(".")
            for package in ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version"):
                values |= {
                    f"{package}.gitVersion": kubernetes,
                    f"{package}.gitMajor": major,
                    f"{package}.gitMinor": minor,
                    f"{package}.gitTreeState": "clean",
                    f"{package}.gitCommit": "",
                }
            values["sigs.k8s.io/descheduler/pkg/version.version"] = self.version(tools_named(["descheduler"])[0])
        else:
            version = self.version(tools_named(["prometheus"])[0])
            values["github.com/prometheus/common/version.Version"] = version.removeprefix("v")
        return " ".join(["-s", "-w", *(f"-X {name}={value}" for name, value in values.items())])

    def tags(self, module: str) -> str:
        """Return the build tags: without them Prometheus brings the SDK of every cloud; file discovery stays."""
        return "remove_all_sd" if module == "prometheus" else ""


@cache
def _requirements(go_mod: Path) -> dict[str, str]:
    text = go_mod.read_text(encoding="utf-8")
    return dict(re.findall(r"^\s*(?:require\s+)?([\w./-]+) (v[\w.+-]+)", text, re.MULTILINE))


def minor_of(text: str) -> tuple[int, int] | None:
    """Return (major, minor) of the first version in a program's output, or None."""
    found = re.search(r"v?(\d+)\.(\d+)\.\d+", text)
    return (int(found[1]), int(found[2])) if found else None
