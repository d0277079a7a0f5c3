"""The calls about peerings as they are checked before any cluster is asked."""

from __future__ import annotations

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from serflab.kube.rest import errors
from serflab.offload.fleet import Fleet
from serflab.offload.ids import Ids
from serflab.offload.rest_peerings import routes

PAIR = {"from": "serf1", "to": "serf2"}


@pytest.fixture
async def client():
    app = web.Application(middlewares=[errors])
    app.add_routes(routes(Fleet(None, Ids())))
    async with TestClient(TestServer(app)) as made:
        yield made


async def refused(answer, status, code):
    error = (await answer.json())["error"]
    assert (answer.status, error["status"], error["code"]) == (status, status, code)
    assert error["message"]
    assert error["hint"]
    return error


@pytest.mark.parametrize(
    ("body", "parameter"),
    [
        ({}, "from"),
        ({"from": "serf1"}, "to"),
        ({"from": 1, "to": "serf2"}, "from"),
        ({"from": "serf1", "to": "serf1"}, "to"),
        ({**PAIR, "cpu": "-1"}, "cpu"),
        ({**PAIR, "cpu": 0}, "cpu"),
        ({**PAIR, "cpu": True}, "cpu"),
        ({**PAIR, "memory": "8Gib"}, "memory"),
        ({**PAIR, "memory": ["8Gi"]}, "memory"),
        ({**PAIR, "pods": 0}, "pods"),
        ({**PAIR, "pods": "many"}, "pods"),
        ({**PAIR, "quota": "hard"}, "quota"),
        ({**PAIR, "quotas": "Hard"}, "quotas"),
    ],
)
async def test_a_wrong_body_is_refused_with_the_name_of_what_is_wrong(client, body, parameter):
    error = await refused(await client.post("/liqo-connections", json=body), 400, "bad_parameter")
    assert error["details"]["parameter"] == parameter


async def test_what_is_no_json_object_is_refused(client):
    await refused(await client.post("/liqo-connections", data=b"[]"), 400, "bad_request")
    await refused(await client.post("/liqo-connections", data=b"{"), 400, "bad_request")


async def test_a_serf_that_there_is_not_is_unknown_to_every_call(client):
    calls = [
        client.post("/liqo-connections", json=PAIR),
        client.delete("/liqo-connections", json=PAIR),
        client.delete("/liqo-connections?from=serf1&to=serf2&dry_run=true"),
        client.post("/liqo-connections/serf1/serf2/cordon"),
        client.post("/liqo-connections/serf1/serf2/uncordon"),
        client.post("/liqo-connections/serf1/serf2/drain"),
        client.get("/liqo-info?node=serf1"),
    ]
    for call in calls:
        await refused(await call, 404, "unknown_node")


async def test_info_needs_a_serf(client):
    await refused(await client.get("/liqo-info"), 400, "bad_parameter")


async def test_without_any_peering_the_list_is_empty(client):
    assert await (await client.get("/liqo-connections")).json() == {"connections": []}
