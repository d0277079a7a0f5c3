"""A viewer of a test's own, beside that of the shared lab."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import requests
from running_lab import until

from serflab.lab.inventory import FILE_NAME

APP = Path(__file__).parents[2] / "flask-app" / "app.py"


class Viewer:
    """A viewer process of the test's own on the state of the shared lab; it can be ended and started again."""

    def __init__(self, port: int, directory: Path, host: str = "127.0.0.1") -> None:
        self.url = f"http://{host}:{port}"
        self.state_dir = directory / "state"
        self.state_dir.mkdir()
        self.log = directory / "viewer.log"
        self._command = [sys.executable, str(APP), f"--host={host}", f"--port={port}"]
        self._environment = {
            **os.environ,
            "SERFLAB_STATE": str(self.state_dir),
            "SERFLAB_POSITIONS": str(directory / "positions"),
        }
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it answers."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(self._command, env=self._environment, stdout=log, stderr=log)
        until(self._answers)

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log.read_text()
        try:
            return requests.get(f"{self.url}/api/health", timeout=10).ok
        except requests.ConnectionError:
            return False

    def stop(self) -> int:
        """End it as a supervisor does, and return its exit status."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(timeout=60)

    def clear(self) -> None:
        """End it, whatever state it is in."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def lab_comes(self, lab: Any) -> None:
        """Let it see the lab, as if `serflab up` had just made it."""
        shutil.copy(lab.state_dir / FILE_NAME, self.state_dir / FILE_NAME)

    def lab_goes(self) -> None:
        """Let it see no lab any more."""
        (self.state_dir / FILE_NAME).unlink()

    def topology(self) -> dict[str, Any]:
        """Return what a poll gets."""
        document: dict[str, Any] = requests.get(f"{self.url}/api/topology", timeout=20).json()
        return document
