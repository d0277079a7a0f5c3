"""Requests: what is sent, what is retried and what is not, and what a person is told."""

import asyncio

import pytest
from aiohttp import web
from fake_api import FakeServer, ok, status
from tenacity import RetryCallState

from serflab.kube.client import ApiError, ApiUnreachableError, RetryPolicy


async def test_a_patch_is_a_merge_patch_with_the_credentials(server: FakeServer):
    server.answers = [ok(kind="Pod")]
    async with server.client() as client:
        assert await client.patch("/api/v1/pods/a", b'{"x":1}') == {"kind": "Pod"}
    ((method, url, headers, body),) = server.requests
    assert (method, url, body) == ("PATCH", "/api/v1/pods/a", b'{"x":1}')
    assert headers["Content-Type"] == "application/merge-patch+json"
    assert headers["Authorization"] == "Bearer t"


@pytest.mark.parametrize("code", [429, 500, 502, 503, 504])
async def test_what_may_pass_is_tried_again(server: FakeServer, code: int):
    server.answers = [status(code), status(code), ok(done=True)]
    async with server.client() as client:
        assert await client.get("/x") == {"done": True}
    assert len(server.requests) == 3


async def test_a_connection_that_breaks_is_made_anew(server: FakeServer):
    server.answers = ["drop", "drop", ok(done=True)]
    async with server.client() as client:
        assert await client.patch("/x", b"{}") == {"done": True}


@pytest.mark.parametrize("code", [400, 401, 403, 404, 409, 410, 422])
async def test_a_refusal_is_not_repeated(server: FakeServer, code: int):
    server.answers = [status(code, "not like this")]
    async with server.client() as client:
        with pytest.raises(ApiError, match=f"answered {code} Because: not like this") as caught:
            await client.get("/x")
    assert (caught.value.status, caught.value.reason, caught.value.body["kind"]) == (code, "Because", "Status")
    assert len(server.requests) == 1


async def test_retries_end(server: FakeServer):
    server.answers = [status(503)]
    async with server.client() as client:
        with pytest.raises(ApiError, match="503"):
            await client.get("/x")
    assert len(server.requests) == 4


async def test_nobody_listens(server: FakeServer):
    client = server.client()
    object.__setattr__(client.credentials, "server", "http://127.0.0.1:1")
    async with client:
        with pytest.raises(
            ApiUnreachableError, match=r"http://127\.0\.0\.1:1 cannot be reached: .*\n  hint: is the serf up"
        ):
            await client.get("/x")


async def test_an_answer_that_is_no_status_object_is_told_too(server: FakeServer):
    async def proxy(_):
        return web.Response(status=418, text="I am a proxy")

    server.answers = [proxy]
    async with server.client() as client:
        with pytest.raises(ApiError, match=r"418 .*: I am a proxy"):
            await client.get("/x")


async def test_retries_can_be_cancelled(server: FakeServer):
    server.answers = [status(503)]
    async with server.client(RetryPolicy(attempts=10, initial=60, longest=60)) as client:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await client.get("/x")
    assert len(server.requests) == 1


async def test_pages_become_one_list(server: FakeServer):
    server.answers = [
        ok(metadata={"resourceVersion": "5", "continue": "a/b"}, items=[1, 2]),
        ok(metadata={"resourceVersion": "5"}, items=[3]),
    ]
    async with server.client() as client:
        listed = await client.list("/api/v1/pods", params={"labelSelector": "a=b"}, limit=2)
    assert listed == {"metadata": {"resourceVersion": "5"}, "items": [1, 2, 3]}
    assert [url for _, url, _, _ in server.requests] == [
        "/api/v1/pods?labelSelector=a%3Db&limit=2",
        "/api/v1/pods?labelSelector=a%3Db&limit=2&continue=a%2Fb",
    ]


def waits(policy: RetryPolicy, attempt: int, error: Exception) -> float:
    state = RetryCallState(None, None, (), {})
    state.attempt_number = attempt
    state.set_exception((type(error), error, None))
    return policy.wait(state)


def test_waits_double_with_jitter_up_to_the_longest():
    policy = RetryPolicy(initial=1, longest=8)
    error = ApiUnreachableError("gone")
    for attempt, ceiling in ((1, 1), (2, 2), (3, 4), (4, 8), (9, 8)):
        several = {waits(policy, attempt, error) for _ in range(50)}
        assert len(several) > 1
        assert all(ceiling / 2 <= wait <= ceiling for wait in several)


def test_retry_after_is_honoured_within_reason():
    policy = RetryPolicy(initial=0.1, longest=1, longest_retry_after=10)
    assert waits(policy, 1, ApiError(429, "", "", retry_after=3)) == 3
    assert waits(policy, 1, ApiError(429, "", "", retry_after=3600)) == 10


async def test_retry_after_is_read_from_the_answer(server: FakeServer):
    server.answers = [status(429, Retry_After="7")]
    async with server.client(RetryPolicy(attempts=1)) as client:
        with pytest.raises(ApiError) as caught:
            await client.get("/x")
    assert caught.value.retry_after == 7
