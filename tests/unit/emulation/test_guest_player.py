"""Which guest is patched when, with what: the watches tell what the test says, and time is whatever it says."""

from __future__ import annotations

import json
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serflab.emulation.guests import GuestOptions, GuestPlayer, next_due
from serflab.emulation.workload import Workload, workload_annotations
from serflab.kube.client import ApiError, ApiUnreachableError
from serflab.kube.watch import Event, EventKind
from serflab.traces.model import AnnotationKeys, Series
from serflab.traces.sampling import Clock

START = 1_000_000.0
VIRTUAL = "emulation.liqo.k8s.io/"


def series(*cpus):
    return Series.of([(cpu, 100, cpu / 100, 0) for cpu in cpus])


class Client:
    """Takes patches and tells what they show; fails when told to."""

    def __init__(self):
        self.patches = []
        self.failure = None
        self.version = 1000
        self.during = lambda: None

    async def patch(self, path, body, **_):
        self.during()
        if self.failure:
            raise self.failure
        annotations = json.loads(body)["metadata"]["annotations"]
        name = path.rpartition("/")[2]
        self.patches.append((name, annotations["my.org/cpu"], int(annotations["emulation.metrics.k8s.io/time_index"])))
        self.version += 1
        return {"metadata": {"resourceVersion": str(self.version)}}


class Stage:
    """A player of guests whose serf tells what the test says."""

    def __init__(self):
        self.now = START
        self.client = Client()
        self.leave = True
        keys = AnnotationKeys(cpu="my.org/cpu")
        self.player = GuestPlayer(
            self.client, GuestOptions(keys, lanes=3, may_play=lambda: self.leave, now=lambda: self.now)
        )
        self.uids = 0

    def shadow(self, name, workload=None, **metadata):
        """The watch tells of a ShadowPod."""
        annotations = workload_annotations(workload) if workload else {}
        self._tell(self.player._shadows, self.player._shadow_changed, name, {"annotations": annotations, **metadata})

    def pod(self, name, *, uid=None, role="remote", phase="Running", **metadata):
        """The watch tells of a pod, a new one unless it has a `uid`."""
        self.uids += 1
        annotations = {f"{VIRTUAL}is-virtual": "true", f"{VIRTUAL}role": role}
        made = {"uid": uid or f"uid-{self.uids}", "resourceVersion": str(self.uids), "annotations": annotations}
        status = {"status": {"phase": phase}}
        self._tell(self.player._pods, self.player._pod_changed, name, {**made, **metadata}, **status)

    def gone(self, name):
        del self.player._pods.objects["ns1-serf1", name]
        self.player._pod_changed(Event(EventKind.DELETED, 1, ("ns1-serf1", name)))

    def _tell(self, cache, listener, name, metadata, **more):
        key = "ns1-serf1", name
        value = cache._transform({"metadata": {"namespace": key[0], "name": name, **metadata}, **more})
        if value is None:
            cache.objects.pop(key, None)
        else:
            cache.objects[key] = value
        listener(Event(EventKind.DELETED if value is None else EventKind.MODIFIED, 1, key, value))

    async def until(self, end):
        """Let time pass, and everything happen that is due; the patches that were sent, as (seconds, pod, cpu)."""
        sent = []
        self.client.patches.clear()
        while (due := self.player._agenda.first) is not None and due <= end:
            self.now = max(self.now, due)
            await self.player._turn(self.player._agenda.take(self.now))
            sent += [(round(self.now - START, 3), name, cpu) for name, cpu, _ in self.client.patches]
            self.client.patches.clear()
        self.now = max(self.now, end)
        return sent


@pytest.fixture
def stage():
    return Stage()


def looping(*cpus, start=START, interval=5.0, **changes):
    return Workload(series(*cpus), interval, start=start, **changes)


async def test_a_guest_shows_its_points_by_its_own_clock(stage):
    stage.shadow("a", looping(1, 2, 3, start=START - 7))
    stage.pod("a")
    # under the annotation keys of this serf's config
    assert await stage.until(START + 8) == [(0, "a", "2.0m"), (3, "a", "3.0m"), (8, "a", "1.0m")]
    assert stage.player.count == 1


async def test_each_guest_has_its_own_clock(stage):
    stage.shadow("a", looping(1, 2, start=START))
    stage.shadow("b", looping(10, 20, start=START - 1, interval=2.0, phase=1))
    stage.pod("a")
    stage.pod("b")
    assert await stage.until(START + 5) == [
        (0, "b", "20.0m"),
        (0, "a", "1.0m"),
        (1, "b", "10.0m"),
        (3, "b", "20.0m"),
        (5, "a", "2.0m"),
        (5, "b", "10.0m"),
    ]


async def test_only_a_point_that_differs_is_sent(stage):
    stage.shadow("a", looping(1, 1, 2, 2))
    stage.pod("a")
    assert await stage.until(START + 19) == [(0, "a", "1.0m"), (10, "a", "2.0m")]


async def test_without_a_loop_the_last_point_stays(stage):
    stage.shadow("a", looping(1, 2, loop=False))
    stage.pod("a")
    assert await stage.until(START + 60) == [(0, "a", "1.0m"), (5, "a", "2.0m")]
    stage.pod("a")
    assert await stage.until(START + 61) == [(60, "a", "2.0m")]


async def test_a_clock_that_starts_later_is_waited_for(stage):
    stage.shadow("a", looping(1, 2, start=START + 3))
    stage.pod("a")
    assert await stage.until(START + 3) == [(3, "a", "1.0m")]


async def test_a_workload_without_a_start_is_not_played(stage):
    stage.shadow("a", looping(1, 2, start=None))
    stage.pod("a")
    assert (await stage.until(START + 10), stage.player.count) == ([], 0)
    stage.shadow("a", looping(1, 2, start=START + 10))
    assert await stage.until(START + 10) == [(10, "a", "1.0m")]


async def test_shadow_pod_and_pod_may_come_in_either_order(stage):
    stage.pod("a")
    assert await stage.until(START + 1) == []
    stage.shadow("a", looping(1, 2))
    assert await stage.until(START + 1) == [(1, "a", "1.0m")]


@pytest.mark.parametrize(
    "state", [{"phase": "Succeeded"}, {"phase": "Failed"}, {"deletionTimestamp": "now"}, {"role": "source"}]
)
async def test_a_pod_that_is_over_or_on_its_way_out_or_no_guest_is_left_alone(stage, state):
    stage.shadow("a", looping(1, 2))
    stage.pod("a", uid="x", **state)
    assert await stage.until(START + 10) == []
    stage.pod("a", uid="x")
    assert await stage.until(START + 10) == [(10, "a", "1.0m")]
    stage.pod("a", uid="x", **state)
    assert (await stage.until(START + 60), stage.player.count) == ([], 0)


async def test_a_guest_ends_with_its_shadow_pod(stage):
    stage.shadow("a", looping(1, 2))
    stage.pod("a")
    assert await stage.until(START) == [(0, "a", "1.0m")]
    stage.shadow("a", looping(1, 2), deletionTimestamp="now")
    assert await stage.until(START + 60) == []


async def test_its_own_patches_and_a_change_of_status_change_nothing(stage):
    stage.shadow("a", looping(1, 2))
    stage.pod("a", uid="x")
    assert await stage.until(START + 1) == [(0, "a", "1.0m")]
    stage.pod("a", uid="x", resourceVersion="1001")
    stage.shadow("a", looping(1, 2), resourceVersion="2")
    assert await stage.until(START + 4) == []


async def test_a_pod_that_is_made_anew_gets_its_point_at_once(stage):
    stage.shadow("a", looping(1, 2))
    stage.pod("a")
    assert await stage.until(START + 1) == [(0, "a", "1.0m")]
    stage.gone("a")
    assert (await stage.until(START + 2), stage.player.count) == ([], 0)
    stage.pod("a", resourceVersion="2000")
    assert await stage.until(START + 2) == [(2, "a", "1.0m")]


async def test_a_new_clock_is_played_at_once_even_if_it_comes_while_a_patch_is_on_its_way(stage):
    stage.shadow("a", looping(1, 2, interval=50.0))
    stage.pod("a")

    def change():
        stage.shadow("a", looping(7, 8, interval=50.0))
        assert stage.player._agenda.first is None, "two patches of one pod are never on their way together"

    stage.client.during = change
    assert await stage.until(START + 1) == [(0, "a", "1.0m"), (0, "a", "7.0m")]


async def test_what_somebody_else_wrote_is_put_right_at_the_next_point(stage):
    stage.shadow("a", looping(1, loop=False))
    stage.pod("a", uid="x")
    assert await stage.until(START + 1) == [(0, "a", "1.0m")]
    stage.pod("a", uid="x", resourceVersion="2000")
    assert await stage.until(START + 5) == [(5, "a", "1.0m")]


async def test_who_is_late_plays_the_point_that_is_due(stage):
    stage.shadow("a", looping(1, 2, 3))
    stage.pod("a")
    stage.now = START + 12
    assert await stage.until(START + 15) == [(12, "a", "3.0m"), (15, "a", "1.0m")]


async def test_without_the_lease_nothing_is_sent(stage):
    stage.shadow("a", looping(1, 2))
    stage.pod("a")
    stage.leave = False
    assert await stage.until(START + 2) == []
    stage.leave = True
    assert [cpu for _, _, cpu in await stage.until(START + 3)] == ["1.0m"]


async def test_a_failure_is_told_once_and_tried_again(stage, caplog):
    stage.shadow("a", looping(1, 2))
    stage.pod("a")
    for failure, words in (
        (ApiUnreachableError("gone"), "guests wait: gone"),
        (
            ApiError(403, "Forbidden", "no"),
            "guest ns1-serf1/a: the API server answered 403 Forbidden: no; trying again",
        ),
    ):
        caplog.clear()
        stage.client.failure = failure
        with caplog.at_level(logging.WARNING):
            assert await stage.until(stage.now + 2) == []
        assert [record.getMessage() for record in caplog.records] == [words]
    stage.client.failure = None
    assert len(await stage.until(stage.now + 0.5)) == 1


async def test_a_pod_that_was_replaced_is_no_failure(stage, caplog):
    stage.shadow("a", looping(1, 2))
    stage.pod("a")
    body = {"details": {"causes": [{"reason": "FieldValueInvalid", "field": "metadata.uid"}]}}
    stage.client.failure = ApiError(422, "Invalid", "metadata.uid: field is immutable", body)
    with caplog.at_level(logging.WARNING):
        assert await stage.until(START + 1) == []
    assert not caplog.records


async def test_a_workload_that_cannot_be_played_is_told_once(stage, caplog):
    broken = {"emulation.liqo.k8s.io/series": "{}", "emulation.liqo.k8s.io/clock": "{}"}
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            stage.shadow("a", annotations=broken)
    assert [record.getMessage() for record in caplog.records] == [
        "ShadowPod ns1-serf1/a has a series or a clock that cannot be played"
    ]


@given(st.floats(1e9, 2e9), st.floats(0.01, 1000), st.floats(-100, 1e6), st.booleans())
def test_the_next_point_is_the_first_one_after_now(start, interval, ahead, loop):
    now = start + ahead
    due = next_due(Clock(start, interval, 3, loop), now)
    assert due > now
    assert due == start or (due - interval <= now + 1e-6)
