"""Every error has one shape, the right status and a way on; no stack trace ever leaves the viewer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from serflab.errors import Finding, InputError, SerflabError

if TYPE_CHECKING:
    from pathlib import Path

    from flask.testing import FlaskClient


def error_of(client: FlaskClient, url: str, status: int) -> dict[str, Any]:
    answer = client.get(url)
    assert answer.status_code == status
    assert answer.mimetype == "application/json"
    error: dict[str, Any] = answer.get_json()["error"]
    assert set(error) == {"status", "code", "message", "hint", "details"}
    assert error["status"] == status
    return error


def test_an_unknown_node_comes_with_the_nearest_names(client: FlaskClient) -> None:
    error = error_of(client, "/api/node/serf3/cluster-info", 404)
    assert error["code"] == "unknown_node"
    assert error["details"] == {"nearest": ["serf2", "serf1"]}
    assert error["hint"] == "did you mean serf2 or serf1?"


def test_a_name_like_no_other_comes_with_all_of_them(client: FlaskClient) -> None:
    error = error_of(client, "/api/node/zzz/timeseries", 404)
    assert (error["hint"], error["details"]) == ("there are: serf1, serf2", {"nearest": []})


def test_a_node_that_is_no_serf_has_no_cluster(client: FlaskClient) -> None:
    error = error_of(client, "/api/node/edge/cluster-info", 404)
    assert error["code"] == "not_a_serf"
    assert "role 'router'" in error["message"]


@pytest.mark.parametrize(
    ("query", "parameter", "allowed"),
    [
        ("metric=disk", "metric", ["cpu", "memory", "psi", "power"]),
        ("window=3h", "window", ["5m", "15m", "1h", "2h"]),
        ("metric=", "metric", ["cpu", "memory", "psi", "power"]),
    ],
)
def test_a_bad_parameter_names_the_allowed_values(
    client: FlaskClient, query: str, parameter: str, allowed: list[str]
) -> None:
    error = error_of(client, f"/api/node/serf1/timeseries?{query}", 400)
    assert error["code"] == "bad_parameter"
    assert error["details"] == {"parameter": parameter, "allowed": allowed}
    assert error["hint"] == f"{parameter} is one of {', '.join(allowed)}"


def test_a_serf_that_is_not_up_says_how_to_bring_it_up(client: FlaskClient) -> None:
    error = error_of(client, "/api/node/serf1/cluster-info", 503)
    assert error["code"] == "serf_absent"
    assert error["hint"] == "bring it up with `serflab up`"
    assert client.get("/api/node/serf1/cluster-info").headers["Retry-After"] == "5"


def test_unknown_addresses_and_methods_have_the_same_shape(client: FlaskClient) -> None:
    assert error_of(client, "/api/nothing", 404)["hint"] == "GET /api/openapi.json lists every endpoint"
    answer = client.post("/api/topology")
    assert (answer.status_code, answer.get_json()["error"]["code"]) == (405, "method_not_allowed")
    assert "GET" in answer.headers["Allow"]


@pytest.mark.parametrize(
    ("raised", "status", "code"),
    [
        (SerflabError("the lab is broken", hint="mend it"), 503, "unavailable"),
        (InputError([Finding("topology.yaml", "$.name", "is missing", "add it")]), 503, "bad_input_file"),
        (ZeroDivisionError("secret detail"), 500, "fault"),
    ],
)
def test_whatever_a_view_raises_becomes_an_error_of_that_shape(
    client: FlaskClient, raised: Exception, status: int, code: str
) -> None:
    def broken() -> None:
        raise raised

    client.application.add_url_rule("/api/broken", view_func=broken)
    error = error_of(client, "/api/broken", status)
    assert error["code"] == code
    assert "secret detail" not in str(error)
    assert "Traceback" not in str(error)
    if code == "bad_input_file":
        finding = {"file": "topology.yaml", "path": "$.name", "problem": "is missing", "hint": "add it"}
        assert error["details"] == {"findings": [finding]}


def test_a_topology_file_that_cannot_be_used_is_told_with_its_findings_until_it_is_mended(
    client: FlaskClient, checkout: Path, settle: Any
) -> None:
    good = (checkout / "topology.yaml").read_text()
    (checkout / "topology.yaml").write_text(
        "name: x\ntopology: {nodes: {serf1: {}}, links: [{endpoints: [serf1:a, serf2:b]}]}"
    )
    settle(lambda: client.get("/api/topology").status_code == 503)
    (finding,) = error_of(client, "/api/topology", 503)["details"]["findings"]
    assert finding["path"] == "$.topology.links[0].endpoints[1]"
    (checkout / "topology.yaml").write_text(good)
    settle(lambda: client.get("/api/topology").status_code == 200)
