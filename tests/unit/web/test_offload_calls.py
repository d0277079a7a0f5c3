"""Peerings, virtual pods and operations: what is wrong in shape is refused, the rest is the manager's to answer."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest
from manager_stand_in import Call, StandIn

from openapi_schema import problems
from serflab.web.app import create_app
from serflab.web.documentation import openapi
from serflab.web.events import install_streams
from server_sent import events

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from flask.testing import FlaskClient

    from serflab.lab.observer import LabObserver
    from serflab.web.settings import Settings

DOCUMENT = openapi()
OPERATION = {
    "id": "create.vp-001", "kind": "create", "target": "vp-001", "state": "Pending", "message": "",
    "progress": None, "started": 1.5, "ends": None,
}  # fmt: skip
CREATE = {"source_node": "serf1", "dest_node": "serf2", "workload_template": "burst", "interval": 5}
ENDS = {"from": "serf1", "to": "serf2"}
OFFLOAD = {"source_node": "serf1", "namespace": "ns1", "pod": "web-0", "dest_node": "serf2"}


@pytest.fixture
def manager(observer: LabObserver) -> Iterator[StandIn]:
    made = StandIn(observer.offload_socket)
    yield made
    made.stop()


# --- what reaches the manager, and what comes back ---


@pytest.mark.parametrize(
    ("call", "body", "reaches"),
    [
        ("GET /api/liqo-connections", None, "/liqo-connections"),
        ("POST /api/liqo-connections", {**ENDS, "cpu": "500m", "pods": 1, "quota": "Hard"}, "/liqo-connections"),
        ("DELETE /api/liqo-connections", ENDS, "/liqo-connections?dry_run=false"),
        ("POST /api/liqo-connections/serf1/serf2/cordon", None, "/liqo-connections/serf1/serf2/cordon"),
        ("POST /api/liqo-connections/serf1/serf2/uncordon", None, "/liqo-connections/serf1/serf2/uncordon"),
        ("POST /api/liqo-connections/serf1/serf2/drain", None, "/liqo-connections/serf1/serf2/drain"),
        ("GET /api/liqo-info?node=serf1", None, "/liqo-info?node=serf1"),
        ("GET /api/virtual-pods", None, "/virtual-pods"),
        ("GET /api/virtual-pods?dest_node=serf2&status=Failed", None, "/virtual-pods?dest_node=serf2&status=Failed"),
        ("GET /api/virtual-pods/vp-001", None, "/virtual-pods/vp-001"),
        ("POST /api/virtual-pods/create", CREATE, "/virtual-pods/create"),
        ("POST /api/virtual-pods/offload", OFFLOAD, "/virtual-pods/offload"),
        ("POST /api/virtual-pods/vp-001/bring-back", None, "/virtual-pods/vp-001/bring-back"),
        ("DELETE /api/virtual-pods/vp-001", None, "/virtual-pods/vp-001"),
        ("GET /api/operations", None, "/operations"),
        ("GET /api/operations/create.vp-001", None, "/operations/create.vp-001"),
    ],
)
def test_a_call_reaches_the_manager_and_its_answer_comes_back(
    client: FlaskClient, manager: StandIn, call: str, body: Any, reaches: str
) -> None:
    method, url = call.split()
    manager.tell(method, reaches.partition("?")[0], 202, {"said": "so"}, headers={"Location": "/operations/x.y"})
    answer = client.open(url, method=method, json=body) if body else client.open(url, method=method)
    assert (answer.status_code, answer.get_json()) == (202, {"said": "so"})
    assert answer.headers["Location"] == "/api/operations/x.y"
    assert answer.headers["Cache-Control"] == "no-store"
    assert manager.calls == [Call(method, reaches, body)]


@pytest.mark.parametrize("name", ["a b", "ä?x=1", "..", "%2e%2e", "a#b"])
def test_a_name_stays_a_name_on_its_way(client: FlaskClient, manager: StandIn, name: str) -> None:
    from urllib.parse import quote, unquote  # noqa: PLC0415 - only this test does

    assert client.delete(f"/api/virtual-pods/{quote(name, safe='')}").status_code == 404
    (call,) = manager.calls
    assert [unquote(part) for part in call.path.split("/")] == ["", "virtual-pods", name]


@pytest.mark.parametrize("url", ["/api/virtual-pods/{}", "/api/virtual-pods?dest_node={}", "/api/liqo-info?node={}"])
def test_a_name_that_is_far_too_long_is_nobodys(client: FlaskClient, manager: StandIn, url: str) -> None:
    answer = client.get(url.format("x" * 5000))
    assert (answer.status_code, answer.get_json()["error"]["code"]) == (404, "not_found")
    assert manager.calls == []


@pytest.mark.parametrize("call", ["create", "offload"])
def test_a_call_is_not_mistaken_for_a_virtual_pod(client: FlaskClient, manager: StandIn, call: str) -> None:
    for answer in (client.delete(f"/api/virtual-pods/{call}"), client.get(f"/api/virtual-pods/{call}")):
        assert answer.status_code == 405
    assert client.post(f"/api/virtual-pods/{call}/bring-back").status_code == 404
    assert manager.calls == []
    client.get(f"/api/virtual-pods/{call}d")
    assert len(manager.calls) == 1


def test_bytes_that_are_no_text_are_nobodys_name(client: FlaskClient, manager: StandIn) -> None:
    assert client.get("/api/virtual-pods/%ff%00?x=%fe").status_code == 404
    assert client.get("/api/virtual-pods?dest_node=%ff").status_code == 404
    assert len(manager.calls) == 2


def test_the_ends_of_a_peering_that_goes_may_come_in_the_query(client: FlaskClient, manager: StandIn) -> None:
    manager.tell("DELETE", "/liqo-connections", 200, {"cascade": {}})
    assert client.delete("/api/liqo-connections?from=serf1&to=serf2&dry_run=true").status_code == 200
    assert manager.calls == [Call("DELETE", "/liqo-connections?dry_run=true", ENDS)]


def test_numbers_are_taken_for_quantities(client: FlaskClient, manager: StandIn) -> None:
    client.post("/api/liqo-connections", json={**ENDS, "cpu": 4, "memory": " 8Gi ", "pods": 10.0})
    assert manager.calls[0].body == {**ENDS, "cpu": "4", "memory": "8Gi", "pods": 10}


def test_an_error_of_the_manager_comes_back_as_it_is(client: FlaskClient, manager: StandIn) -> None:
    error = {"status": 409, "code": "not_peered", "message": "no", "hint": "connect them", "details": {}}
    manager.tell("POST", "/virtual-pods/create", 409, {"error": error})
    answer = client.post("/api/virtual-pods/create", json=CREATE)
    assert (answer.status_code, answer.get_json()) == (409, {"error": error})


def test_a_cluster_that_does_not_answer_is_worth_another_try(client: FlaskClient, manager: StandIn) -> None:
    manager.tell("POST", "/virtual-pods/create", 503, {"error": {}})
    assert client.post("/api/virtual-pods/create", json=CREATE).headers["Retry-After"] == "5"


def test_what_is_no_answer_of_a_manager_is_a_fault_and_shows_nothing(client: FlaskClient, manager: StandIn) -> None:
    manager.tell("GET", "/virtual-pods", 500, raw=b"Traceback", headers={"Content-Type": "text/plain"})
    answer = client.get("/api/virtual-pods")
    assert (answer.status_code, answer.get_json()["error"]["code"]) == (500, "fault")
    assert b"Traceback" not in answer.data


# --- no manager ---


def test_without_a_manager_its_calls_are_unavailable_and_all_else_works(client: FlaskClient) -> None:
    for url in ("/api/virtual-pods", "/api/operations", "/api/operations/x/events", "/api/liqo-info?node=serf1"):
        answer = client.get(url)
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5"), url
        error = answer.get_json()["error"]
        assert (error["code"], error["message"]) == ("offload_unavailable", "the offload manager does not run")
        assert "serflab up" in error["hint"]
    assert client.get("/api/topology").status_code == 200


def test_a_manager_that_has_died_leaves_a_socket_and_is_no_manager(client: FlaskClient, manager: StandIn) -> None:
    manager.stop()
    answer = client.post("/api/liqo-connections", json=ENDS)
    assert (answer.status_code, answer.get_json()["error"]["code"]) == (503, "offload_unavailable")
    manager.stop = lambda: None  # type: ignore[method-assign]  # it has ended


def test_a_manager_that_breaks_off_is_unavailable(client: FlaskClient, manager: StandIn) -> None:
    manager.tell("GET", "/operations", raw=b"{", headers={"Content-Length": "99"})
    answer = client.get("/api/operations")
    assert (answer.status_code, answer.get_json()["error"]["code"]) == (503, "offload_unavailable")


# --- what is refused before it gets there ---


@pytest.mark.parametrize(
    ("url", "body", "parameter"),
    [
        ("liqo-connections", [], "body"),
        ("liqo-connections", "text", "body"),
        ("liqo-connections", {"from": "serf1"}, "to"),
        ("liqo-connections", {**ENDS, "from": ""}, "from"),
        ("liqo-connections", {**ENDS, "to": 2}, "to"),
        ("liqo-connections", {**ENDS, "color": "green"}, "color"),
        ("liqo-connections", {**ENDS, "cpu": "lots"}, "cpu"),
        ("liqo-connections", {**ENDS, "cpu": 0}, "cpu"),
        ("liqo-connections", {**ENDS, "cpu": True}, "cpu"),
        ("liqo-connections", {**ENDS, "cpu": "9E"}, "cpu"),
        ("liqo-connections", {**ENDS, "memory": "-1Gi"}, "memory"),
        ("liqo-connections", {**ENDS, "memory": None}, "memory"),
        ("liqo-connections", {**ENDS, "pods": 1.5}, "pods"),
        ("liqo-connections", {**ENDS, "pods": 0}, "pods"),
        ("liqo-connections", {**ENDS, "pods": "110"}, "pods"),
        ("liqo-connections", {**ENDS, "quota": "hard"}, "quota"),
        ("liqo-connections", {**ENDS, "quota": None}, "quota"),
        ("virtual-pods/create", {**CREATE, "interval": 0}, "interval"),
        ("virtual-pods/create", {**CREATE, "interval": 1e9}, "interval"),
        ("virtual-pods/create", {**CREATE, "interval": "5"}, "interval"),
        ("virtual-pods/create", {**CREATE, "interval": True}, "interval"),
        ("virtual-pods/create", {"source_node": "serf1", "dest_node": "serf2", "interval": 1}, "workload_template"),
        ("virtual-pods/create", {**CREATE, "source_pod": "ns1/web-0"}, "workload_template"),
        ("virtual-pods/create", {**CREATE, "source_pod": "web-0"}, "source_pod"),
        ("virtual-pods/create", {**CREATE, "name": "No_Name"}, "name"),
        ("virtual-pods/create", {**CREATE, "name": "a" * 64}, "name"),
        ("virtual-pods/create", {**CREATE, "namespace": "a.b"}, "namespace"),
        ("virtual-pods/create", {**CREATE, "loop": 1}, "loop"),
        ("virtual-pods/create", {**CREATE, "image_mib": -1}, "image_mib"),
        ("virtual-pods/offload", {**OFFLOAD, "pod": ""}, "pod"),
        ("virtual-pods/offload", {key: OFFLOAD[key] for key in ("source_node", "pod", "dest_node")}, "namespace"),
    ],
)
def test_a_wrong_body_is_refused_with_the_name_of_what_is_wrong(
    client: FlaskClient, manager: StandIn, url: str, body: Any, parameter: str
) -> None:
    answer = client.post(f"/api/{url}", json=body)
    error = answer.get_json()["error"]
    assert (answer.status_code, error["code"], error["details"]["parameter"]) == (400, "bad_parameter", parameter)
    assert error["message"]
    assert error["hint"].startswith(f"{parameter} is ")
    assert manager.calls == []


@pytest.mark.parametrize(
    ("method", "url", "parameter"),
    [
        ("GET", "/api/liqo-info", "node"),
        ("GET", "/api/virtual-pods?status=running", "status"),
        ("DELETE", "/api/liqo-connections", "from"),
        ("DELETE", "/api/liqo-connections?from=serf1", "to"),
        ("DELETE", "/api/liqo-connections?from=serf1&to=serf2&dry_run=yes", "dry_run"),
    ],
)
def test_a_wrong_query_is_refused(client: FlaskClient, manager: StandIn, method: str, url: str, parameter: str) -> None:
    answer = client.open(url, method=method)
    assert (answer.status_code, answer.get_json()["error"]["details"]["parameter"]) == (400, parameter)
    assert manager.calls == []


def test_a_body_has_to_be_json_and_say_so(client: FlaskClient, manager: StandIn) -> None:
    assert client.post("/api/virtual-pods/create", data="{}").status_code == 415
    broken = client.post("/api/virtual-pods/create", data="{", content_type="application/json")
    assert (broken.status_code, broken.get_json()["error"]["code"]) == (400, "not_json")
    assert client.delete("/api/liqo-connections", data="from=serf1").status_code == 415
    assert manager.calls == []


WRITES = [
    ("POST", "/api/liqo-connections"),
    ("DELETE", "/api/liqo-connections?from=serf1&to=serf2"),
    ("POST", "/api/liqo-connections/serf1/serf2/cordon"),
    ("POST", "/api/liqo-connections/serf1/serf2/uncordon"),
    ("POST", "/api/liqo-connections/serf1/serf2/drain"),
    ("POST", "/api/virtual-pods/create"),
    ("POST", "/api/virtual-pods/offload"),
    ("POST", "/api/virtual-pods/vp-001/bring-back"),
    ("DELETE", "/api/virtual-pods/vp-001"),
]


@pytest.mark.parametrize(("method", "url"), WRITES)
def test_another_sites_page_changes_nothing(client: FlaskClient, manager: StandIn, method: str, url: str) -> None:
    answer = client.open(url, method=method, json=CREATE, headers={"Origin": "https://elsewhere.example"})
    assert (answer.status_code, answer.get_json()["error"]["code"]) == (403, "foreign_origin")
    assert manager.calls == []


@pytest.mark.parametrize(("method", "url"), WRITES)
def test_where_writes_need_the_token_these_do(
    settings: Settings, observer: LabObserver, manager: StandIn, method: str, url: str
) -> None:
    from dataclasses import replace  # noqa: PLC0415 - only this test does

    open_to_all = replace(settings, host="0.0.0.0")
    client = create_app(open_to_all, observer, token="a-token-for-tests").test_client()
    assert client.open(url, method=method).status_code == 401
    assert manager.calls == []
    assert client.get("/api/virtual-pods").status_code == 404  # the stand-in's word: reading needs none
    bearer = {"Authorization": "Bearer a-token-for-tests"}
    assert client.open(url, method=method, headers=bearer).status_code in {404, 415}


# --- an operation as it goes on ---

STREAM = "/api/operations/create.vp-001/events"


def event(state: str) -> bytes:
    return b'event: operation\ndata: {"state": "%s"}\n\n' % state.encode()


def test_the_stream_of_an_operation_ends_with_its_last_state(client: FlaskClient, manager: StandIn) -> None:
    manager.tell("GET", "/operations/create.vp-001/events", pieces=[event("Pending"), event("Running")])
    answer = client.get(STREAM, buffered=False)
    assert answer.mimetype == "text/event-stream"
    assert answer.headers["Cache-Control"] == "no-store"
    seen = [item["data"] for item in events(answer.iter_encoded())]
    assert seen == ['{"state": "Pending"}', '{"state": "Running"}']
    answer.close()


def test_a_state_is_told_when_it_comes_and_silence_is_filled(
    client: FlaskClient, manager: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serflab.web.operations.PING_SECONDS", 0.01)
    monkeypatch.setattr("serflab.web.operations._LOOK_SECONDS", 0.01)
    more = threading.Event()
    manager.tell(
        "GET", "/operations/create.vp-001/events", pieces=[event("Pending"), event("Running")],
        go_on=lambda number: number and more.wait(60),
    )  # fmt: skip
    chunks = client.get(STREAM, buffered=False).iter_encoded()
    assert next(chunks) == event("Pending")
    assert next(chunks) == b": still here\n\n"
    more.set()
    assert next(chunk for chunk in chunks if not chunk.startswith(b":")) == event("Running")


def test_an_event_that_comes_in_parts_is_not_cut_by_a_comment(
    client: FlaskClient, manager: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serflab.web.operations.PING_SECONDS", 0.0)
    monkeypatch.setattr("serflab.web.operations._LOOK_SECONDS", 0.005)
    whole = event("Pending")
    late = threading.Event()
    manager.tell(
        "GET", "/operations/create.vp-001/events", pieces=[whole[:10], whole[10:]],
        go_on=lambda number: number and late.wait(0.2),
    )  # fmt: skip
    answer = client.get(STREAM, buffered=False)
    assert b"".join(answer.iter_encoded()).startswith(whole)
    answer.close()


def test_an_operation_that_is_unknown_has_no_stream(client: FlaskClient, manager: StandIn) -> None:
    answer = client.get(STREAM)
    assert (answer.status_code, answer.mimetype) == (404, "application/json")
    assert manager.calls == [Call("GET", "/operations/create.vp-001/events", None)]


def test_operations_streams_count_as_streams_and_give_their_place_back(
    settings: Settings, observer: LabObserver, manager: StandIn
) -> None:
    app = create_app(settings, observer)
    install_streams(app, most=1)
    client = app.test_client()
    hold = threading.Event()
    manager.tell(
        "GET", "/operations/create.vp-001/events", pieces=[event("Pending"), b""],
        go_on=lambda number: number and hold.wait(60),
    )  # fmt: skip
    first = client.get(STREAM, buffered=False)
    assert next(iter(first.iter_encoded())) == event("Pending")
    refused = client.get(STREAM)
    assert (refused.status_code, refused.get_json()["error"]["code"]) == (503, "too_many_streams")
    assert len(manager.calls) == 1
    first.close()
    hold.set()
    for _ in range(3):  # neither an unknown operation nor a missing manager keeps a place
        assert client.get("/api/operations/none/events").status_code == 404
    again = client.get(STREAM, buffered=False)
    assert again.status_code == 200
    again.close()


def test_operations_streams_end_with_the_viewer(client: FlaskClient, manager: StandIn, observer: LabObserver) -> None:
    never = threading.Event()
    manager.tell(
        "GET", "/operations/create.vp-001/events", pieces=[event("Pending"), b""],
        go_on=lambda number: number and never.wait(60),
    )  # fmt: skip
    answer = client.get(STREAM, buffered=False)
    chunks = answer.iter_encoded()
    assert next(chunks) == event("Pending")
    observer.stop()
    assert list(chunks) == []
    answer.close()
    never.set()


# --- the summary in the overview ---

SUMMARY = {
    "available": True, "message": "", "version": "7", "virtual_pods": {"running": 1, "total": 2},
    "connections": [{"from": "serf1", "to": "serf2", "state": "Established", "ready": True, "cordoned": False,
                     "running": 1, "total": 2}],
    "transfers": [{"id": "vp-002", "from": "serf1", "to": "serf2", "path": ["serf1", "serf2"], "started": 5.5,
                   "seconds": 2.0, "direction": "out", "pod": "ns1/web-0"}],
}  # fmt: skip


def shown(client: FlaskClient) -> dict[str, Any]:
    part: dict[str, Any] = client.get("/api/topology").get_json()["offload"]
    return part


def test_the_overview_tells_that_there_is_no_manager(client: FlaskClient) -> None:
    assert shown(client) == {
        "available": False, "message": "the offload manager does not run", "connections": [], "transfers": [],
        "virtual_pods": {"running": 0, "total": 0}, "version": "",
    }  # fmt: skip


def test_a_manager_that_comes_and_goes_is_seen_in_the_overview(
    client: FlaskClient, manager: StandIn, settle: Callable[[Callable[[], bool]], None]
) -> None:
    manager.tell("GET", "/summary", body=SUMMARY)
    settle(lambda: shown(client)["available"])
    assert shown(client) == SUMMARY
    assert problems(shown(client), DOCUMENT["components"]["schemas"]["Offload"], DOCUMENT) == []
    manager.tell("GET", "/summary", body={**SUMMARY, "version": "8", "connections": []})
    settle(lambda: shown(client)["version"] == "8")
    manager.stop()
    settle(lambda: not shown(client)["available"])
    assert (shown(client)["virtual_pods"], shown(client)["version"]) == ({"running": 0, "total": 0}, "")
    manager.stop = lambda: None  # type: ignore[method-assign]  # it has ended


def test_a_summary_that_has_not_changed_is_not_sent_again(
    client: FlaskClient, manager: StandIn, settle: Callable[[Callable[[], bool]], None]
) -> None:
    manager.tell("GET", "/summary", body=SUMMARY, headers={"ETag": '"7"'})
    settle(lambda: shown(client)["available"])
    settle(lambda: manager.unchanged >= 2)
    assert shown(client) == SUMMARY


@pytest.mark.parametrize(
    "told", [{"raw": b"no json"}, {"body": []}, {"body": {**SUMMARY, "connections": None}}, {"status": 500}]
)
def test_a_summary_that_cannot_be_read_is_told_and_harms_nothing(
    client: FlaskClient, manager: StandIn, settle: Callable[[Callable[[], bool]], None], told: dict[str, Any]
) -> None:
    manager.tell("GET", "/summary", **told)
    settle(lambda: shown(client)["message"] not in {"", "the offload manager does not run"})
    assert not shown(client)["available"]
    manager.tell("GET", "/summary", body=SUMMARY)
    settle(lambda: shown(client)["available"])
