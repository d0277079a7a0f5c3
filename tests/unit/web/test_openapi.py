"""The OpenAPI document describes this API: every route, every parameter value, and what is answered."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from openapi_schema import problems, resolve
from serflab.lab.metrics import METRICS
from serflab.lab.overview import NODE_STATES
from serflab.lab.span import CUSTOM, WINDOWS
from serflab.web.documentation import openapi

if TYPE_CHECKING:
    from flask.testing import FlaskClient

DOCUMENT = openapi()


def routes(client: FlaskClient) -> set[tuple[str, str]]:
    rules = client.application.url_map.iter_rules()
    return {
        (method.lower(), re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule))
        for rule in rules
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }


def test_document_and_routes_name_the_same_operations(client: FlaskClient) -> None:
    described = {(method, path) for path, item in DOCUMENT["paths"].items() for method in item}
    assert described == routes(client)


def test_every_path_parameter_is_described() -> None:
    for path, item in DOCUMENT["paths"].items():
        for operation in item.values():
            given = [resolve(p["$ref"], DOCUMENT) if "$ref" in p else p for p in operation.get("parameters", ())]
            assert {p["name"] for p in given if p["in"] == "path"} == set(re.findall(r"{(\w+)}", path)), path


def test_operations_have_names_of_their_own() -> None:
    names = [operation["operationId"] for item in DOCUMENT["paths"].values() for operation in item.values()]
    assert len(names) == len(set(names))


def test_every_reference_leads_somewhere() -> None:
    def walk(part: Any) -> None:
        if isinstance(part, dict):
            if "$ref" in part:
                assert resolve(part["$ref"], DOCUMENT)
            for item in part.values():
                walk(item)
        elif isinstance(part, list):
            for item in part:
                walk(item)

    walk(DOCUMENT)


def test_allowed_values_are_those_of_the_code() -> None:
    parameters, schemas = DOCUMENT["components"]["parameters"], DOCUMENT["components"]["schemas"]
    assert parameters["metric"]["schema"]["enum"] == list(METRICS)
    assert parameters["window"]["schema"]["enum"] == [*WINDOWS, CUSTOM]
    assert schemas["State"]["enum"] == list(NODE_STATES)


def test_it_is_served_with_the_version_of_the_package(client: FlaskClient) -> None:
    from serflab import __version__  # noqa: PLC0415 - only this test asks

    assert client.get("/api/openapi.json").get_json()["info"]["version"] == __version__


@pytest.mark.parametrize(
    ("url", "path", "status"),
    [
        ("/api/topology", "/api/topology", 200),
        ("/api/health", "/api/health", 200),
        ("/api/workload-templates", "/api/workload-templates", 200),
        ("/api/node/serf1/cluster-info", "/api/node/{node}/cluster-info", 503),
        ("/api/node/serf9/timeseries", "/api/node/{node}/timeseries", 404),
        ("/api/node/serf1/timeseries?window=5s", "/api/node/{node}/timeseries", 400),
        ("/api/node/serf1/pod/ns1/web-0/timeseries", "/api/node/{node}/pod/{namespace}/{pod}/timeseries", 503),
        ("/vendor/nothing.js", "/vendor/{name}", 404),
    ],
)
def test_what_is_answered_is_what_is_described(client: FlaskClient, url: str, path: str, status: int) -> None:
    answer = client.get(url)
    assert answer.status_code == status
    described = DOCUMENT["paths"][path]["get"]["responses"][str(status)]
    described = resolve(described["$ref"], DOCUMENT) if "$ref" in described else described
    schema = described["content"]["application/json"]["schema"]
    assert problems(answer.get_json(), schema, DOCUMENT) == []
