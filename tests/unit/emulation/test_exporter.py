"""Which picture is shown: the last whole tick of a live replay, the annotations as they are, or the clock's."""

from __future__ import annotations

import logging
import re
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from serflab.emulation.expose import RECORDED_MACHINE, Exporter
from serflab.emulation.marker import Marker
from serflab.kube.client import ApiClient
from serflab.kube.credentials import Credentials
from serflab.kube.watch import Event, EventKind

PREFIX = "emulation.metrics.k8s.io/"
START = 1_000_000.0


class Stage:
    """An exporter that is told, in a test's own order, what its watches would tell."""

    def __init__(self, config):
        self.now = START
        self.version = 0
        self.exporter = Exporter(
            ApiClient(Credentials("http://nowhere")), config, update_interval=1, now=lambda: self.now
        )
        exporter = self.exporter
        exporter._leases.connected_since = START - 1000
        exporter._nodes.objects["", "node-1"] = exporter._nodes._transform(
            {"status": {"capacity": {"cpu": "4", "memory": "8Gi"}}}
        )
        exporter._pod_changed(Event(EventKind.LISTED, 0))
        self.marker = Marker(config.fingerprint, START, 5.0, loop=True, phase=0, holder="me", renewed=START, duration=5)

    def pod(self, name, cpu, *, index=None, namespace="shop", phase="Running", **annotations):
        """The watch tells of a pod; `index` is the point that was played onto it."""
        self.version += 1
        shown = {f"{PREFIX}cpu": cpu, **annotations}
        if index is not None:
            shown[f"{PREFIX}time_index"] = str(index)
        metadata = {"namespace": namespace, "name": name, "resourceVersion": str(self.version), "annotations": shown}
        item = {"metadata": metadata, "spec": {"nodeName": "node-1"}, "status": {"phase": phase}}
        cache = self.exporter._pods
        cache.resource_version = self.version
        value = cache._transform(item)
        kind = EventKind.MODIFIED if value else EventKind.DELETED
        self.exporter._pod_changed(Event(kind, self.version, (namespace, name), value))

    def tick(self, tick, **changes):
        """The watch tells of the Lease that the replay wrote after all patches so far."""
        needed = self.version
        self.version += 1
        self.lease(
            replace(
                self.marker,
                state="settled",
                tick=tick,
                time_index=tick % 3,
                renewed=self.now,
                resource_version=needed,
                lease_version=self.version,
                **changes,
            )
        )

    def lease(self, marker):
        self.marker = marker
        self.exporter._leases.objects["kube-system", "serflab-replay"] = marker
        self.exporter._lease_changed(Event(EventKind.MODIFIED, marker.lease_version))

    def shown(self):
        self.exporter.renew()
        families = text_string_to_metric_families(self.exporter.text().decode())
        return {
            (sample.name, *sample.labels.values()): sample.value for family in families for sample in family.samples
        }

    def cpu(self):
        return {key[2]: value for key, value in self.shown().items() if key[0] == "emulation_pod_cpu_millicores"}


@pytest.fixture
def stage(config):
    return Stage(config)


def test_without_a_replay_the_annotations_are_shown_as_they_are(stage):
    stage.pod("web-0", "100.0m")
    stage.pod("by-hand", "12", namespace="other")
    assert stage.cpu() == {"web-0": 100, "by-hand": 12}
    stage.pod("by-hand", "13", namespace="other")
    assert stage.cpu() == {"web-0": 100, "by-hand": 13}


def test_a_tick_is_shown_when_it_is_whole(stage):
    stage.pod("web-0", "1m", index=0)
    stage.pod("web-1", "1m", index=0)
    stage.tick(0)
    assert stage.cpu() == {"web-0": 1, "web-1": 1}
    stage.pod("web-0", "2m", index=1)
    assert stage.cpu() == {"web-0": 1, "web-1": 1}
    stage.pod("web-1", "2m", index=1)
    assert stage.cpu() == {"web-0": 1, "web-1": 1}
    stage.tick(1)
    assert stage.cpu() == {"web-0": 2, "web-1": 2}
    assert stage.shown()["serflab_replay_tick",] == 1
    assert stage.shown()["serflab_replay_time_index",] == 1


def test_the_lease_may_be_seen_before_the_last_pods_and_after_the_next(stage):
    stage.pod("web-0", "1m", index=0)
    stage.tick(0)
    assert stage.cpu() == {"web-0": 1}
    # seen late: the next tick's patch is already known when its predecessor's marker comes
    stage.pod("web-0", "2m", index=1)
    settled = replace(
        stage.marker, tick=1, time_index=1, resource_version=stage.version, lease_version=stage.version + 1
    )
    stage.version += 1
    stage.pod("web-0", "3m", index=2)
    stage.lease(settled)
    assert stage.cpu() == {"web-0": 2}
    # seen early: the marker names a version that the pods' watch has not come to
    stage.lease(
        replace(settled, tick=2, time_index=2, resource_version=stage.version + 1, lease_version=stage.version + 2)
    )
    assert stage.cpu() == {"web-0": 2}
    stage.pod("web-1", "3m", index=2)
    assert stage.cpu() == {"web-0": 3, "web-1": 3}


def test_a_replay_that_was_killed_within_a_tick_and_came_back(stage):
    stage.pod("web-0", "1m", index=0)
    stage.pod("web-1", "1m", index=0)
    stage.tick(0)
    assert stage.cpu() == {"web-0": 1, "web-1": 1}
    stage.pod("web-0", "2m", index=1)
    stage.version += 1
    stage.lease(replace(stage.marker, state="writing", holder="the next", lease_version=stage.version))
    assert stage.cpu() == {"web-0": 1, "web-1": 1}
    stage.pod("web-1", "2m", index=1)
    stage.tick(1)
    assert stage.cpu() == {"web-0": 2, "web-1": 2}


def test_a_pod_that_is_created_anew_is_absent_until_a_tick_was_played_onto_it(stage):
    stage.pod("web-0", "1m", index=0)
    stage.tick(0)
    stage.pod("web-0", "100.0m")
    stage.tick(1)
    assert stage.cpu() == {}
    stage.pod("web-0", "3m", index=2)
    stage.tick(2)
    assert stage.cpu() == {"web-0": 3}


REMOTE = {"emulation.liqo.k8s.io/is-virtual": "true", "emulation.liqo.k8s.io/role": "remote"}
SOURCE = {"emulation.liqo.k8s.io/is-virtual": "true", "emulation.liqo.k8s.io/role": "source"}


def test_pods_of_other_serfs_need_no_time_index(stage):
    stage.pod("virtual-1", "7m", namespace="guests", **REMOTE)
    stage.tick(0)
    assert stage.cpu() == {"virtual-1": 7}


def test_a_pod_that_went_to_another_serf_counts_for_nothing_here(stage):
    stage.pod("web-0", "1m", index=0)
    stage.pod("web-1", "2m", index=0)
    stage.tick(0)
    stage.pod("web-0", "1m", index=0, **SOURCE)
    stage.tick(1)
    assert stage.cpu() == {"web-1": 2}
    assert stage.shown()["emulation_node_pod_count", "node-1"] == 1


def test_a_pod_that_comes_home_with_the_values_of_a_point_is_shown_with_the_next_tick(stage):
    stage.pod("web-0", "1m", **SOURCE)
    stage.tick(0)
    assert stage.cpu() == {}
    stage.pod("web-0", "3m", index=2)
    stage.tick(1)
    assert stage.cpu() == {"web-0": 3}


def test_in_clock_mode_a_pod_that_is_away_has_no_values_and_a_guest_its_own(stage):
    stage.pod("web-0", "1m", **SOURCE)
    stage.pod("web-1", "7m", **REMOTE)
    stage.lease(replace(stage.marker, mode="clock", phase=1, renewed=0))
    assert stage.cpu() == {"web-1": 7}


def test_guests_are_counted_while_a_replay_plays_them(stage):
    stage.tick(0, guests=3)
    assert stage.shown()["serflab_replay_guests",] == 3
    stage.now += 31
    assert stage.shown()["serflab_replay_guests",] == 0


def test_a_replay_that_is_silent_for_half_a_minute_leaves_the_annotations_to_others(stage):
    stage.pod("web-0", "1m", index=0)
    stage.tick(0)
    stage.pod("web-0", "2m", index=1)
    stage.now += 30
    assert stage.cpu() == {"web-0": 1}
    assert stage.shown()["serflab_replay_up",] == 1
    stage.now += 0.1
    assert stage.cpu() == {"web-0": 2}
    assert stage.shown()["serflab_replay_up",] == 0


def test_who_has_just_come_back_does_not_take_a_replay_for_dead(stage):
    stage.pod("web-0", "1m", index=0)
    stage.tick(0)
    stage.pod("web-0", "2m", index=1)
    stage.now += 60
    for since in (None, stage.now - 1):
        stage.exporter._leases.connected_since = since
        assert stage.cpu() == {"web-0": 1}


def test_the_lag_of_a_dead_replay_grows(stage):
    stage.pod("web-0", "1m", index=0)
    stage.tick(0, lag=0.25)
    assert stage.shown()["serflab_replay_lag_seconds",] == 0.25
    stage.now = START + 5 + 7
    assert stage.shown()["serflab_replay_lag_seconds",] == 7
    assert stage.shown()["serflab_exporter_snapshot_age_seconds",] == 12


def test_the_counts_of_the_replay_are_passed_on(stage):
    stage.tick(4, patches=80, failures=2, skipped=3, missing=1)
    shown = stage.shown()
    assert shown["serflab_replay_patches_total",] == 80
    assert shown["serflab_replay_patch_failures_total",] == 2
    assert shown["serflab_replay_skipped_ticks_total",] == 3
    assert shown["serflab_replay_missing_pods",] == 1


@pytest.mark.parametrize("phase", ["Pending", "Succeeded", "Failed"])
def test_pods_that_do_not_run_are_not_shown(stage, phase):
    stage.pod("web-0", "1m", phase=phase)
    assert stage.cpu() == {}


def test_a_pod_that_stops_running_counts_for_nothing_any_more(stage):
    stage.pod("web-0", "1m")
    stage.pod("web-0", "1m", phase="Failed")
    assert stage.cpu() == {}
    assert stage.shown()["emulation_node_cpu_percent", "node-1"] == 0


def test_an_annotation_that_is_no_value_is_told_once(stage, caplog):
    with caplog.at_level(logging.WARNING):
        stage.pod("web-0", "a lot")
        stage.pod("web-0", "a lot")
    assert stage.cpu() == {}
    assert [record.getMessage().split(":")[0] for record in caplog.records] == ["pod shop/web-0, annotation of cpu"]


def test_clock_mode_computes_what_runs_from_trace_and_clock(stage):
    stage.pod("web-0", "1m")
    stage.pod("web-1", "1m", phase="Pending")
    stage.pod("guest", "7m", namespace="guests")
    stage.lease(replace(stage.marker, mode="clock", phase=1, renewed=0))
    assert stage.cpu() == {"web-0": 200, "guest": 7}
    stage.now += 5
    assert stage.cpu() == {"web-0": 300, "guest": 7}
    stage.now += 5
    assert stage.cpu() == {"web-0": 100, "guest": 7}
    assert stage.shown()["serflab_replay_tick",] == 2
    assert stage.shown()["serflab_replay_time_index",] == 0
    assert stage.shown()["serflab_replay_lag_seconds",] == 0


def test_clock_mode_of_another_config_is_not_computed(stage):
    stage.pod("web-0", "1m")
    stage.lease(replace(stage.marker, mode="clock", fingerprint="another", renewed=0))
    assert stage.cpu() == {"web-0": 1}


REAL = [
    {"time": 1, "node_cpu_load": 10, "node_memory": 4096},
    {"time": 2, "node_cpu_load": 20, "node_memory": 2048},
    {"time": 3, "node_cpu_load": 30, "node_memory": 1024},
]


def real(shown):
    return {key: value for key, value in shown.items() if key[0].startswith("real_")}


def test_the_recorded_machine_at_the_point_that_is_shown(make_config):
    stage = Stage(make_config(node_time_series=REAL))
    assert real(stage.shown()) == {}
    stage.tick(4)
    assert real(stage.shown()) == {
        ("real_node_cpu_percent", "node-1"): 20,
        ("real_node_memory_percent", "node-1"): 25,
    }


def test_the_recorded_machine_stands_for_none_of_several_nodes(make_config):
    nodes = {"mode": "pool", "pool": {"count": 2, "cpu": "4", "memory": "4Gi"}}
    stage = Stage(make_config(node_time_series=REAL, node_config=nodes))
    stage.tick(0)
    assert real(stage.shown()) == {
        ("real_node_cpu_percent", RECORDED_MACHINE): 10,
        ("real_node_memory_percent", RECORDED_MACHINE): 50,
    }


def test_before_the_first_picture_it_is_not_ready(stage):
    stage.exporter._pod_changed(Event(EventKind.LISTED, 0))
    stage.pod("web-0", "2m", index=1)
    stage.lease(replace(stage.marker, tick=0, resource_version=0, lease_version=stage.version + 1))
    stage.exporter._timeline.forget(stage.version)
    stage.exporter.renew()
    assert not stage.exporter.ready
    assert b"serflab_exporter_watch_connected" in stage.exporter.text()
    stage.tick(1)
    stage.exporter.renew()
    assert stage.exporter.ready


def test_every_metric_is_documented(make_config):
    everything = [{**point, "node_power": 125, "node_psi": 1} for point in REAL]
    stage = Stage(make_config(node_time_series=everything))
    stage.tick(0)
    stage.exporter.renew()
    document = Path(__file__).resolve().parents[3].joinpath("docs", "replay.md").read_text()
    names = set(re.findall(r"^# TYPE (\S+)", stage.exporter.text().decode(), re.MULTILINE))
    assert len(names) == 6 + 7 + 4 + 9 + 4
    assert {name for name in names if f"`{name}`" not in document} == set()


def test_a_virtual_node_is_no_capacity_of_its_serf(make_config):
    stage = Stage(make_config())
    virtual = {
        "metadata": {"name": "serf2", "labels": {"liqo.io/type": "virtual-node"}},
        "status": {"capacity": {"cpu": "4", "memory": "8Gi"}},
    }
    assert stage.exporter._nodes._transform(virtual) is None
    virtual["metadata"]["labels"] = {"liqo.io/type": "other"}
    assert stage.exporter._nodes._transform(virtual).cpu == 4000
