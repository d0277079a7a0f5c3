"""replay_metrics.py on a real serf: whole ticks, only what changed, and going on after whatever happens."""

from __future__ import annotations

import json
import re
import signal

from programs import eventually, shown

FAST = "--interval=0.5"
KEYS = {"cpu", "memory", "power", "psi", "timestamp", "time_index"}


def version(pod):
    return int(pod["metadata"]["resourceVersion"])


def named(emulation, name):
    return next(pod for (_, pod_name), pod in emulation.pods().items() if pod_name == name)


def time_index(pod):
    return pod["metadata"]["annotations"].get("emulation.metrics.k8s.io/time_index")


def test_every_point_is_played_and_the_last_one_stays(created):
    constant = version(named(created, "web-1"))
    replay = created.start("replay_metrics", FAST)
    created.wait_for_tick(2)
    pods = {name: pod for (_, name), pod in created.pods().items()}
    assert shown(pods["web-0"]) == ("300.0m", "100.0Mi", "3.00W", "0.0%", "300.0m", "100.0Mi")
    assert shown(pods["web-1"]) == ("10.0m", "100.0Mi", "0.10W", "0.0%", "10.0m", "100.0Mi")
    assert shown(pods["db-0"])[0] == "70.0m"
    annotations = pods["web-0"]["metadata"]["annotations"]
    assert {f"emulation.metrics.k8s.io/{key}" for key in KEYS} <= annotations.keys()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", annotations["emulation.metrics.k8s.io/timestamp"])
    assert replay.process.poll() is None
    assert replay.stop() == 0
    marker = created.lease()
    assert (marker["tick"], marker["time-index"], marker["state"]) == ("2", "2", "settled")
    assert int(marker["resource-version"]) == max(map(version, pods.values()))
    # at the first tick every pod, later only what changed: the pod that never changes was patched once
    if marker["skipped-ticks-total"] == "0":
        assert marker["patches-total"] == "7"
    assert constant < version(pods["web-1"])
    assert time_index(pods["web-1"]) == "0"


def test_what_somebody_else_wrote_is_put_right_at_the_next_tick(created):
    created.start("replay_metrics", FAST)
    created.wait_for_tick(2)
    namespace = created.data["namespaces"][0]
    created.serf.kubectl("-n", namespace, "annotate", "pod", "web-1", "emulation.metrics.k8s.io/cpu=1m", "--overwrite")
    eventually(lambda: shown(named(created, "web-1"))[0] == "10.0m", "the value of the trace")


def test_a_deleted_pod_is_skipped_and_one_made_anew_gets_its_values(created):
    namespace = created.data["namespaces"][0]
    replay = created.start("replay_metrics", FAST, "--loop")
    created.wait_for_tick(1)
    created.serf.kubectl("-n", namespace, "delete", "pod", "web-1")
    replay.wait_for(f"1 pods are missing and skipped: {namespace}/web-1")
    seen = created.tick()
    created.wait_for_tick(seen + 3)
    assert created.lease()["missing-pods"] == "1"
    assert replay.text().count("missing and skipped") == 1
    assert created.create()[0] == 0
    replay.wait_for(f"1 pods are back: {namespace}/web-1")
    # its values are those of its creation, and still it is patched: it has been played now
    eventually(lambda: time_index(named(created, "web-1")), "a time index")
    eventually(lambda: created.lease()["missing-pods"] == "0", "no missing pods in the Lease")
    assert created.lease()["patch-failures-total"] == "0"


def test_it_starts_before_the_pods_are_there(emulation):
    replay = emulation.start("replay_metrics", FAST, "--loop")
    replay.wait_for("3 pods are missing and skipped")
    assert emulation.create()[0] == 0
    eventually(lambda: all(map(time_index, emulation.pods().values())), "values on all pods")


def test_it_outlives_its_api_server(created):
    replay = created.start("replay_metrics", FAST, "--loop")
    created.wait_for_tick(1)
    start = created.lease()["start"]
    created.serf.kill("kube-apiserver")
    eventually(created.serf.api_is_ready, "the API server is back")
    tick = created.tick()
    created.wait_for_tick(tick + 3)
    assert created.lease()["start"] == start
    assert replay.stop() == 0


def test_killed_and_started_again_it_goes_on_where_the_clock_is(created):
    created.start("replay_metrics", FAST, "--loop").wait_for("from its start")
    created.wait_for_tick(2)
    created.running[0].stop(signal.SIGKILL)
    before = created.lease()
    again = created.start("replay_metrics", FAST, "--loop")
    again.wait_for("on from tick")
    resumed = int(re.search(r"on from tick (\d+)", again.text())[1])
    assert resumed > int(before["tick"])
    created.wait_for_tick(resumed + 1)
    after = created.lease()
    assert after["start"] == before["start"]
    assert after["time-index"] == str(int(after["tick"]) % 3)


def test_restart_starts_the_clock_anew(created):
    created.start("replay_metrics", FAST, "--loop")
    created.wait_for_tick(1)
    assert created.running[0].stop() == 0
    start = float(created.lease()["start"])
    created.start("replay_metrics", FAST, "--loop", "--restart").wait_for("from its start")
    eventually(lambda: float(created.lease()["start"]) > start, "a later start")


def test_a_second_replay_stands_by_and_takes_over(created):
    first = created.start("replay_metrics", FAST, "--loop")
    created.wait_for_tick(1)
    holder, start = created.lease()["holder"], created.lease()["start"]
    second = created.start("replay_metrics", FAST, "--loop")
    second.wait_for(f"standing by: {holder} replays on this serf")
    created.wait_for_tick(created.tick() + 3)
    assert created.lease()["holder"] == holder
    assert "replaying" not in second.text()
    assert first.stop() == 0
    second.wait_for("on from tick")
    created.wait_for_tick(created.tick() + 1)
    assert created.lease()["holder"] not in ("", holder)
    assert created.lease()["start"] == start
    assert second.stop() == 0


def test_who_stands_by_stops_when_told_to(created):
    created.start("replay_metrics", FAST, "--loop")
    created.wait_for_tick(0)
    second = created.start("replay_metrics", FAST, "--loop")
    second.wait_for("standing by")
    assert second.stop(signal.SIGINT) == 0


def test_a_replay_whose_lease_is_taken_stops(created):
    replay = created.start("replay_metrics", FAST, "--loop")
    created.wait_for_tick(1)
    thief = json.dumps({"spec": {"holderIdentity": "thief"}})
    created.serf.kubectl("-n", "kube-system", "patch", "lease", "serflab-replay", "--type=merge", f"--patch={thief}")
    eventually(lambda: replay.process.poll() is not None, "the replay ends")
    assert replay.process.returncode == 1
    assert "the Lease of the replay was taken: thief holds it now" in replay.text()
    assert created.lease()["holder"] == "thief"


def test_clock_mode_writes_no_annotations(created):
    before = {key: version(pod) for key, pod in created.pods().items()}
    replay = created.start("replay_metrics", FAST, "--loop", "--mode=clock")
    eventually(lambda: created.lease().get("mode") == "clock", "the Lease says so")
    start = created.lease()["start"]
    second = created.start("replay_metrics", FAST, "--loop", "--mode=clock")
    second.wait_for("standing by")
    assert {key: version(pod) for key, pod in created.pods().items()} == before
    assert created.lease()["start"] == start
    assert replay.stop() == 0
