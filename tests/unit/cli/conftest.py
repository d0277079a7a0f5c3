"""The `serflab` command, run in this process in a checkout, an environment and a state of the test's own."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from pathlib import Path

import pytest

from serflab.cli.main import main

CHECKOUT = Path(__file__).resolve().parents[3]


@dataclass
class Outcome:
    """What a command printed and its exit status."""

    status: int
    out: str
    err: str


@pytest.fixture
def state_dir(tmp_path):
    return tmp_path / "state"


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


@pytest.fixture
def serflab(monkeypatch, capfd, state_dir, cache):
    """Run `serflab` on the checkout, with no tools, no downloads and no lab."""
    for name in [name for name in os.environ if name.startswith("SERFLAB_")]:
        monkeypatch.delenv(name)
    empty = cache.parent / "bin"
    empty.mkdir()
    monkeypatch.setenv("PATH", f"{empty}:/usr/bin:/bin")
    monkeypatch.setenv("SERFLAB_CHECKOUT", str(CHECKOUT))
    monkeypatch.setenv("SERFLAB_STATE", str(state_dir))
    monkeypatch.setenv("SERFLAB_CACHE", str(cache))
    monkeypatch.setenv("SERFLAB_KUBERNETES_RELEASES", "off")
    monkeypatch.setenv("SERFLAB_GITHUB_API", "off")
    handler = signal.getsignal(signal.SIGTERM)

    def run(*arguments):
        monkeypatch.setattr("sys.argv", ["serflab", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capfd.readouterr()
        return Outcome(ended.value.code or 0, printed.out, printed.err)

    yield run
    signal.signal(signal.SIGTERM, handler)
