"""`flask-app/app.py` as a program: it works without a lab, stops cleanly, and fails in words."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests

APP = Path(__file__).parents[3] / "flask-app" / "app.py"


def start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(APP), *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def answers(port: int) -> bool:
    try:
        return requests.get(f"http://127.0.0.1:{port}/api/health", timeout=5).status_code == 200
    except requests.ConnectionError:
        return False


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("debug", [False, True])
def test_it_serves_without_a_lab_and_stops_cleanly(
    tmp_path: Path, closed_port: int, debug: bool, stop: signal.Signals
) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(f"server: {{debug: {str(debug).lower()}}}")
    viewer = start(f"--config={config}", f"--port={closed_port}")
    try:
        while not answers(closed_port):
            assert viewer.poll() is None, viewer.stderr.read() if viewer.stderr else ""
            time.sleep(0.1)
        viewer.send_signal(stop)
        _, log = viewer.communicate(timeout=60)
    finally:
        viewer.kill()
    assert viewer.returncode == 0, log
    assert "Traceback" not in log


def test_a_port_in_use_names_its_holder() -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        _, log = (viewer := start(f"--port={port}")).communicate(timeout=60)
    assert viewer.returncode == 1
    assert f"port {port} (the viewer) is in use by" in log
    assert "(pid " in log
    assert "--port" in log


@pytest.mark.parametrize(
    ("arguments", "text"),
    [(["--config=/nowhere/config.yaml"], "cannot be read"), (["--prot=1"], "--port"), (["--port=0"], "--port")],
)
def test_bad_usage_ends_with_status_2(arguments: list[str], text: str) -> None:
    _, log = (viewer := start(*arguments)).communicate(timeout=60)
    assert viewer.returncode == 2
    assert text in log
    assert "Traceback" not in log


def test_help_names_every_option() -> None:
    shown, _ = (viewer := start("--help")).communicate(timeout=60)
    assert viewer.returncode == 0
    assert all(option in shown for option in ("--config", "--host", "--port", "--log-level"))
