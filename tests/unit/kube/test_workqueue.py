"""The queue of a controller: each key once, never at two workers, later again after a failure."""

from __future__ import annotations

import asyncio

import pytest

from serflab.kube.workqueue import WorkQueue


@pytest.fixture
async def queue():
    made = WorkQueue()
    yield made
    made.close()


async def test_a_key_that_is_added_twice_is_worked_on_once(queue):
    queue.add("a")
    queue.add("a")
    queue.add("b")
    assert [await queue.get(), await queue.get()] == ["a", "b"]
    queue.done("a")
    queue.done("b")
    assert len(queue) == 0


async def test_a_key_that_is_added_while_it_is_worked_on_comes_again_and_not_to_a_second_worker(queue):
    queue.add("a")
    key = await queue.get()
    queue.add("a")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(queue.get(), 0.05)
    queue.done(key)
    assert await asyncio.wait_for(queue.get(), 1) == "a"


async def test_whoever_waits_is_woken(queue):
    waiting = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    queue.add("a")
    assert await asyncio.wait_for(waiting, 1) == "a"


async def test_a_key_that_failed_comes_again_later(queue):
    queue.add("a")
    queue.done(await queue.get(), failed=True)
    assert len(queue) == 0
    assert await asyncio.wait_for(queue.get(), 5) == "a"


async def test_of_two_times_the_sooner_one_counts(queue):
    queue.add_after("a", 60)
    queue.add_after("a", 0.01)
    queue.add_after("a", 30)
    assert await asyncio.wait_for(queue.get(), 5) == "a"
    queue.done("a")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(queue.get(), 0.05)


async def test_what_was_to_come_later_is_forgotten_when_the_queue_is_closed(queue):
    queue.add_after("a", 0.02)
    queue.close()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(queue.get(), 0.1)
