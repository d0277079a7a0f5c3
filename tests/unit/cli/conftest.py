"""The `serflab` command, run in this process in a checkout, an environment and a state of the test's own."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from pathlib import Path

import pytest
from viewer_stand_in import Server

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


@pytest.fixture
def viewer():
    """A stand-in of the viewer, whose answers the test sets."""
    with Server() as stand_in:
        yield stand_in


@pytest.fixture
def offload(serflab, viewer):
    """Run `serflab offload` against the stand-in."""

    def run(*arguments):
        return serflab("offload", "--url", viewer.url, *arguments)

    return run


@pytest.fixture
def terminal(monkeypatch):
    """Let standard input be a terminal at which this is typed."""
    opened = []

    def type_in(text):
        primary, secondary = os.openpty()
        opened.append(primary)
        # At the beginning of a line Ctrl-D ends the input.
        os.write(primary, text.encode() or b"\x04")
        stdin = os.fdopen(secondary)
        opened.append(stdin)
        monkeypatch.setattr("sys.stdin", stdin)

    yield type_in
    for item in opened:
        item.close() if hasattr(item, "close") else os.close(item)
