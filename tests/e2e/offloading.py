"""Peerings and virtual pods of a running lab, by its viewer's REST API."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import requests
from running_lab import until

from server_sent import events

if TYPE_CHECKING:
    from collections.abc import Iterator

OVER = {"Succeeded", "Failed"}


class OffloadApi:
    """The calls of a viewer at `url`; an answer that is not the expected one fails the test."""

    def __init__(self, url: str) -> None:
        self.url = url

    def call(self, method: str, path: str, body: Any = None, **query: str) -> requests.Response:
        """Make a call and return its answer, whatever it is."""
        return requests.request(method, f"{self.url}/api{path}", json=body, params=query, timeout=60)

    def get(self, path: str, **query: str) -> Any:
        answer = self.call("GET", path, **query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def start(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        """Make a call that starts something, follow it where its `Location` says, and return what it became."""
        answer = self.call(method, path, body)
        assert answer.status_code in {200, 202}, answer.text
        operation: dict[str, Any] = answer.json()["operation"]
        if answer.status_code == 202:
            location = answer.headers["Location"]
            assert location == f"/api/operations/{operation['id']}"
            operation = list(self.states(location))[-1]
        assert operation["state"] == "Succeeded", operation
        return answer.json()  # type: ignore[no-any-return]

    def states(self, location: str) -> Iterator[dict[str, Any]]:
        """Yield an operation as its stream tells it, to its end."""
        with requests.get(f"{self.url}{location}/events", stream=True, timeout=120) as answer:
            assert answer.status_code == 200, answer.text
            for event in events(answer.iter_content(chunk_size=None)):
                if event.get("event") == "operation":
                    yield json.loads(event["data"])

    def connect(self, consumer: str, provider: str, **resources: Any) -> None:
        self.start("POST", "/liqo-connections", {"from": consumer, "to": provider, **resources})

    def disconnect(self, consumer: str, provider: str) -> None:
        self.start("DELETE", "/liqo-connections", {"from": consumer, "to": provider})

    def create(self, source: str, destination: str, **more: Any) -> str:
        """Create a virtual pod, wait until it runs, and return its id."""
        body = {"source_node": source, "dest_node": destination, "workload_template": "idle", "interval": 2, **more}
        identity: str = self.start("POST", "/virtual-pods/create", body)["virtual_pod"]["id"]
        return identity

    def clear(self) -> None:
        """End all peerings and what goes with them, and wait until nothing is left."""
        for pair in self.get("/liqo-connections")["connections"]:
            self.call("DELETE", "/liqo-connections", {"from": pair["from"], "to": pair["to"]})
        for pod in self.get("/virtual-pods")["virtual_pods"]:
            self.call("DELETE", f"/virtual-pods/{pod['id']}")
        until(
            lambda: not self.get("/liqo-connections")["connections"] and not self.get("/virtual-pods")["virtual_pods"]
        )
