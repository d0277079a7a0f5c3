"""When a ShadowPod is told of its pod's phase: soon for a single one, after the rush when many are made."""

from __future__ import annotations

from serflab.offload.remote_pods import tells_later


def test_a_single_pod_is_told_of_when_it_has_settled():
    assert tells_later(100.0, 100.0, 100.5) == 4.5
    assert tells_later(100.0, 100.0, 105.0) == 0
    assert tells_later(100.0, None, 105.0) == 0


def test_while_others_are_made_it_waits_for_the_end_of_the_rush():
    assert tells_later(100.0, 108.0, 110.0) == 20
    assert tells_later(100.0, 108.0, 113.0) == 0


def test_it_does_not_wait_for_ever_where_pods_are_made_all_the_time():
    assert tells_later(100.0, 160.0, 160.0) == 0
