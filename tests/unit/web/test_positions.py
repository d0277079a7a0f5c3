"""`/api/positions`: where nodes were put is kept for the topology, whole, or refused with all reasons."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from openapi_schema import problems, resolve
from serflab.web.app import create_app
from serflab.web.documentation import openapi

if TYPE_CHECKING:
    from pathlib import Path

    from flask.testing import FlaskClient

    from serflab.lab.observer import LabObserver
    from serflab.web.settings import Settings

DOCUMENT = openapi()
URL = "/api/positions"
PLACES = {"serf1": {"x": 1.5, "y": -2.0}, "host": {"x": 0.0, "y": 1e6}}


@pytest.fixture
def file(checkout: Path) -> Path:
    return checkout / "flask-app" / "positions" / "small.json"


def put(client: FlaskClient, places: Any, **more: Any) -> Any:
    # In the given order, which a test client's own JSON does not keep.
    return client.put(URL, data=json.dumps({"positions": places, **more}), content_type="application/json")


def findings(answer: Any) -> list[tuple[str, str, str]]:
    error = answer.get_json()["error"]
    assert (answer.status_code, error["code"]) == (400, "bad_positions")
    return [(found["path"], found["problem"], found["hint"]) for found in error["details"]["findings"]]


def test_what_is_put_is_what_is_got(client: FlaskClient) -> None:
    assert client.get(URL).get_json() == {"topology": "small", "positions": {}}
    answer = put(client, PLACES)
    assert (answer.status_code, answer.get_json()) == (200, {"topology": "small", "positions": PLACES})
    assert client.get(URL).get_json() == answer.get_json()
    schema = DOCUMENT["paths"][URL]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    assert problems(answer.get_json(), schema, DOCUMENT) == []


def test_putting_replaces_all_and_deleting_forgets_all(client: FlaskClient, file: Path) -> None:
    put(client, PLACES)
    put(client, {"edge": {"x": 1, "y": 2}}, topology="small")
    assert client.get(URL).get_json()["positions"] == {"edge": {"x": 1.0, "y": 2.0}}
    assert client.delete(URL).get_json() == {"topology": "small", "positions": {}}
    assert not file.exists()
    assert client.delete(URL).status_code == 200


def test_they_are_one_file_a_topology_and_outlive_the_viewer(
    client: FlaskClient, settings: Settings, observer: LabObserver, file: Path
) -> None:
    put(client, PLACES)
    assert json.loads(file.read_text()) == {"topology": "small", "positions": PLACES}
    assert [item.name for item in file.parent.iterdir()] == ["small.json"]
    assert create_app(settings, observer).test_client().get(URL).get_json()["positions"] == PLACES


def test_another_directory_can_be_named(
    settings: Settings, observer: LabObserver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERFLAB_POSITIONS", str(tmp_path / "elsewhere"))
    put(create_app(settings, observer).test_client(), PLACES)
    assert (tmp_path / "elsewhere" / "small.json").exists()


def test_labels_give_the_position_of_nodes_without_a_saved_one(
    checkout: Path, settings: Settings, observer: LabObserver, settle: Any
) -> None:
    labels = {
        "serf1": {"graph-posX": "10", "graph-posY": "-20.5"},
        "serf2": {"graph-posX": "30", "graph-posY": "40"},
        "serf3": {"graph-posX": "nowhere", "graph-posY": "1"},
        "serf4": {"graph-posX": "1"},
        "serf5": {"graph-posX": "nan", "graph-posY": "inf"},
    }
    nodes = {name: {"kind": "linux", "labels": found} for name, found in labels.items()}
    (checkout / "topology.yaml").write_text(json.dumps({"name": "placed", "topology": {"nodes": nodes}}))
    client = create_app(settings, observer).test_client()
    settle(lambda: client.get(URL).get_json()["topology"] == "placed")
    by_label = {"serf1": {"x": 10.0, "y": -20.5}, "serf2": {"x": 30.0, "y": 40.0}}
    assert client.get(URL).get_json()["positions"] == by_label
    put(client, {"serf1": {"x": 7, "y": 7}})
    assert client.get(URL).get_json()["positions"] == {**by_label, "serf1": {"x": 7.0, "y": 7.0}}
    assert client.delete(URL).get_json()["positions"] == by_label


def test_saved_nodes_that_left_the_topology_are_left_out(client: FlaskClient, file: Path) -> None:
    file.parent.mkdir()
    file.write_text(json.dumps({"topology": "small", "positions": {**PLACES, "gone": {"x": 1, "y": 1}}}))
    assert client.get(URL).get_json()["positions"] == PLACES


def test_all_findings_come_at_once(client: FlaskClient, file: Path) -> None:
    places = {
        "serf11": {"x": 1, "y": 1},
        "serf1": {"x": "1", "y": None},
        "serf2": {"x": 1e7, "z": 1},
        "edge": [1, 2],
        "watcher": {"x": True, "y": 0},
    }
    limits = "expected a number from -1,000,000 to 1,000,000"
    assert findings(put(client, places, topology="other", more=1)) == [
        ("$.more", "is not known here", "known are topology and positions"),
        ("$.topology", "is \"other\"; the topology is 'small' now", "load it again"),
        ("$.positions.serf11", "is no node of the topology", "did you mean serf1 or serf2?"),
        ("$.positions.serf1.x", f'is "1"; {limits}', ""),
        ("$.positions.serf1.y", f"is null; {limits}", ""),
        ("$.positions.serf2.z", "is not known here", "known are x and y"),
        ("$.positions.serf2.x", f"is 10000000.0; {limits}", ""),
        ("$.positions.serf2.y", f"is missing; {limits}", ""),
        ("$.positions.edge", "is [1, 2]; expected an object with x and y", ""),
        ("$.positions.watcher.x", f"is true; {limits}", ""),
    ]
    assert not file.exists()


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ("[]", "$"),
        ("null", "$"),
        ("{}", "$.positions"),
        ('{"positions": 7}', "$.positions"),
        ('{"positions": {"serf1": {"x": 1e999, "y": 0}}}', "$.positions.serf1.x"),
        ('{"positions": {"serf1": {"x": 123456789012345678901234567890, "y": 0}}}', "$.positions.serf1.x"),
    ],
)
def test_a_body_of_another_shape_is_refused(client: FlaskClient, body: str, path: str) -> None:
    answer = client.put(URL, data=body, content_type="application/json")
    if answer.get_json()["error"]["code"] == "not_json":
        assert "1e999" in body
    else:
        assert [found[0] for found in findings(answer)] == [path]


def test_more_positions_than_nodes_are_one_finding(client: FlaskClient) -> None:
    ((path, problem, _),) = findings(put(client, {f"n{number}": {} for number in range(5000)}))
    assert (path, problem) == ("$.positions", "has 5000 entries, and the topology 5 nodes")


@pytest.mark.parametrize(
    ("body", "kind", "status", "code"),
    [
        (b"{", "application/json", 400, "not_json"),
        (b"", "application/json", 400, "not_json"),
        (b"\xff", "application/json", 400, "not_json"),
        (b'{"positions": {"serf1": {"x": NaN, "y": 0}}}', "application/json", 400, "not_json"),
        (b"{}", "text/plain", 415, "not_json"),
        (b"{}", None, 415, "not_json"),
        (b" " * (1024 * 1024 + 1), "application/json", 413, "request_entity_too_large"),
    ],
    ids=["cut short", "empty", "no text", "NaN", "plain text", "of no type", "too large"],
)
def test_what_is_no_json_is_refused_in_the_one_shape(
    client: FlaskClient, body: bytes, kind: str | None, status: int, code: str
) -> None:
    answer = client.put(URL, data=body, content_type=kind)
    assert (answer.status_code, answer.get_json()["error"]["code"]) == (status, code)
    described = DOCUMENT["paths"][URL]["put"]["responses"][str(status)]
    assert problems(answer.get_json(), described["content"]["application/json"]["schema"], DOCUMENT) == []


def test_a_directory_that_cannot_be_written_is_a_503(client: FlaskClient, checkout: Path) -> None:
    (checkout / "flask-app" / "positions").write_text("a file where the directory should be")
    for answer in (put(client, PLACES), client.delete(URL), client.get(URL)):
        error = answer.get_json()["error"]
        assert (answer.status_code, error["code"]) == (503, "positions_unavailable")
        assert "SERFLAB_POSITIONS" in error["hint"]
    described = resolve(DOCUMENT["paths"][URL]["put"]["responses"]["503"]["$ref"], DOCUMENT)
    assert problems(answer.get_json(), described["content"]["application/json"]["schema"], DOCUMENT) == []


@pytest.mark.parametrize("text", ["", "[]", '{"positions": {"serf1": [1, 2]}}', '{"positions": []}'])
def test_a_file_that_holds_no_positions_is_told_and_replaced(client: FlaskClient, file: Path, text: str) -> None:
    file.parent.mkdir()
    file.write_text(text)
    answer = client.get(URL)
    assert (answer.status_code, answer.get_json()["error"]["code"]) == (503, "bad_input_file")
    assert answer.get_json()["error"]["details"]["findings"][0]["file"] == str(file)
    put(client, PLACES)
    assert client.get(URL).get_json()["positions"] == PLACES


def test_without_a_usable_topology_there_is_nothing_to_place(client: FlaskClient, checkout: Path, settle: Any) -> None:
    (checkout / "topology.yaml").write_text("{}")
    settle(lambda: client.get(URL).status_code == 503)
    assert put(client, {}).get_json()["error"]["code"] == "bad_input_file"
