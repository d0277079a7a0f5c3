"""Many actions at once: bounded, and no failure without a name."""

import asyncio

import pytest

from serflab.errors import SerflabError
from serflab.kube.bulk import run_bulk
from serflab.kube.client import ApiError, ApiUnreachableError


async def test_never_more_than_the_limit_at_once():
    running = most = 0

    async def action(_):
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1

    result = await run_bulk(range(20), action, name=str, limit=3)
    assert (result.done, most) == (20, 3)


async def test_failures_are_collected_under_their_names():
    async def action(item):
        if item % 2:
            raise ApiError(422, "Invalid", f"{item} is odd")

    seen = []
    result = await run_bulk(range(20), action, name=lambda item: f"pod-{item}", limit=4, progress=seen.append)
    assert result.done == 10
    assert [failure.name for failure in result.failures] == [f"pod-{item}" for item in range(1, 20, 2)]
    assert seen[-1] == 20
    with pytest.raises(SerflabError) as caught:
        result.raise_for_failures("create pods")
    assert str(caught.value).splitlines()[:2] == [
        "create pods failed for 10 of 20:",
        "  pod-1: the API server answered 422 Invalid: 1 is odd",
    ]
    assert str(caught.value).splitlines()[-1] == "  … and 5 more"


async def test_without_a_server_the_rest_is_not_tried():
    tried = []

    async def action(item):
        tried.append(item)
        await asyncio.sleep(0)
        raise ApiUnreachableError("gone")

    with pytest.raises(ApiUnreachableError):
        await run_bulk(range(1000), action, name=str, limit=4)
    assert len(tried) <= 8
