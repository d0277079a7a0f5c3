"""`serflab offload create`, `offload`, `bring-back` and `delete`."""

from __future__ import annotations

import pytest
from viewer_stand_in import TEMPLATE, cluster, connection, operation, refusal, transferring, virtual_pod

CREATE = "/api/virtual-pods/create"
OFFLOAD = "/api/virtual-pods/offload"
PODS = "/api/virtual-pods"
BODY = {
    "source_node": "serf1",
    "dest_node": "serf2",
    "workload_template": "burst",
    "interval": 5.0,
    "namespace": "default",
    "loop": True,
}


class TestCreate:
    @pytest.fixture(autouse=True)
    def creation(self, viewer):
        pod = virtual_pod()
        states = [operation("create.vp-001", "Pending"), transferring("create.vp-001", 0.5), operation("create.vp-001")]
        viewer.begin("POST", CREATE, states, virtual_pod={**pod, "status": "Pending"})
        viewer.hold(pod)

    def test_it_creates_waits_and_says_where_the_pod_runs(self, offload, viewer):
        done = offload("create", "serf1", "serf2", "--template", "burst")
        assert (done.status, done.out) == (
            0,
            "vp-001 (default/burst-vp-001, serf1 → serf2): Running as default-serf1/burst-vp-001\n",
        )
        assert viewer.sent("POST") == [(CREATE, BODY)]

    def test_every_option_reaches_the_viewer(self, offload, viewer):
        options = ("--interval=0.5", "--name=mine", "--namespace=ns1", "--no-loop", "--image-mib=12.5")
        assert offload("create", "serf1", "serf2", "--source-pod=ns1/web-0", *options).status == 0
        ((_, body),) = viewer.sent("POST")
        assert body == {
            "source_node": "serf1",
            "dest_node": "serf2",
            "source_pod": "ns1/web-0",
            "interval": 0.5,
            "name": "mine",
            "namespace": "ns1",
            "loop": False,
            "image_mib": 12.5,
        }

    def test_several_at_once_are_numbered(self, offload, viewer):
        done = offload("create", "serf1", "serf2", "--template=burst", "--name=mine", "--count=3")
        assert done.status == 0
        assert [body["name"] for _, body in viewer.sent("POST")] == ["mine-1", "mine-2", "mine-3"]
        assert len(done.out.splitlines()) == 3

    def test_what_is_refused_half_way_is_told_after_those_that_run(self, offload, viewer):
        whole = viewer.answers["POST", CREATE]
        viewer.answers["POST", CREATE] = [whole, whole, refusal(409, "name_taken", "mine-3 is there already")]
        partly = offload("create", "serf1", "serf2", "--template=burst", "--name=mine", "--count=9")
        assert partly.status == 1
        assert len(viewer.sent("POST")) == 3
        assert len(partly.out.splitlines()) == 2
        assert partly.err.endswith("error: mine-3 is there already\n")

    @pytest.mark.parametrize(
        ("answer", "status"),
        [
            (refusal(409, "not_peered"), 1),
            (refusal(409, "name_taken"), 1),
            (refusal(503, "cluster_unreachable"), 1),
            (refusal(503, "offload_unavailable"), 1),
            (refusal(401, "token_required"), 1),
            (refusal(400, "bad_parameter"), 2),
            (refusal(404, "unknown_template"), 2),
            (refusal(404, "unknown_namespace"), 2),
            (refusal(404, "unknown_node"), 2),
            (refusal(404, "not_found"), 1),
            ((500, b"<html>"), 1),
            ((200, b"<html>"), 1),
        ],
    )
    def test_a_refusal_has_its_exit_status(self, offload, viewer, answer, status):
        viewer.answers["POST", CREATE] = answer
        refused = offload("create", "serf1", "serf2", "--template=burst")
        assert (refused.status, refused.out) == (status, "")
        assert refused.err.startswith("error: ")

    def test_a_template_that_is_not_there_is_told_with_the_nearest(self, offload, viewer):
        listed = [{**TEMPLATE, "problem": ""}, {**TEMPLATE, "name": "batch", "problem": ""}]
        viewer.answers["GET", "/api/workload-templates"] = 200, {"templates": listed}
        viewer.answers["POST", CREATE] = refusal(404, "unknown_template", "there is no template 'bust'", "there are: …")
        refused = offload("create", "serf1", "serf2", "--template=bust")
        assert refused.err == "error: there is no template 'bust'\n  hint: did you mean \"burst\"?\n"

    def test_the_viewers_own_hint_stays_where_nothing_is_near(self, offload, viewer):
        viewer.answers["POST", CREATE] = refusal(404, "unknown_template", "there is none", "there are: batch")
        assert "  hint: there are: batch\n" in offload("create", "serf1", "serf2", "--template=zzz").err

    @pytest.mark.parametrize(
        "options",
        [
            [],
            ["--template=burst", "--source-pod=ns1/web-0"],
            ["--source-pod=web-0"],
            ["--source-pod=/web-0"],
            ["--source-pod=a/b/c"],
            ["--template=burst", "--interval=0"],
            ["--template=burst", "--image-mib=-1"],
            ["--template=burst", "--count=0"],
            ["--template=burst", "--timeout=0"],
        ],
        ids=" ".join,
    )
    def test_bad_usage_is_status_2_and_nothing_is_sent(self, offload, viewer, options):
        assert offload("create", "serf1", "serf2", *options).status == 2
        assert viewer.requests == []


class TestDryRunOfCreate:
    @pytest.fixture(autouse=True)
    def ready(self, viewer):
        viewer.connect(connection())
        viewer.answers["GET", "/api/workload-templates/burst"] = 200, TEMPLATE

    def run(self, offload, *options):
        return offload("create", "serf1", "serf2", "--dry-run", *options)

    def test_it_says_what_would_be_done_and_how_long_the_transfer_takes(self, offload, viewer):
        would = self.run(offload, "--template=burst", "--name=mine", "--count=2")
        assert would.status == 0
        # 240 MiB over 100 Mbit/s, and half a second of delay.
        assert would.out == (
            "would create 2 virtual pods as default/mine-1, mine-2 of serf1 on serf2, playing burst; "
            "240 MiB are moved in 20.6 s over serf1-serf2\n"
        )
        assert viewer.sent("POST") == []

    def test_the_image_may_be_another(self, offload):
        told = self.run(offload, "--source-pod=ns1/web-0", "--image-mib=0").out
        assert told == (
            "would create a virtual pod of serf1 on serf2, playing ns1/web-0; "
            "0 MiB are moved in 0.5 s over serf1-serf2\n"
        )

    @pytest.mark.parametrize(
        ("options", "status", "problem"),
        [
            (["--template=bust"], 2, "there is no template"),
            (["--template=burst", "--namespace=ns2"], 2, "there is no namespace 'ns2'\n  hint: did you mean \"ns1\"?"),
            (["--template=burst", "--namespace=ns1", "--name=web-0"], 1, "there is a pod ns1/web-0 in serf1 already"),
        ],
    )
    def test_what_the_viewer_would_refuse_is_refused(self, offload, viewer, options, status, problem):
        viewer.answers["GET", "/api/workload-templates/bust"] = refusal(404, "unknown_template", "there is no template")
        refused = self.run(offload, *options)
        assert (refused.status, refused.out) == (status, "")
        assert problem in refused.err

    @pytest.mark.parametrize(
        ("connections", "problem"),
        [
            ([], "serf1 is not connected to serf2"),
            ([connection("serf2", "serf1")], "serf1 is not connected to serf2"),
            ([connection(state="Pending", message="wait")], "the connection from serf1 to serf2 is Pending: wait"),
        ],
    )
    def test_it_needs_an_established_peering(self, offload, viewer, connections, problem):
        viewer.connect(*connections)
        refused = self.run(offload, "--template=burst")
        assert refused.status == 1
        assert problem in refused.err

    def test_a_serf_that_does_not_answer_cannot_be_checked(self, offload, viewer):
        away = cluster("serf1", [], state="unreachable", message="connection refused")
        viewer.answers["GET", "/api/node/serf1/cluster-info"] = 200, away
        assert "serf1 cannot be looked into: connection refused" in self.run(offload, "--template=burst").err


class TestOffload:
    def test_it_moves_a_pod(self, offload, viewer):
        pod = virtual_pod(origin="offloaded", namespace="ns1", source_pod_name="web-0", workload_template="")
        states = [transferring("offload.vp-001", 0.1), operation("offload.vp-001")]
        viewer.begin("POST", OFFLOAD, states, virtual_pod=pod)
        viewer.hold(pod)
        done = offload("offload", "serf1", "ns1/web-0", "serf2")
        assert (done.status, done.out) == (
            0,
            "vp-001 (ns1/web-0, serf1 → serf2): Running as default-serf1/burst-vp-001\n",
        )
        wanted = {"source_node": "serf1", "namespace": "ns1", "pod": "web-0", "dest_node": "serf2"}
        assert viewer.sent("POST") == [(OFFLOAD, wanted)]

    @pytest.mark.parametrize(
        ("pod", "status", "told"),
        [
            ("ns1/web-0", 0, "would offload ns1/web-0 from serf1 to serf2"),
            ("ns1/web-1", 2, 'did you mean "ns1/web-0"?'),
            ("ns1/gone", 1, "ns1/gone is a virtual pod already"),
            ("web-0", 2, "'web-0' is not of the form NAMESPACE/POD"),
        ],
    )
    def test_dry_run(self, offload, viewer, pod, status, told):
        viewer.connect(connection())
        held = cluster("serf1", [("ns1", "web-0"), ("ns1", "gone")])
        held["pods"][1]["virtual"] = {"id": "vp-001", "role": "source"}
        viewer.answers["GET", "/api/node/serf1/cluster-info"] = 200, held
        checked = offload("offload", "serf1", pod, "serf2", "--dry-run")
        assert checked.status == status
        assert told in checked.out + checked.err
        assert viewer.sent("POST") == []


class TestBringBack:
    def test_it_waits_for_each(self, offload, viewer):
        for name in ("vp-001", "vp-002"):
            states = [transferring(f"bring-back.{name}", 0.2), operation(f"bring-back.{name}")]
            viewer.begin("POST", f"{PODS}/{name}/bring-back", states)
        done = offload("bring-back", "vp-001", "vp-002")
        assert (done.status, done.out) == (0, "vp-001 is home again\nvp-002 is home again\n")

    def test_one_that_is_refused_does_not_keep_the_others(self, offload, viewer):
        viewer.answers["POST", f"{PODS}/vp-001/bring-back"] = refusal(409, "not_offloaded", "vp-001 has no home")
        viewer.begin("POST", f"{PODS}/vp-002/bring-back", [operation("bring-back.vp-002")])
        partly = offload("bring-back", "vp-001", "vp-002")
        assert (partly.status, partly.out) == (1, "vp-002 is home again\n")
        assert partly.err.endswith("error: vp-001 has no home\n")

    def test_dry_run_knows_which_have_a_home(self, offload, viewer):
        viewer.hold(virtual_pod("vp-001"), virtual_pod("vp-002", origin="offloaded"))
        refused = offload("bring-back", "vp-001", "--dry-run")
        assert refused.status == 1
        assert "was created, not offloaded" in refused.err
        assert offload("bring-back", "vp-002", "--dry-run").out.startswith("would bring back vp-002 ")
        assert viewer.sent("POST") == []

    def test_an_unknown_id_is_told_with_the_nearest(self, offload, viewer):
        viewer.hold(virtual_pod("vp-012"))
        answer = refusal(404, "unknown_virtual_pod", "there is no virtual pod 'vp-102'")
        viewer.answers["POST", f"{PODS}/vp-102/bring-back"] = answer
        refused = offload("bring-back", "vp-102")
        assert refused.status == 2
        assert 'did you mean "vp-012"?' in refused.err


class TestDelete:
    @pytest.fixture(autouse=True)
    def pods(self, viewer):
        viewer.hold(virtual_pod("vp-001"), virtual_pod("vp-002"))
        for name in ("vp-001", "vp-002"):
            states = [operation(f"delete.{name}", "Running"), operation(f"delete.{name}")]
            viewer.begin("DELETE", f"{PODS}/{name}", states)

    def test_named_ones_are_deleted_without_a_question(self, offload, viewer):
        done = offload("delete", "vp-001", "vp-001", "vp-002")
        assert (done.status, done.out) == (0, "vp-001 is deleted\nvp-002 is deleted\n")
        assert len(viewer.sent("DELETE")) == 2

    def test_one_that_is_not_there_is_no_error(self, offload, viewer):
        done = offload("delete", "vp-009")
        assert (done.status, done.out) == (0, "vp-009 is not there\n")
        assert viewer.sent("DELETE") == []

    def test_all_are_deleted_with_yes(self, offload, viewer):
        assert offload("delete", "--all", "--yes").status == 0
        assert len(viewer.sent("DELETE")) == 2
        viewer.hold()
        assert offload("delete", "--all").status == 0

    def test_all_are_not_deleted_where_nobody_can_be_asked(self, offload, viewer, monkeypatch):
        with open("/dev/null", encoding="utf-8") as nobody:  # noqa: PTH123
            monkeypatch.setattr("sys.stdin", nobody)
            refused = offload("delete", "--all")
        assert refused.status == 2
        assert viewer.sent("DELETE") == []

    def test_dry_run_lists_them(self, offload, viewer):
        listed = offload("delete", "--all", "--dry-run")
        assert listed.out.splitlines()[0] == "would delete vp-001 (default/burst-vp-001, serf1 → serf2)"
        assert viewer.sent("DELETE") == []

    @pytest.mark.parametrize("words", [[], ["vp-001", "--all"]])
    def test_ids_or_all(self, offload, words):
        assert offload("delete", *words).status == 2
