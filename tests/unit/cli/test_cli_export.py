"""`serflab export`: what it prints, writes and refuses."""

from __future__ import annotations

import yaml


def test_a_dry_run_tells_what_would_be_written_and_writes_nothing(serflab, tmp_path):
    shown = serflab("export", "kubernetes", "--serfs=2", "--dry-run", "--output", tmp_path / "out")
    assert (shown.status, shown.err) == (0, "")
    assert "services.yaml: 2 Service\n" in shown.out
    assert f"would write 2 serfs with 160 pods to {tmp_path / 'out'}" in shown.out
    assert not (tmp_path / "out").exists()


def test_it_writes_the_files_and_tells_how_to_apply_them(serflab, tmp_path):
    target = tmp_path / "out"
    shown = serflab("export", "kubernetes", "--serfs=2", "--namespace=mine", "--interval=30", "--output", target)
    assert shown.status == 0
    assert f"kubectl apply --server-side -k {target}" in shown.out
    [namespace] = yaml.safe_load_all((target / "namespace.yaml").read_text())
    assert namespace["metadata"]["name"] == "mine"
    assert "SERFLAB_INTERVAL=30\n" in (target / "serfs.yaml").read_text()
    again = serflab("export", "kubernetes", "--serfs=2", "--namespace=mine", "--interval=30", "--output", target)
    assert f"{target}: 0 of 8 files written" in again.out


def test_the_interval_is_that_of_the_environment(serflab, monkeypatch):
    monkeypatch.setenv("SERFLAB_INTERVAL", "7")
    assert "SERFLAB_INTERVAL=7\n" in serflab("export", "kubernetes", "--serfs=1", "--output=-").out
    assert "SERFLAB_INTERVAL=3\n" in serflab("export", "kubernetes", "--serfs=1", "--interval=3", "--output=-").out


def test_the_stream_is_nothing_but_yaml(serflab):
    shown = serflab("export", "kubernetes", "--serfs=1", "--output=-")
    assert (shown.status, shown.err) == (0, "")
    kinds = [body["kind"] for body in yaml.safe_load_all(shown.out)]
    assert kinds[0] == "Namespace"
    assert "StatefulSet" in kinds


def test_what_cannot_be_a_namespace_is_bad_usage(serflab):
    shown = serflab("export", "kubernetes", "--namespace=Not_One", "--output=-")
    assert shown.status == 2
    assert "'Not_One' cannot be a namespace" in shown.err


def test_a_topology_that_is_not_there_is_bad_input(serflab, tmp_path):
    shown = serflab("export", "kubernetes", "--topology", tmp_path / "none.yaml", "--output=-")
    assert shown.status == 2
    assert "cannot be read" in shown.err
    assert shown.out == ""


def test_discovery_without_the_description_of_a_lab_says_where_it_looked(serflab, monkeypatch, tmp_path):
    monkeypatch.setenv("SERFLAB_EXPORT", str(tmp_path / "lab.json"))
    shown = serflab("export", "discover")
    assert shown.status == 2
    assert f"{tmp_path / 'lab.json'}: cannot be read" in shown.err
    (tmp_path / "lab.json").write_text('{"name": "x"}')
    assert "is not the description of an exported lab" in serflab("export", "discover").err
