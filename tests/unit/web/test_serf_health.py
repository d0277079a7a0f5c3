"""What a serf's own metrics say of its replay."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from serflab.lab.inventory import Serf
from serflab.lab.serf_health import interval_seconds, replay_health, trace_points

PLAYING = {
    "serflab_replay_up": 1.0, "serflab_replay_tick": 140.0, "serflab_replay_time_index": 8.0,
    "serflab_replay_lag_seconds": 0.4, "serflab_replay_patches_total": 11200.0,
    "serflab_replay_patch_failures_total": 3.0, "serflab_replay_skipped_ticks_total": 0.0,
    "serflab_replay_missing_pods": 1.0,
}  # fmt: skip


def serf(config: Path = Path("absent.json"), **env: str) -> Serf:
    return Serf("serf1", Path("kubeconfig"), "", "", config, Path(), env)


def test_a_replay_that_is_in_time_plays() -> None:
    assert replay_health(PLAYING, 5.0, 132) == {
        "state": "playing", "points": 132, "lag_seconds": 0.4, "interval_seconds": 5.0, "tick": 140, "time_index": 8,
        "patches_total": 11200, "patch_failures_total": 3, "skipped_ticks_total": 0, "missing_pods": 1,
    }  # fmt: skip


@pytest.mark.parametrize(("lag", "state"), [(4.9, "playing"), (5.0, "playing"), (5.1, "late")])
def test_more_than_one_interval_behind_is_late(lag: float, state: str) -> None:
    assert replay_health({**PLAYING, "serflab_replay_lag_seconds": lag}, 5.0, None)["state"] == state


def test_a_replay_that_the_exporter_does_not_see_is_stopped_however_late_it_is() -> None:
    measures = {**PLAYING, "serflab_replay_up": 0.0, "serflab_replay_lag_seconds": 99.0}
    assert replay_health(measures, 5.0, None)["state"] == "stopped"


def test_without_an_exporter_nothing_is_known() -> None:
    health = replay_health({}, None, None)
    assert health.pop("state") == "unknown"
    assert set(health.values()) == {None}


def test_the_interval_is_that_of_the_inventory() -> None:
    assert interval_seconds(serf(SERFLAB_INTERVAL="2.5")) == 2.5
    assert [interval_seconds(serf(**env)) for env in ({}, {"SERFLAB_INTERVAL": "soon"})] == [None, None]


def test_the_points_are_those_of_the_longest_series(tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"pods": [{"time_series": [{}, {}]}, {"time_series": [{}]}]}))
    assert trace_points(serf(config)) == 2
    assert trace_points(serf()) is None
