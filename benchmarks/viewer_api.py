"""(e) `GET /api/topology` for 50 serfs with 4,000 pods from 50 clients, against the same bytes from bare waitress."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from benchmarks.clusters import CHECKOUT
from benchmarks.comparison import Comparison

if TYPE_CHECKING:
    from collections.abc import Iterator

SERFS, PODS = 50, 80
CLIENTS, STREAMS = 50, 200
SECONDS = 10.0
STREAM_SECONDS = 30.0
PORT = 30000
AIM_MS = 50.0


def measure(runs: int = 3) -> Comparison:
    """Measure both in turn; the aim is a time and not a ratio."""
    with _viewer() as (process, url), _peer(f"{url}/api/topology") as peer_url:
        ours, peers = [], []
        for _ in range(runs):
            ours.append(_clients("load", f"{url}/api/topology", CLIENTS, SECONDS))
            peers.append(_clients("load", peer_url, CLIENTS, SECONDS))
            print(f"  viewer: {ours[-1]}, bare waitress: {peers[-1]}", flush=True)
        before = process.memory_info().rss
        holding = _start("streams", f"{url}/api/events", STREAMS, STREAM_SECONDS)
        time.sleep(STREAM_SECONDS - 3)
        held = process.memory_info().rss
        seen = _result(holding)
        print(f"  streams: {seen}, RSS {before / 2**20:.0f} MiB, then {held / 2**20:.0f} MiB", flush=True)
    ratios = [mine["p99"] / theirs["p99"] for mine, theirs in zip(ours, peers, strict=True)]
    p99, peer_p99 = (statistics.median(item["p99"] for item in items) for items in (ours, peers))
    rate, peer_rate = (statistics.median(item["rate"] for item in items) for items in (ours, peers))
    return Comparison(
        name=f"`GET /api/topology`, {SERFS} serfs, {CLIENTS} clients, p99",
        unit="ms",
        ours=p99,
        peer_name="the same bytes from two lines under bare waitress",
        peer=peer_p99,
        ratio=statistics.median(ratios),
        spread=f"{min(ratios):.2f}-{max(ratios):.2f}",
        aim=f"≤ {AIM_MS:g} ms",
        met=p99 <= AIM_MS,
        runs=runs,
        note=f"{rate:,.0f} requests/s against {peer_rate:,.0f}; {SERFS * PODS:,} pods, each patched every 5 s; the API "
        "servers and Prometheus are small servers that speak their list, watch and query protocols, and the clients "
        f"are another process on the same two cores. With {seen['open']} event streams the viewer grows from "
        f"{before / 2**20:.0f} to {held / 2**20:.0f} MiB, and a change reaches its reader after {seen['p50']:.0f} ms "
        f"(median; p99 {seen['p99']:.0f} ms)",
    )


@contextlib.contextmanager
def _viewer() -> Iterator[tuple[psutil.Process, str]]:
    """A viewer process that knows all serfs and pods."""
    directory = Path(tempfile.mkdtemp(prefix="serflab-bench-"))
    port = PORT + SERFS + 1
    url = f"http://127.0.0.1:{port}"
    arguments = ("benchmarks.surroundings", directory, f"--serfs={SERFS}", f"--pods={PODS}", f"--port={PORT}")
    with _program(sys.executable, "-m", *arguments) as surroundings:
        assert surroundings.stdout is not None
        surroundings.stdout.readline()
        app = CHECKOUT / "flask-app" / "app.py"
        with _program(sys.executable, app, f"--port={port}", "--log-level=error", SERFLAB_STATE=directory) as viewer:
            while not _complete(url):
                time.sleep(0.5)
            yield psutil.Process(viewer.pid), url
    shutil.rmtree(directory, ignore_errors=True)


def _complete(url: str) -> bool:
    with contextlib.suppress(OSError):
        summary = json.load(urllib.request.urlopen(f"{url}/api/topology", timeout=10))["summary"]
        return bool(summary["pods"]["running"] == SERFS * PODS and summary["targets"]["up"] == SERFS)
    return False


@contextlib.contextmanager
def _peer(url: str) -> Iterator[str]:
    port = PORT + SERFS + 2
    with _program(sys.executable, "-m", "benchmarks.bare_waitress", str(port), url):
        while True:
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10).read()
                break
            time.sleep(0.2)
        yield f"http://127.0.0.1:{port}/"


@contextlib.contextmanager
def _program(*command: str | Path, **variables: Path) -> Iterator[subprocess.Popen[str]]:
    environment = {**os.environ, **{name: str(value) for name, value in variables.items()}}
    process = subprocess.Popen(
        [str(part) for part in command], stdout=subprocess.PIPE, text=True, env=environment, cwd=CHECKOUT
    )
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


def _start(kind: str, url: str, clients: int, seconds: float) -> subprocess.Popen[str]:
    command = [
        sys.executable,
        "-m",
        "benchmarks.http_clients",
        kind,
        url,
        f"--clients={clients}",
        f"--seconds={seconds}",
    ]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=CHECKOUT)


def _result(process: subprocess.Popen[str]) -> dict[str, Any]:
    output, _ = process.communicate()
    if process.returncode != 0:
        raise RuntimeError("the clients failed")
    found: dict[str, Any] = json.loads(output)
    return found


def _clients(kind: str, url: str, clients: int, seconds: float) -> dict[str, Any]:
    return _result(_start(kind, url, clients, seconds))
