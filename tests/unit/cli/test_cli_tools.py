"""`serflab tools`: which programs there are, and getting them."""

from __future__ import annotations

import json
from pathlib import Path

from serflab.lab.tools.pinned import TOOLS, Pins

PINS = Pins(Path(__file__).resolve().parents[3] / "tools")


def put(cache, *names):
    """Put programs into the cache."""
    (cache / "tools").mkdir(parents=True)
    for tool in TOOLS:
        if not names or tool.name in names:
            (cache / "tools" / PINS.key(tool)).write_text("")


def test_the_list_names_version_source_and_path_of_each(serflab, cache):
    put(cache, "kubectl")
    shown = serflab("tools", "list", "-o", "json")
    assert (shown.status, shown.err) == (0, "")
    rows = {item["name"]: item for item in json.loads(shown.out)["tools"]}
    assert list(rows) == [tool.name for tool in TOOLS]
    assert all(rows[tool.name]["version"] == PINS.version(tool) for tool in TOOLS)
    kubectl = next(tool for tool in TOOLS if tool.name == "kubectl")
    assert (rows["kubectl"]["source"], rows["kubectl"]["path"]) == ("cache", str(cache / "tools" / PINS.key(kubectl)))
    assert (rows["kwokctl"]["source"], rows["kwokctl"]["path"]) == ("missing", "")


def test_the_same_as_a_table(serflab):
    lines = serflab("tools", "list").out.splitlines()
    assert lines[0].split() == ["TOOL", "VERSION", "SOURCE", "PATH"]
    assert [line.split()[0] for line in lines[1:]] == [tool.name for tool in TOOLS]
    assert lines[1].split() == ["etcd", PINS.version(TOOLS[0]), "missing", "-"]


def test_what_would_be_got_can_be_asked_first(serflab, cache):
    assert serflab("tools", "install", "kwok", "etcd", "--dry-run").out == "would get: etcd, kwok\n"
    assert not cache.exists()
    put(cache)
    assert serflab("tools", "install", "--dry-run").out == "nothing is missing\n"


def test_nothing_is_done_where_all_is_there(serflab, cache):
    put(cache)
    done = serflab("tools", "install")
    assert (done.status, done.out, done.err) == (0, f"{len(TOOLS)} tools are there, 0 of them new\n", "")


def test_an_unknown_tool_is_bad_usage(serflab, cache):
    refused = serflab("tools", "install", "kubelet")
    assert refused.status == 2
    assert refused.err.startswith("error: no such tool: kubelet\n  hint: the tools are: etcd, ")
    assert not cache.exists()
