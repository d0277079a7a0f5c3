"""`serflab offload list`, `show`, `templates` and `info`: tables, JSON and YAML."""

from __future__ import annotations

import json
from typing import ClassVar

import pytest
import yaml
from viewer_stand_in import TEMPLATE, refusal, transferring, virtual_pod

from serflab.cli.offload_templates import curve

PODS = "/api/virtual-pods"


class TestList:
    def test_the_table(self, offload, viewer):
        now = transferring("x", 0.5)
        transfer = {"direction": "out", "bytes": 2**20, "seconds": 100.0, "started": now["started"], "path": []}
        viewer.hold(
            virtual_pod(),
            virtual_pod("vp-002", status="Transferring", transfer=transfer, point=None, ready=False),
            virtual_pod("vp-003", status="Pending", reason="Unschedulable", origin="offloaded", workload_template=""),
        )
        header, *rows = [line.split() for line in offload("list").out.splitlines()]
        assert header == ["ID", "STATUS", "SOURCE", "POD", "DEST", "PLAYS", "POINT", "READY", "RESTARTS", "AGE"]
        assert rows[0] == [
            "vp-001", "Running", "serf1", "default/burst-vp-001", "serf2", "burst", "12/60", "yes", "0", "2m"
        ]  # fmt: skip
        assert rows[1][6:] == ["-", "no", "0", "2m", "out", "50", "%"]
        assert rows[2][5] == "(offloaded)"
        assert rows[2][-1] == "Unschedulable"

    def test_json_and_filters(self, offload, viewer):
        pod = virtual_pod()
        viewer.hold(pod)
        shown = offload("list", "--source=serf1", "--dest=serf2", "--status=running", "-o", "json")
        assert json.loads(shown.out) == {"virtual_pods": [pod]}
        assert viewer.sent("GET") == [(PODS, {"source_node": "serf1", "dest_node": "serf2", "status": "Running"})]

    def test_an_unknown_status_is_bad_usage(self, offload):
        assert offload("list", "--status=asleep").status == 2


class TestShow:
    def test_all_about_one(self, offload, viewer):
        path = ["serf1", "router", "serf2"]
        transfer = {"direction": "out", "bytes": 240 * 2**20, "seconds": 20.63, "started": 0, "path": path}
        viewer.hold(virtual_pod(status="Failed", reason="OffloadingAborted", message="too late", transfer=transfer))
        lines = {
            line.split("  ")[0]: line.split("  ")[-1].strip()
            for line in map(str.rstrip, offload("show", "vp-001").out.splitlines())
        }
        assert lines["status"] == "Failed"
        assert lines["why"] == "OffloadingAborted: too late"
        assert lines["source"] == "serf1 default/burst-vp-001"
        assert lines["destination"] == "serf2 default-serf1/burst-vp-001"
        assert lines["point"] == "12/60, each 5 s, over and over"
        assert lines["transfer"] == "out: 240 MiB in 20.6 s over serf1-router-serf2"

    def test_one_whose_other_half_is_out_of_reach(self, offload, viewer):
        unknown = {"interval": None, "loop": None, "created_at": None, "dest_namespace": "", "point": None}
        viewer.hold(virtual_pod(status="Pending", reason="ProviderUnreachable", **unknown))
        assert offload("show", "vp-001").status == 0
        assert offload("list").out.splitlines()[1].split()[-2:] == ["-", "ProviderUnreachable"]

    def test_json(self, offload, viewer):
        pod = virtual_pod()
        viewer.hold(pod)
        assert json.loads(offload("show", "vp-001", "-o", "json").out) == {"virtual_pod": pod}

    def test_one_that_is_not_there(self, offload, viewer):
        viewer.answers["GET", f"{PODS}/vp-009"] = refusal(
            404, "unknown_virtual_pod", "there is no virtual pod 'vp-009'"
        )
        assert offload("show", "vp-009").status == 2


class TestTemplates:
    def test_the_table_has_broken_ones_with_their_problem(self, offload, viewer):
        broken = {"name": "mine", "points": 0, "description": "", "summary": None, "problem": "$.time_series: missing"}
        broken["image_mib"] = 0
        viewer.answers["GET", "/api/workload-templates"] = 200, {"templates": [{**TEMPLATE, "problem": ""}, broken]}
        _, *rows = [" ".join(line.split()) for line in offload("templates").out.splitlines()]
        assert rows == ["burst 4 240 2/3 3 short peaks", "mine 0 0 - - $.time_series: missing"]

    def test_one_with_its_curves(self, offload, viewer):
        viewer.answers["GET", "/api/workload-templates/burst"] = 200, TEMPLATE
        assert offload("templates", "burst").out.splitlines() == [
            "burst: short peaks",
            "4 points, image of 240 MiB",
            "cpu     ▁▃▆█  0 to 3 millicores",
            "memory  ████  8 to 8 Mi",
            "power   ▁▁▁▁  0 to 0 W",
            "psi     █▆▃▁  0 to 3 percent",
        ]
        assert json.loads(offload("templates", "burst", "-o", "json").out) == TEMPLATE

    def test_a_long_series_keeps_its_peaks(self):
        values = [0.0] * 1000
        values[777] = 5.0
        drawn = curve(values, width=10)
        assert drawn == "▁▁▁▁▁▁▁█▁▁"
        assert curve([1.0, 2.0], width=10, bars="_@") == "@@"


class TestInfo:
    PEERING: ClassVar = {
        "clusterID": "serf2",
        "role": "Provider",
        "networkingStatus": "Healthy",
        "authenticationStatus": "Healthy",
        "offloadingStatus": "Unhealthy",
        "resources": {"cpu": 4000, "memory": 8192, "pods": 110},
        "virtualNodes": ["serf2"],
        "namespaces": [{"namespace": "ns1", "twin": "ns1-serf1"}],
    }
    LOCAL: ClassVar = {"clusterID": "serf1", "version": "v1.36.3", "apiServerAddr": "https://127.0.0.1:21000"}

    @pytest.fixture(autouse=True)
    def told(self, viewer):
        viewer.answers["GET", "/api/liqo-info"] = 200, {"local": self.LOCAL, "peerings": [self.PEERING]}

    def test_one_serf_in_words(self, offload, viewer):
        lines = [" ".join(line.split()) for line in offload("info", "serf1").out.splitlines()]
        assert lines == [
            "Cluster ID: serf1",
            "Version: v1.36.3",
            "API server: https://127.0.0.1:21000",
            "Active peerings:",
            "serf2",
            "Role: Provider",
            "Networking status: Healthy",
            "Authentication status: Healthy",
            "Offloading status: Unhealthy",
            "Resources: cpu 4000m, memory 8192Mi, pods 110",
            "Virtual nodes: serf2",
            "Namespaces: ns1 → ns1-serf1",
        ]
        assert viewer.sent("GET") == [("/api/liqo-info", {"node": "serf1"})]

    def test_a_peering_that_has_just_begun(self, offload, viewer):
        bare = {**self.PEERING, "resources": None, "virtualNodes": [], "namespaces": []}
        viewer.answers["GET", "/api/liqo-info"] = 200, {"local": self.LOCAL, "peerings": [bare]}
        lines = [" ".join(line.split()) for line in offload("info", "serf1").out.splitlines()]
        assert lines[-3:] == ["Resources: none", "Virtual nodes: none", "Namespaces: none"]

    def test_json_and_yaml_say_the_same(self, offload):
        document = {"local": self.LOCAL, "peerings": [self.PEERING]}
        assert json.loads(offload("info", "serf1", "-o", "json").out) == document
        assert yaml.safe_load(offload("info", "serf1", "-o", "yaml").out) == document

    def test_all_serfs(self, offload, viewer):
        found = json.loads(offload("info", "-o", "json").out)
        assert len(found["serfs"]) == 3
        asked = [query["node"] for path, query in viewer.sent("GET") if path == "/api/liqo-info"]
        assert asked == ["serf1", "serf2", "serf3"]
