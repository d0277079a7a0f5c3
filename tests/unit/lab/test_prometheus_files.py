"""The files of the central Prometheus: the user's configuration on the lab's port, and the exporters as its targets."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

from serflab.errors import InputError
from serflab.lab.inventory import Serf
from serflab.lab.prometheus import PrometheusFiles


@pytest.fixture
def files(tmp_path, checkout):
    """Files of a lab whose checkout holds copies of the ones that ship."""
    copies = tmp_path / "checkout"
    copies.mkdir()
    for name in ("prometheus.yml", "prometheus-rules.yml"):
        (copies / name).write_text((checkout / name).read_text())
    return PrometheusFiles(copies, tmp_path / "lab" / "prometheus")


def test_what_runs_is_a_copy_of_the_users_files_on_the_port_of_the_lab(files):
    assert files.write(19091) is True
    config = yaml.safe_load((files.directory / "prometheus.yml").read_text())
    jobs = {job["job_name"]: job for job in config["scrape_configs"]}
    assert jobs["prometheus"]["static_configs"] == [{"targets": ["localhost:19091"]}]
    assert jobs["kwok-emulation"]["file_sd_configs"][0]["files"] == ["targets/serfs.json"]
    rules = (files.directory / "rules" / "serflab.yml").read_text()
    assert rules == (files.checkout / "prometheus-rules.yml").read_text()
    assert "9091" in (files.checkout / "prometheus.yml").read_text()


def test_it_is_told_whether_anything_changed(files):
    files.write(9091)
    assert files.write(9091) is False
    assert files.write(9092) is True
    rules = files.checkout / "prometheus-rules.yml"
    rules.write_text(rules.read_text() + "# mine\n")
    assert files.write(9092) is True
    assert files.write(9092) is False


def test_all_files_that_cannot_be_read_are_named(files):
    (files.checkout / "prometheus.yml").unlink()
    (files.checkout / "prometheus-rules.yml").write_bytes(b"\xff")
    with pytest.raises(InputError) as caught:
        files.write(9091)
    assert [Path(finding.file).name for finding in caught.value.findings] == ["prometheus.yml", "prometheus-rules.yml"]
    assert all(finding.hint == "`git checkout` brings it back" for finding in caught.value.findings)


def a_serf(name, port):
    home = Path("/lab") / name
    return Serf(name, home / "kubeconfig", "https://127.0.0.1:1", f"http://127.0.0.1:{port}", home, home)


def test_each_serf_is_a_target_with_its_name_in_the_order_of_the_names(files):
    files.write_targets([a_serf("serf2", 21016), a_serf("serf1", 21006)])
    assert json.loads((files.directory / "targets" / "serfs.json").read_text()) == [
        {"targets": ["127.0.0.1:21006"], "labels": {"serf": "serf1"}},
        {"targets": ["127.0.0.1:21016"], "labels": {"serf": "serf2"}},
    ]


def test_the_copies_are_where_the_command_line_and_the_configuration_look_for_them(files):
    files.write(19091)
    files.write_targets([])
    command = files.command(Path("/programs/prometheus"), 19091)
    assert f"--config.file={files.directory / 'prometheus.yml'}" in command
    assert "--web.listen-address=127.0.0.1:19091" in command
    config = yaml.safe_load((files.directory / "prometheus.yml").read_text())
    for pattern in [*config["rule_files"], "targets/serfs.json"]:
        assert list(files.directory.glob(pattern)), pattern


def test_a_sum_of_sums_stands_below_them_in_one_group_so_that_both_are_of_one_instant(checkout):
    groups = yaml.safe_load((checkout / "prometheus-rules.yml").read_text())["groups"]
    recorded = {rule["record"] for group in groups for rule in group["rules"]}
    for group in groups:
        above = set()
        for rule in group["rules"]:
            assert recorded & set(re.findall(r"serflab:\w+:\w+", rule["expr"])) <= above, rule["record"]
            above.add(rule["record"])
