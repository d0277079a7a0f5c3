"""The replay's clock and its patches; time is whatever the test says."""

from __future__ import annotations

import json
from itertools import chain

from hypothesis import given
from hypothesis import strategies as st

from serflab.emulation.annotator import PatchFormat
from serflab.emulation.objects import formatted
from serflab.emulation.replay import batched, next_tick
from serflab.traces.model import AnnotationKeys
from serflab.traces.sampling import Clock

LOOP = Clock(start=1000, interval=5, length=3, loop=True)
ONCE = Clock(start=1000, interval=5, length=3, loop=False)


def test_in_time_the_next_tick_is_next():
    assert next_tick(LOOP, -1, 1000) == (0, 0)
    assert next_tick(LOOP, 0, 1000.3) == (1, 0)
    assert next_tick(LOOP, 7, 1039.9) == (8, 0)


def test_behind_by_up_to_an_interval_nothing_is_skipped():
    assert next_tick(LOOP, 0, 1010) == (1, 0)


def test_behind_by_more_the_tick_that_is_due_is_next():
    assert next_tick(LOOP, 0, 1010.1) == (2, 1)
    assert next_tick(LOOP, 0, 1100) == (20, 19)


def test_the_last_point_is_played_on_and_on():
    assert next_tick(ONCE, 1, 1009) == (2, 0)
    assert next_tick(ONCE, 2, 1014) == (2, 0)
    assert next_tick(ONCE, 0, 5000) == (2, 1)
    assert next_tick(ONCE, 2, 5000) == (2, 0)


@given(st.lists(st.floats(0, 60), max_size=40), st.booleans(), st.integers(0, 5))
def test_however_long_ticks_take_each_is_played_or_counted_as_skipped(durations, loop, phase):
    clock = Clock(start=1000, interval=5, length=7, loop=loop, phase=phase)
    now, done, played, skipped = 1000.0, -1, 0, 0
    for duration in durations:
        tick, missed = next_tick(clock, done, now)
        if tick == done:
            break
        now = max(now, clock.due(tick))
        assert now - clock.due(tick) <= clock.interval or clock.finished(tick), "never further behind than one interval"
        played, skipped, done = played + 1, skipped + missed, tick
        assert played + skipped == done + 1
        now += duration


KEYS = AnnotationKeys(cpu='my.org/"cpu%s"')


def test_a_patch_shows_every_annotation_of_the_contract():
    values = formatted((40.0, 85.04, 0.1467, 0.0))
    patch = json.loads(PatchFormat(KEYS).patch(values, "2026-01-01T00:00:00Z", 7))
    assert patch == {
        "metadata": {
            "annotations": {
                'my.org/"cpu%s"': "40.0m",
                "emulation.metrics.k8s.io/memory": "85.0Mi",
                "emulation.metrics.k8s.io/power": "0.15W",
                "emulation.metrics.k8s.io/psi": "0.0%",
                "emulation.metrics.k8s.io/timestamp": "2026-01-01T00:00:00Z",
                "emulation.metrics.k8s.io/time_index": "7",
                "kwok.x-k8s.io/usage-cpu": "40.0m",
                "kwok.x-k8s.io/usage-memory": "85.0Mi",
            }
        }
    }


def test_the_first_patch_of_a_pod_clears_its_managed_fields():
    first = json.loads(PatchFormat(KEYS).patch(formatted((1, 1, 1, 1)), "t", 7, first=True))
    assert first["metadata"].pop("managedFields") == [{}]
    assert first == json.loads(PatchFormat(KEYS).patch(formatted((1, 1, 1, 1)), "t", 7))


def test_a_patch_may_name_the_only_pod_that_it_is_meant_for():
    texts = PatchFormat(KEYS)
    named = json.loads(texts.patch(formatted((1, 1, 1, 1)), "t", 7, uid="7813a45d"))
    assert named["metadata"].pop("uid") == "7813a45d"
    assert named == json.loads(texts.patch(formatted((1, 1, 1, 1)), "t", 7))


def test_what_was_patched_is_what_is_shown():
    texts = PatchFormat(AnnotationKeys())
    values = formatted((40.0, 85.0, 0.15, 0.0))
    annotations = json.loads(texts.patch(values, "t", 7))["metadata"]["annotations"]
    shown = texts.shown({"metadata": {"resourceVersion": "12", "annotations": annotations}})
    assert (shown.resource_version, shown.values, shown.played) == (12, (*values, *values[:2]), True)
    new = texts.shown({"metadata": {"resourceVersion": "12"}})
    assert not new.played
    assert new.values != shown.values


@given(st.lists(st.integers()), st.integers(1, 30), st.integers(1, 10))
def test_batches_are_small_enough_complete_and_even(patches, size, lanes):
    batches = batched(patches, size, lanes)
    assert sorted(chain(*batches)) == sorted(patches)
    sizes = [len(batch) for batch in batches]
    assert all(0 < one <= size for one in sizes)
    assert not sizes or max(sizes) - min(sizes) <= 1
    assert len(batches) % lanes == 0 or len(batches) == len(patches)


def test_a_virtual_pod_that_stands_for_one_elsewhere_is_away():
    texts = PatchFormat(AnnotationKeys())

    def shown(**annotations):
        named = {f"emulation.liqo.k8s.io/{key.replace('_', '-')}": value for key, value in annotations.items()}
        return texts.shown({"metadata": {"resourceVersion": "1", "annotations": named}})

    assert shown(is_virtual="true", role="source").away
    assert shown(is_virtual="true").away
    assert not shown(is_virtual="true", role="remote").away
    assert not shown(role="source").away
    assert not shown().away
