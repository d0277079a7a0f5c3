"""The links over the API: what is in force, setting and clearing it, and every refusal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from serflab.lab.inventory import Inventory

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from flask.testing import FlaskClient

TWO = "\n    - endpoints: [serf1:eth9, serf2:eth9]\n      labels: {serflab.delay: 10ms, serflab.rate: 8mbit}\n"


def up(checkout: Path, runtime: str = "local") -> None:
    """Let the viewer see a lab that is up."""
    inventory = Inventory("small", runtime, checkout / "topology.yaml", (), "http://127.0.0.1:1", "")
    inventory.save(checkout / ".serflab")


@pytest.fixture
def lab(client: FlaskClient, checkout: Path, settle: Callable[[Callable[[], bool]], None]) -> FlaskClient:
    up(checkout)
    settle(lambda: client.get("/api/topology").get_json()["lab"]["up"])
    return client


def links(client: FlaskClient) -> dict[str, dict[str, Any]]:
    return {link["id"]: link for link in client.get("/api/links").get_json()["links"]}


def error(response: Any, status: int) -> dict[str, Any]:
    assert response.status_code == status, response.get_data(as_text=True)
    found: dict[str, Any] = response.get_json()["error"]
    return found


LINK = "serf1:eth1--serf2:eth1"


def test_what_is_set_is_answered_at_once_and_shown_by_the_topology_and_lasts_until_it_is_cleared(
    lab: FlaskClient, settle: Callable[[Callable[[], bool]], None]
) -> None:
    before = links(lab)[LINK]
    assert (before["delay"], before["loss"], before["rate"], before["source"]) == (0.0, 0.0, None, "none")
    answer = lab.put("/api/links/serf2/serf1", json={"delay": "20ms", "jitter": 0.005, "loss": "1%", "rate": 1e8})
    link = answer.get_json()["link"]
    values = {"delay": 0.02, "jitter": 0.005, "loss": 1.0, "rate": 1e8, "source": "set", "emulated": True}
    assert {name: link[name] for name in values} == values
    settle(lambda: links(lab)[LINK]["source"] == "set")
    settle(lambda: links(lab)[LINK] in lab.get("/api/topology").get_json()["links"])
    # All at once: what is left out is gone.
    assert lab.put("/api/links/serf1/serf2", json={"rate": "1mbit"}).get_json()["link"]["delay"] == 0.0
    cleared = lab.delete("/api/links/serf1/serf2").get_json()["link"]
    assert (cleared["rate"], cleared["source"]) == (None, "none")
    settle(lambda: links(lab)[LINK]["source"] == "none")


def test_an_interface_tells_which_of_several_links_is_meant_and_a_cleared_one_is_as_its_labels_say(
    lab: FlaskClient, checkout: Path, settle: Callable[[Callable[[], bool]], None]
) -> None:
    file = checkout / "topology.yaml"
    file.write_text(file.read_text().rstrip() + TWO)
    settle(lambda: len(links(lab)) == 4)
    refused = error(lab.put("/api/links/serf1/serf2", json={}), 400)
    assert refused["details"] == {"parameter": "interface", "allowed": ["eth1", "eth9"]}
    assert error(lab.delete("/api/links/serf1/serf2?interface=eth2"), 400)["details"]["allowed"] == ["eth1", "eth9"]
    link = lab.put("/api/links/serf1/serf2?interface=eth9", json={"loss": 5}).get_json()["link"]
    assert (link["delay"], link["loss"], link["rate"], link["source"]) == (0.0, 5.0, None, "set")
    assert links(lab)[LINK]["source"] == "none"
    link = lab.delete("/api/links/serf1/serf2?interface=eth9").get_json()["link"]
    assert (link["delay"], link["rate"], link["source"]) == (0.01, 8e6, "label")


@pytest.mark.parametrize(
    ("body", "parameter"),
    [
        ({"delay": "20"}, "delay"),
        ({"delay": -1}, "delay"),
        ({"delay": 3601}, "delay"),
        ({"delay": "2h"}, "delay"),
        ({"delay": True}, "delay"),
        ({"delay": None}, "delay"),
        ({"delay": []}, "delay"),
        ({"jitter": "1ms"}, "jitter"),
        ({"loss": "100%"}, "loss"),
        ({"loss": 100}, "loss"),
        ({"rate": 0}, "rate"),
        ({"rate": "1bit"}, "rate"),
        ({"rate": "fast"}, "rate"),
        ({"speed": 1}, "speed"),
        ([], "body"),
        (7, "body"),
    ],
)
def test_a_value_that_cannot_be_is_refused_with_its_name(lab: FlaskClient, body: object, parameter: str) -> None:
    refused = error(lab.put("/api/links/serf1/serf2", json=body), 400)
    assert (refused["code"], refused["details"]["parameter"]) == ("bad_parameter", parameter)
    assert refused["hint"]
    assert links(lab)[LINK]["source"] == "none"


def test_names_that_no_link_joins_are_not_found(lab: FlaskClient) -> None:
    assert error(lab.put("/api/links/serf1/serf3", json={}), 404)["code"] == "unknown_node"
    refused = error(lab.delete("/api/links/serf2/edge"), 404)
    assert (refused["code"], refused["hint"]) == ("unknown_link", "serf2 is linked with serf1")


def test_nothing_is_set_in_a_lab_that_is_not_up(client: FlaskClient, checkout: Path) -> None:
    refused = error(client.put("/api/links/serf1/serf2", json={"delay": 1}), 503)
    assert refused["code"] == "lab_absent"
    assert not (checkout / ".serflab").exists()


def test_a_real_link_whose_container_is_not_known_is_refused(
    client: FlaskClient, checkout: Path, settle: Callable[[Callable[[], bool]], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(checkout))
    up(checkout, "containerlab")
    settle(lambda: client.get("/api/topology").get_json()["lab"]["runtime"] == "containerlab")
    refused = error(client.put("/api/links/serf1/serf2", json={"delay": 1}), 409)
    assert (refused["code"], refused["message"]) == (
        "netem_refused",
        "containerlab tells of no container of serf1 and serf2",
    )
    assert not links(client)[LINK]["emulated"]


def test_a_write_needs_json_and_comes_from_this_page(lab: FlaskClient) -> None:
    assert error(lab.put("/api/links/serf1/serf2", data="{}"), 415)["code"] == "not_json"
    assert lab.put("/api/links/serf1/serf2", json={}, headers={"Origin": "http://other"}).status_code == 403
