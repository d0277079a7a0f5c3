"""`serflab offload connect`, `disconnect`, `connections`, `cordon`, `uncordon` and `drain`."""

from __future__ import annotations

import json

import pytest
from viewer_stand_in import connection, operation, refusal

CONNECTIONS = "/api/liqo-connections"
ENDS = {"from": "serf1", "to": "serf2"}
CASCADE = {
    "virtual_pods": [
        {"id": "vp-001", "namespace": "default", "pod": "burst-vp-001", "action": "delete"},
        {"id": "vp-002", "namespace": "ns1", "pod": "web-0", "action": "bring-back"},
    ],
    "namespaces": ["default-serf1", "ns1-serf1"],
}


def words(line):
    return line.split()


class TestConnect:
    def test_it_asks_for_a_slice_waits_and_says_what_was_made(self, offload, viewer):
        states = [operation("connect.serf1.serf2", "Pending"), operation("connect.serf1.serf2")]
        viewer.begin("POST", CONNECTIONS, states, connection=connection(state="Pending"))
        offered = {"cpu": 500, "memory": 8192, "pods": 110}
        viewer.connect(connection(resources=offered, quota="Hard"))
        done = offload("connect", "serf1", "serf2", "--cpu", "500m", "--quota", "Hard")
        told = "serf1 is connected to serf2: cpu 0.5, memory 8Gi, pods 110, quota Hard\n"
        assert (done.status, done.out) == (0, told)

    def test_only_what_is_given_is_asked_for_so_that_the_rest_of_a_connection_stays(self, offload, viewer):
        viewer.begin("POST", CONNECTIONS, [operation("connect.serf1.serf2")], connection=connection())
        assert offload("connect", "serf1", "serf2").status == 0
        options = ("--cpu=16", "--memory=32Gi", "--pods=10", "--quota=Soft")
        assert offload("connect", "serf1", "serf2", *options).status == 0
        asked = {"cpu": "16", "memory": "32Gi", "pods": 10, "quota": "Soft"}
        assert viewer.sent("POST") == [(CONNECTIONS, ENDS), (CONNECTIONS, {**ENDS, **asked})]

    def test_a_connection_that_is_there_is_no_error(self, offload, viewer):
        ended = operation("connect.serf1.serf2")
        viewer.answers["POST", CONNECTIONS] = 200, {"operation": ended, "connection": connection()}
        done = offload("connect", "serf1", "serf2")
        told = "serf1 is connected to serf2 already: cpu 4, memory 8Gi, pods 110, quota None\n"
        assert (done.status, done.out) == (0, told)

    def test_one_that_is_there_but_not_established_is_waited_for(self, offload, viewer):
        states = [operation("connect.serf1.serf2", "Pending"), operation("connect.serf1.serf2", "Failed", message="no")]
        viewer.begin("POST", CONNECTIONS, states, connection=connection(state="Pending"))
        viewer.answers["POST", CONNECTIONS] = 200, *viewer.answers["POST", CONNECTIONS][1:]
        failed = offload("connect", "serf1", "serf2")
        assert (failed.status, failed.out) == (1, "")
        assert "error: connect.serf1.serf2: no\n" in failed.err

    @pytest.mark.parametrize(
        ("options", "problem"),
        [
            (["--cpu", "much"], "'--cpu'"),
            (["--memory", "8GB"], "'--memory'"),
            (["--pods", "0"], "'--pods'"),
            (["--quota", "Firm"], "'--quota'"),
        ],
    )
    def test_a_wrong_option_is_bad_usage_and_nothing_is_sent(self, offload, viewer, options, problem):
        refused = offload("connect", "serf1", "serf2", *options)
        assert refused.status == 2
        assert problem in refused.err
        assert viewer.requests == []

    def test_dry_run_says_what_would_be_done_and_changes_nothing(self, offload, viewer):
        dry_run = ("connect", "serf1", "serf2", "--dry-run")
        assert offload(*dry_run).out == "would connect serf1 to serf2\n"
        assert offload(*dry_run, "--pods=9").out == "would connect serf1 to serf2: pods 9\n"
        viewer.connect(connection())
        assert offload(*dry_run).out == "serf1 is connected to serf2 already\n"
        assert offload(*dry_run, "--pods=9").out == "would change what serf2 offers serf1: pods 9\n"
        assert viewer.sent("POST") == []

    @pytest.mark.parametrize(
        ("ends", "problem"),
        [
            (("serf1", "surf2"), "there is no serf 'surf2'\n  hint: did you mean \"serf2\"?"),
            (("serf1", "serf4"), "there is no serf 'serf4'"),
            (("zzz", "serf2"), "there is no serf 'zzz'\n  hint: there are: serf1, serf2, serf3"),
            (("serf1", "serf1"), "a serf has no peering with itself"),
        ],
    )
    def test_dry_run_checks_the_names(self, offload, ends, problem):
        refused = offload("connect", *ends, "--dry-run")
        assert refused.status == 2
        assert problem in refused.err

    def test_a_name_that_the_viewer_does_not_know_is_status_2_with_the_nearest(self, offload, viewer):
        viewer.answers["POST", CONNECTIONS] = refusal(404, "unknown_node", "there is no serf 'surf2'", "there are: …")
        refused = offload("connect", "serf1", "surf2")
        assert refused.status == 2
        assert refused.err == "error: there is no serf 'surf2'\n  hint: did you mean \"serf2\"?\n"


class TestDisconnect:
    @pytest.fixture(autouse=True)
    def connected(self, viewer):
        viewer.connect(connection())
        states = [operation("disconnect.serf1.serf2", "Running"), operation("disconnect.serf1.serf2")]
        viewer.begin("DELETE", CONNECTIONS, states, cascade=CASCADE)

    LISTED = (
        "with the peering serf1 → serf2: 2 virtual pods:\n"
        "  vp-001  default/burst-vp-001 is deleted\n"
        "  vp-002  ns1/web-0 comes home\n"
        "namespaces that go on serf2: default-serf1, ns1-serf1\n"
    )

    def test_it_lists_what_goes_with_it_and_with_yes_does_it(self, offload, viewer):
        done = offload("disconnect", "serf1", "serf2", "--yes")
        assert (done.status, done.out) == (0, f"{self.LISTED}serf1 is not connected to serf2 any more\n")
        assert viewer.sent("DELETE") == [(CONNECTIONS, {**ENDS, "dry_run": "true"}), (CONNECTIONS, ENDS)]

    def test_dry_run_only_lists(self, offload, viewer):
        listed = offload("disconnect", "serf1", "serf2", "--dry-run")
        assert (listed.status, listed.out) == (0, self.LISTED)
        assert viewer.sent("DELETE") == [(CONNECTIONS, {**ENDS, "dry_run": "true"})]

    def test_without_a_terminal_and_without_yes_it_is_refused(self, offload, viewer, monkeypatch):
        monkeypatch.setattr("sys.stdin", open("/dev/null"))  # noqa: PTH123, SIM115
        refused = offload("disconnect", "serf1", "serf2")
        assert refused.status == 2
        assert refused.out == self.LISTED
        assert "--yes" in refused.err
        assert len(viewer.sent("DELETE")) == 1

    @pytest.mark.parametrize(("answer", "outcome"), [("y\n", (0, 2)), ("n\n", (1, 1)), ("", (130, 1))])
    def test_on_a_terminal_it_asks(self, offload, viewer, terminal, answer, outcome):
        status, deletes = outcome
        terminal(answer)
        asked = offload("disconnect", "serf1", "serf2")
        assert asked.status == status
        assert "End the peering of serf1 and serf2? [y/N]" in asked.err
        assert len(viewer.sent("DELETE")) == deletes
        assert ("nothing was changed" in asked.err) == (deletes == 1)

    def test_what_is_not_connected_is_no_error(self, offload, viewer):
        ended = operation("disconnect.serf2.serf1")
        viewer.answers["DELETE", CONNECTIONS] = 200, {"operation": ended, "cascade": CASCADE}
        assert offload("disconnect", "serf2", "serf1", "--dry-run").out == "serf2 is not connected to serf1\n"
        assert viewer.sent("DELETE") == []
        done = offload("disconnect", "serf2", "serf1", "--yes")
        assert (done.status, done.out) == (0, "serf2 is not connected to serf1\n")

    def test_what_an_earlier_removal_left_behind_is_removed(self, offload, viewer):
        viewer.connect()
        done = offload("disconnect", "serf1", "serf2")
        assert (done.status, done.out) == (0, "serf1 is not connected to serf2\n")
        assert viewer.sent("DELETE") == [(CONNECTIONS, ENDS)]

    def test_a_serf_that_does_not_exist_is(self, offload):
        refused = offload("disconnect", "serf1", "surf3", "--yes")
        assert refused.status == 2
        assert 'did you mean "serf3"?' in refused.err


class TestConnections:
    def test_the_table(self, offload, viewer):
        node = {"name": "serf3", "ready": False, "cordoned": True, "draining": False, "reason": ""}
        viewer.connect(
            connection(),
            connection("serf1", "serf3", state="Error", message="serf3 is away", virtual_node=node, path=[]),
            connection("serf2", "serf1", state="Pending", virtual_node=None),
        )
        shown = offload("connections")
        header, *rows = map(words, shown.out.splitlines())
        established = ["Established"] * 3
        assert header[:3] == ["FROM", "TO", "STATE"]
        assert rows[0] == [
            "serf1", "serf2", "Established", "Provider", *established, "Ready", "0.5/4", "1/8", "Gi", "2/110", "None",
            "serf1-serf2",
        ]  # fmt: skip
        assert rows[1][7] == "NotReady,SchedulingDisabled"
        assert rows[1][-1] == "none"
        assert rows[2][7] == "none"
        assert shown.out.splitlines()[-1] == "serf1 → serf3: serf3 is away"

    def test_json_is_what_the_viewer_says(self, offload, viewer):
        there = connection()
        viewer.connect(there)
        assert json.loads(offload("connections", "-o", "json").out) == {"connections": [there]}


class TestVirtualNode:
    @pytest.mark.parametrize("verb", ["cordon", "uncordon"])
    def test_cordon_and_uncordon(self, offload, viewer, verb):
        viewer.answers["POST", f"{CONNECTIONS}/serf1/serf2/{verb}"] = 200, {"connection": connection()}
        done = offload(verb, "serf1", "serf2")
        assert (done.status, done.out) == (0, f"serf1 → serf2 is {verb}ed\n")

    @pytest.mark.parametrize(
        ("verb", "told"),
        [("cordon", "would cordon serf1 → serf2\n"), ("uncordon", "serf1 → serf2 is uncordoned already\n")],
    )
    def test_dry_run_of_them(self, offload, viewer, verb, told):
        viewer.connect(connection())
        assert offload(verb, "serf1", "serf2", "--dry-run").out == told
        assert viewer.sent("POST") == []

    @pytest.mark.parametrize("verb", ["cordon", "uncordon", "drain"])
    def test_without_a_connection_it_is_status_2(self, offload, viewer, verb):
        refused = offload(verb, "serf1", "serf2", "--dry-run")
        assert refused.status == 2
        assert (
            "there is no connection from serf1 to serf2\n  hint: `serflab offload connect serf1 serf2`" in refused.err
        )
        viewer.answers["POST", f"{CONNECTIONS}/serf1/serf2/{verb}"] = refusal(
            404, "unknown_connection", "there is none"
        )
        refused = offload(verb, "serf1", "serf2")
        assert (refused.status, refused.err.splitlines()[0]) == (2, "error: there is none")

    def test_drain_waits(self, offload, viewer):
        states = [operation("drain.serf1.serf2", "Running"), operation("drain.serf1.serf2")]
        viewer.begin("POST", f"{CONNECTIONS}/serf1/serf2/drain", states)
        done = offload("drain", "serf1", "serf2")
        assert (done.status, done.out) == (0, "serf1 → serf2 is drained\n")

    def test_dry_run_of_drain_lists_the_pods(self, offload, viewer):
        viewer.connect(connection())
        viewer.answers["DELETE", CONNECTIONS] = 200, {"cascade": CASCADE}
        listed = offload("drain", "serf1", "serf2", "--dry-run")
        assert listed.out.splitlines()[0] == "would drain serf1 → serf2: 2 virtual pods:"
        assert viewer.sent("DELETE") == [(CONNECTIONS, {**ENDS, "dry_run": "true"})]
