from __future__ import annotations

import functools
import gc
import json
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from waitress import wasyncore

from serflab.lab.inventory import STATE_ENV
from serflab.lab.observer import LabObserver
from serflab.web.app import create_app
from serflab.web.server import make_server
from serflab.web.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from flask import Flask
    from flask.testing import FlaskClient

TOPOLOGY = """
name: small
topology:
  nodes:
    serf1: {kind: linux, env: {SERFLAB_CONFIG: config.json}}
    serf2: {kind: linux}
    edge: {kind: nokia_srlinux, labels: {serflab.role: router}}
    watcher: {kind: linux, labels: {serflab.role: prometheus}}
  links:
    - endpoints: [serf1:eth1, serf2:eth1]
    - endpoints: [serf1:eth2, edge:e1-1]
    - endpoints: [edge:e1-2, host:eth0]
"""
CONFIG = {
    "metadata": {"total_pods": 1},
    "node_config": {"mode": "single", "single_node": {"name": "n", "cpu": "1", "memory": "1Gi"}},
    "namespaces": ["ns1"],
    "pods": [{"namespace": "ns1", "pod_name": "web-0", "time_series": [{"cpu": 1.0}, {"cpu": 2.0}]}],
    "node_time_series": [{"node_cpu_load": 1.0}, {"node_cpu_load": 2.0}],
}


@pytest.fixture(autouse=True)
def _no_collection() -> Iterator[None]:
    """Keep the collector away from werkzeug as it compiles routes.

    CPython 3.11.7 cannot compile while another thread does (gh-106905), and Hypothesis lets other threads run in
    every collection.
    """
    gc.disable()
    yield
    gc.enable()


@pytest.fixture
def closed_port() -> int:
    """A port on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "topology.yaml").write_text(TOPOLOGY)
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    static = tmp_path / "flask-app" / "static" / "js"
    static.mkdir(parents=True)
    (static.parent / "index.html").write_text("<!doctype html><title>serflab</title>")
    (static / "main.js").write_text("// a comment that is long enough to be worth compressing\n" * 40)
    return tmp_path


@pytest.fixture
def settings(checkout: Path, closed_port: int) -> Settings:
    return Settings(
        home=checkout / "flask-app",
        topology_file=checkout / "topology.yaml",
        prometheus=f"http://127.0.0.1:{closed_port}",
    )


@pytest.fixture
def observer(settings: Settings, checkout: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LabObserver]:
    monkeypatch.delenv(STATE_ENV, raising=False)
    watcher = LabObserver(settings.topology_file, checkout / ".serflab", settings.prometheus)
    watcher.start()
    yield watcher
    watcher.stop()


@pytest.fixture
def client(settings: Settings, observer: LabObserver) -> FlaskClient:
    return create_app(settings, observer).test_client()


@pytest.fixture
def serve(observer: LabObserver) -> Iterator[Callable[[Flask], Any]]:
    """Serve an application by the viewer's own server on some port, until the test ends."""
    running = []

    def start(app: Flask) -> Any:
        server = make_server(app, socket.create_server(("127.0.0.1", 0)))
        thread = threading.Thread(target=server.run)
        thread.start()
        running.append((server, thread))
        return server

    yield start
    observer.feed.close()
    for server, thread in running:
        server.task_dispatcher.shutdown()
        server.trigger.pull_trigger(functools.partial(wasyncore.close_all, server._map))
        thread.join(timeout=30)
        assert not thread.is_alive()


@pytest.fixture
def settle() -> Callable[[Callable[[], bool]], None]:
    """Wait until something holds that the observer's thread brings about; fails when it never does."""

    def wait(holds: Callable[[], bool]) -> None:
        for _ in range(400):
            if holds():
                return
            time.sleep(0.05)
        pytest.fail("it never came to hold")

    return wait
