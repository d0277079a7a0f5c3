"""expose_metrics.py beside a replay on a real serf: what it shows is the trace, one whole tick at a time."""

from __future__ import annotations

import signal
import time

import pytest
from exporting import Exporter
from programs import eventually, lively_config


class TraceCheck:
    """Compares what is shown with the trace, for as long as a test likes."""

    def __init__(self, exporter):
        self.exporter = exporter
        self.ticks = set()
        self.trace = [
            {
                pod["pod_name"]: tuple(pod["time_series"][at][metric] for metric in ("cpu", "memory", "power", "psi"))
                for pod in exporter.emulation.data["pods"]
            }
            for at in range(len(exporter.emulation.data["pods"][0]["time_series"]))
        ]

    def look(self):
        """Scrape once: all pods are shown, each with the values of the one point that the scrape names."""
        scrape = self.exporter.scrape()
        index = int(scrape.get(("serflab_replay_time_index",), -1))
        if index < 0:
            return
        assert self.exporter.pods(scrape) == self.trace[index]
        node = self.exporter.emulation.data["node_config"]["single_node"]["name"]
        assert scrape["real_node_cpu_percent", node] == index / 2
        expected = sum(values[0] for values in self.trace[index].values()) / 16000 * 100
        assert scrape["emulation_node_cpu_percent", node] == pytest.approx(expected)
        self.ticks.add(int(scrape["serflab_replay_tick",]))

    def look_until(self, done, what):
        def looked():
            self.look()
            time.sleep(0.02)
            return done()

        eventually(looked, what)


@pytest.fixture
def lively(make_emulation):
    emulation = make_emulation(lively_config)
    status, log = emulation.create()
    assert status == 0, log
    return emulation


def test_what_is_shown_is_the_trace_tick_by_tick(lively):
    exporter = Exporter(lively)
    lively.start("replay_metrics", "--interval=0.5", "--loop")
    check = TraceCheck(exporter)
    check.look_until(lambda: len(check.ticks) >= 20, "20 ticks")


def test_no_mix_though_replay_and_exporter_are_killed_in_the_middle(lively):
    exporter = Exporter(lively)
    # one pod after the other, so that there is always a tick under way
    slow = ("replay_metrics", "--interval=0.3", "--loop", "--max-concurrent=1")
    replay = lively.start(*slow)
    check = TraceCheck(exporter)
    for _ in range(2):
        seen = len(check.ticks)
        check.look_until(lambda seen=seen: len(check.ticks) >= seen + 3, "3 more ticks")
        replay.stop(signal.SIGKILL)
        replay = lively.start(*slow)
        replay.wait_for("on from tick")
        exporter.program.stop(signal.SIGKILL)
        exporter = check.exporter = Exporter(lively)
    seen = len(check.ticks)
    check.look_until(lambda: len(check.ticks) >= seen + 3, "3 more ticks")


def test_it_outlives_its_api_server(lively):
    exporter = Exporter(lively)
    lively.start("replay_metrics", "--interval=0.5", "--loop")
    check = TraceCheck(exporter)
    check.look_until(lambda: check.ticks, "a tick")
    lively.serf.kill("kube-apiserver")

    def connected():
        return exporter.scrape()["serflab_exporter_watch_connected", "pods"]

    check.look_until(lambda: not connected(), "the loss of the connection")
    check.look_until(connected, "the connection")
    seen = max(check.ticks)
    check.look_until(lambda: max(check.ticks) > seen + 2, "later ticks")
    assert exporter.program.process.poll() is None


def test_clock_mode_shows_the_trace_though_nothing_is_written(lively):
    exporter = Exporter(lively)
    lively.start("replay_metrics", "--interval=0.5", "--loop", "--mode=clock", "--phase=7")
    check = TraceCheck(exporter)
    check.look_until(lambda: len(check.ticks) >= 5, "5 ticks")
    lively.running[-1].stop(signal.SIGKILL)
    seen = max(check.ticks)
    check.look_until(lambda: max(check.ticks) > seen + 2, "later ticks, of the clock alone")
    assert all("time_index" not in str(pod["metadata"]["annotations"]) for pod in lively.pods().values())


def test_without_a_replay_it_shows_what_people_annotate(created):
    exporter = Exporter(created)
    shop = created.data["namespaces"][0]
    assert exporter.pods(exporter.scrape())["web-0"] == (100, 100, 1, 0)
    created.serf.kubectl("-n", shop, "annotate", "pod", "web-0", "emulation.metrics.k8s.io/cpu=123", "--overwrite")
    eventually(lambda: exporter.pods(exporter.scrape())["web-0"][0] == 123, "the new value")
    created.serf.kubectl("-n", shop, "delete", "pod", "web-0")
    eventually(lambda: "web-0" not in exporter.pods(exporter.scrape()), "a pod less")
    assert exporter.get("/healthz") == "ok\n"
    assert exporter.program.stop() == 0


def test_a_port_in_use_is_told(created):
    exporter = Exporter(created)
    port = exporter.url.rpartition(":")[2]
    second = created.start("expose_metrics", f"--port={port}")
    eventually(lambda: second.process.poll() is not None, "the second exporter ends")
    assert second.process.returncode == 1
    assert f"cannot listen on 127.0.0.1:{port}: " in second.text()
    assert "choose another with --port" in second.text()
