"""`GET /api/topology` with its version, and `GET /api/events`."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from openapi_schema import problems
from serflab.lab import feed as feeding
from serflab.web.app import create_app
from serflab.web.documentation import openapi
from serflab.web.events import install_streams
from server_sent import events

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from flask.testing import FlaskClient
    from werkzeug.test import TestResponse

    from serflab.lab.observer import LabObserver
    from serflab.web.settings import Settings

DOCUMENT = openapi()
SCHEMAS = {"topology": "Topology", "delta": "Delta", "ping": "Ping"}


def open_stream(client: FlaskClient, last: str = "", **query: str) -> TestResponse:
    headers = {"Last-Event-ID": last} if last else {}
    return client.get("/api/events", headers=headers, query_string=query, buffered=False)


def test_the_version_is_the_etag_and_who_has_it_gets_304(client: FlaskClient) -> None:
    first = client.get("/api/topology")
    assert first.headers["ETag"] == f'W/"{first.get_json()["version"]}"'
    assert first.headers["Cache-Control"] == "no-store"
    again = client.get("/api/topology", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    assert client.get("/api/topology", headers={"If-None-Match": 'W/"0-0"'}).status_code == 200


def test_a_change_makes_another_version(
    client: FlaskClient, checkout: Path, settle: Callable[[Callable[[], bool]], None]
) -> None:
    etag = client.get("/api/topology").headers["ETag"]
    file = checkout / "topology.yaml"
    file.write_text(file.read_text().replace("name: small", "name: large"))
    settle(lambda: client.get("/api/topology", headers={"If-None-Match": etag}).status_code == 200)
    settle(lambda: client.get("/api/topology").get_json()["name"] == "large")


def test_the_bytes_are_made_once_for_all(client: FlaskClient, observer: LabObserver) -> None:
    picture = observer.feed.picture()
    accepted = client.get("/api/topology", headers={"Accept-Encoding": "gzip"})
    assert accepted.headers["Content-Encoding"] == "gzip"
    assert "Accept-Encoding" in accepted.headers["Vary"]
    assert client.get("/api/topology").headers.get("Content-Encoding") is None
    assert observer.feed.picture().size == picture.size


def test_a_stream_begins_with_the_whole_topology(client: FlaskClient) -> None:
    answer = open_stream(client)
    assert answer.mimetype == "text/event-stream"
    assert answer.headers.get("Content-Encoding") is None
    stream = events(answer.iter_encoded())
    assert next(stream) == {"retry": "2000"}
    first = next(stream)
    assert first["event"] == "topology"
    document = json.loads(first["data"])
    assert document["version"] == first["id"]
    assert problems(document, DOCUMENT["components"]["schemas"]["Topology"], DOCUMENT) == []
    answer.close()


def test_streams_are_not_compressed(client: FlaskClient) -> None:
    answer = client.get("/api/events", headers={"Accept-Encoding": "gzip"}, buffered=False)
    assert answer.headers.get("Content-Encoding") is None
    answer.close()


@pytest.mark.parametrize("way", ["header", "query"])
def test_a_reader_that_comes_back_gets_what_it_lacks(
    client: FlaskClient, observer: LabObserver, way: str, settle: Callable[[Callable[[], bool]], None]
) -> None:
    # Prometheus is found to be missing with the first poll.
    settle(lambda: observer.feed.picture().version.endswith("-2"))
    seen = observer.feed.picture().version.replace("-2", "-1")
    answer = open_stream(client, seen) if way == "header" else open_stream(client, last_event_id=seen)
    stream = events(answer.iter_encoded())
    assert next(stream) == {"retry": "2000"}
    event = next(stream)
    assert (event["event"], event["id"]) == ("delta", observer.feed.picture().version)
    delta = json.loads(event["data"])
    assert {"generated_at", "prometheus", "nodes"} == delta.keys()
    assert problems(delta, DOCUMENT["components"]["schemas"]["Delta"], DOCUMENT) == []
    answer.close()


def test_pings_tell_when_the_lab_was_looked_at(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serflab.web.events.PING_SECONDS", 0.01)
    answer = open_stream(client)
    ping = next(event for event in events(answer.iter_encoded()) if event.get("event") == "ping")
    assert "id" not in ping
    assert json.loads(ping["data"])["at"] == pytest.approx(time.time(), abs=60)
    answer.close()


def test_a_broken_topology_file_is_a_problem_on_the_stream_and_a_mended_one_a_topology(
    client: FlaskClient, checkout: Path
) -> None:
    file = checkout / "topology.yaml"
    text = file.read_text()
    answer = open_stream(client)
    stream = (event for event in events(answer.iter_encoded()) if event.get("event") in {"topology", "problem"})
    assert next(stream)["event"] == "topology"
    file.write_text("topology: {}")
    problem = next(stream)
    error = json.loads(problem["data"])
    assert (problem["event"], error["code"], error["status"]) == ("problem", "bad_input_file", 503)
    assert client.get("/api/topology").get_json()["error"] == error
    file.write_text(text)
    mended = next(stream)
    assert (mended["event"], json.loads(mended["data"])["name"]) == ("topology", "small")
    answer.close()


def test_a_viewer_that_stands_still_says_so(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeding, "STALLED_SECONDS", -1.0)
    answer = client.get("/api/topology")
    assert (answer.status_code, answer.get_json()["error"]["code"]) == (503, "stalled")
    assert client.get("/api/health").get_json()["viewer"]["stalled_since"] is not None
    opened = open_stream(client)
    stream = events(opened.iter_encoded())
    assert [next(stream).get("event") for _ in range(2)] == [None, "problem"]
    monkeypatch.setattr(feeding, "STALLED_SECONDS", 60.0)
    assert next(stream)["event"] == "topology"
    opened.close()


def test_too_many_streams_are_refused_and_one_that_ends_makes_room(settings: Settings, observer: LabObserver) -> None:
    app = create_app(settings, observer)
    install_streams(app, most=2)
    client = app.test_client()
    first, second = open_stream(client), open_stream(client)
    next(events(first.iter_encoded()))
    refused = open_stream(client)
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "5")
    assert refused.get_json()["error"]["code"] == "too_many_streams"
    assert refused.get_json()["error"]["details"] == {"most": 2}
    second.close()
    # One that is never begun holds no place.
    assert client.head("/api/events", buffered=True).status_code == 200
    again = open_stream(client)
    assert again.status_code == 200
    again.close()
    first.close()


def test_streams_end_with_the_viewer(client: FlaskClient, observer: LabObserver) -> None:
    stream = events(open_stream(client).iter_encoded())
    next(stream)
    next(stream)
    observer.stop()
    rest: list[dict[str, Any]] = list(stream)
    assert {event.get("event") for event in rest} <= {"delta", "ping"}
