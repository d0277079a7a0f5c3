"""The live stream, positions and the token of a viewer process on a lab that plays."""

from __future__ import annotations

import json
import re
import socket
from typing import TYPE_CHECKING, Any, Self

import pytest
import requests
from running_lab import until
from viewer_process import Viewer

from openapi_schema import problems
from server_sent import applied, events, without_time

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MOST_STREAMS = 256


class Stream:
    """One reader of `GET /api/events`, after the line that says when to connect again."""

    def __init__(self, url: str, last: str = "") -> None:
        headers = {"Last-Event-ID": last} if last else {}
        self.answer = requests.get(f"{url}/api/events", headers=headers, stream=True, timeout=60)
        assert self.answer.status_code == 200, self.answer.text
        self._events = events(self.answer.iter_content(chunk_size=None))
        assert next(self._events) == {"retry": "2000"}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.answer.close()

    def __iter__(self) -> Iterator[dict[str, str]]:
        return self._events

    def next(self, *kinds: str) -> dict[str, str]:
        """Return the next event of one of these kinds."""
        return next(event for event in self._events if event["event"] in kinds)


@pytest.fixture
def viewer(lab: Any, tmp_path: Path) -> Iterator[Viewer]:
    made = Viewer(lab.port_base + 250, tmp_path)
    made.lab_comes(lab)
    made.start()
    until(lambda: made.topology()["summary"]["targets"]["up"] == 2)
    yield made
    made.clear()


def number(event_id: str) -> int:
    return int(event_id.partition("-")[2])


def test_the_deltas_of_a_lab_that_plays_lead_to_what_a_poll_gets(viewer: Viewer) -> None:
    document = requests.get(f"{viewer.url}/api/openapi.json", timeout=20).json()
    with Stream(viewer.url) as stream:
        first = stream.next("topology")
        picture, seen = json.loads(first["data"]), first["id"]
        loads = []
        for _ in range(4):
            event = stream.next("delta")
            delta = json.loads(event["data"])
            assert problems(delta, document["components"]["schemas"]["Delta"], document) == []
            assert number(event["id"]) == number(seen) + 1
            picture, seen = applied(picture, delta), event["id"]
            loads.append([node["load"]["cpu"] for node in picture["nodes"] if node["load"]])
            polled = viewer.topology()
            if polled["version"] == seen:
                assert without_time(polled) == without_time(picture)
        assert len(set(map(tuple, loads))) > 1


def test_a_reader_that_comes_back_gets_what_it_missed(viewer: Viewer) -> None:
    with Stream(viewer.url) as stream:
        first = stream.next("topology")
    picture, seen = json.loads(first["data"]), first["id"]
    until(lambda: number(viewer.topology()["version"]) >= number(seen) + 2)
    with Stream(viewer.url, last=seen) as stream:
        missed = [stream.next("topology", "delta", "problem") for _ in range(2)]
    assert [(event["event"], number(event["id"]) - number(seen)) for event in missed] == [("delta", 1), ("delta", 2)]
    for event in missed:
        picture = applied(picture, json.loads(event["data"]))
    assert picture["summary"]["targets"]["up"] == 2


def test_after_a_restart_of_the_viewer_a_reader_gets_the_whole(viewer: Viewer) -> None:
    with Stream(viewer.url) as stream:
        seen = stream.next("topology")["id"]
        assert viewer.stop() == 0
    viewer.start()
    with Stream(viewer.url, last=seen) as stream:
        event = stream.next("topology", "delta", "problem")
    assert event["event"] == "topology"
    assert event["id"].partition("-")[0] != seen.partition("-")[0]


def test_streams_see_the_lab_go_and_come(viewer: Viewer, lab: Any) -> None:
    def tells(stream: Stream, picture: dict[str, Any], up: bool) -> dict[str, Any]:
        for event in stream:
            if event["event"] == "delta":
                picture = applied(picture, json.loads(event["data"]))
            elif event["event"] == "topology":
                picture = json.loads(event["data"])
            if picture["lab"]["up"] == up and (picture["summary"]["targets"]["up"] == 2) == up:
                return picture
        raise AssertionError("the stream has ended")

    with Stream(viewer.url) as stream:
        picture = json.loads(stream.next("topology")["data"])
        viewer.lab_goes()
        picture = tells(stream, picture, up=False)
        assert {node["state"] for node in picture["nodes"] if node["role"] == "serf"} == {"absent"}
        viewer.lab_comes(lab)
        picture = tells(stream, picture, up=True)
        assert picture["summary"]["serfs"]["total"] == 2


def test_pings_come_while_nothing_changes(viewer: Viewer) -> None:
    viewer.lab_goes()
    with Stream(viewer.url) as stream:
        first, second = (json.loads(stream.next("ping")["data"])["at"] for _ in range(2))
    assert second > first


def test_more_streams_than_are_served_are_refused_and_the_rest_goes_on(viewer: Viewer) -> None:
    host, port = viewer.url.removeprefix("http://").split(":")
    sockets = [socket.create_connection((host, int(port)), timeout=60) for _ in range(300)]
    for open_socket in sockets:
        open_socket.sendall(f"GET /api/events HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    answers = [open_socket.recv(12).decode() for open_socket in sockets]
    assert (answers.count("HTTP/1.1 200"), answers.count("HTTP/1.1 503")) == (MOST_STREAMS, 300 - MOST_STREAMS)
    refused = requests.get(f"{viewer.url}/api/events", timeout=20)
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "too_many_streams")
    assert "Retry-After" in refused.headers
    assert viewer.topology()["lab"]["up"]
    for open_socket in sockets:
        open_socket.close()

    def served_again() -> bool:
        with requests.get(f"{viewer.url}/api/events", stream=True, timeout=20) as answer:
            return answer.ok

    until(served_again)


def test_a_stop_ends_open_streams_properly(viewer: Viewer) -> None:
    streams = [Stream(viewer.url) for _ in range(20)]
    for stream in streams:
        stream.next("topology")
    assert viewer.stop() == 0
    for stream in streams:
        # An answer that was cut off would raise instead of ending.
        assert {event["event"] for event in stream} <= {"delta", "ping"}
    log = viewer.log.read_text()
    assert "Traceback" not in log
    assert "still running" not in log


def test_positions_outlive_the_lab_and_the_viewer(viewer: Viewer) -> None:
    url = f"{viewer.url}/api/positions"
    places = {"serf1": {"x": 1.25, "y": -3.0}, "serf2": {"x": 0.0, "y": 400.0}}
    assert requests.put(url, json={"positions": places}, timeout=20).json()["positions"] == places
    viewer.lab_goes()
    viewer.stop()
    viewer.start()
    assert requests.get(url, timeout=20).json() == {"topology": "emulation", "positions": places}


def test_where_others_reach_the_viewer_changes_need_the_token_it_told(lab: Any, tmp_path: Path) -> None:
    # An address of the loopback device that is not the usual one: as good as any other, and nobody else reaches it.
    viewer = Viewer(lab.port_base + 251, tmp_path, host="127.0.0.2")
    try:
        viewer.start()
        told = re.search(r'-H "(Authorization): (Bearer [\w-]+)"', viewer.log.read_text())
        assert told is not None
        url, body = f"{viewer.url}/api/positions", {"positions": {}}
        assert requests.put(url, json=body, timeout=20).status_code == 401
        wrong = {"Authorization": f"{told[2]}x"}
        assert requests.put(url, json=body, headers=wrong, timeout=20).status_code == 401
        assert requests.put(url, json=body, headers={told[1]: told[2]}, timeout=20).status_code == 200
        assert requests.get(f"{viewer.url}/api/topology", timeout=20).status_code == 200
        viewer.stop()
        announced = [line for line in viewer.log.read_text().splitlines() if told[2].removeprefix("Bearer ") in line]
        assert len(announced) == 2
        assert all("token" in line or "curl" in line for line in announced)
    finally:
        viewer.clear()
