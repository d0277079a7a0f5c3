"""A planned serf, a listener to progress, and an environment without settings of whoever runs the tests."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from serflab.lab.ports import SerfPorts
from serflab.lab.serf_plan import SerfPlan

CHECKOUT = Path(__file__).resolve().parents[3]


@pytest.fixture(autouse=True)
def no_settings(monkeypatch):
    """Take away what the user's environment says about serflab, and proxies, which loopback does not need."""
    for name in [name for name in os.environ if name.startswith("SERFLAB_") or name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)


@pytest.fixture
def checkout():
    return CHECKOUT


@pytest.fixture
def serf_plan(tmp_path):
    """The third serf of a topology, whose directory has a space in its name."""
    names = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok")
    return SerfPlan(
        name="serf3",
        index=2,
        directory=tmp_path / "a lab" / "serf3",
        ports=SerfPorts.of(2, 21000),
        programs={name: Path("/programs") / name for name in names},
        python=Path(sys.executable),
        annotations=CHECKOUT / "annotations",
        config=CHECKOUT / "annotations" / "emulation_config.json",
        phase=96,
    )


class Heard:
    """A listener that keeps what it was told."""

    def __init__(self) -> None:
        self.said = []
        self.tasks = []
        self.finished = []
        self.steps = []

    def say(self, text):
        self.said.append(text)

    def start(self, task):
        self.tasks.append(task)

    def advance(self, task, done, total, unit):
        self.steps.append((task, done, total, unit))

    def finish(self, task):
        self.finished.append(task)


@pytest.fixture
def heard():
    return Heard()
