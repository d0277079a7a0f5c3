"""An emulation of a test's own on the shared serf: its names are its own, and it leaves nothing behind."""

from __future__ import annotations

import json
from itertools import count

import pytest
from programs import Emulation, small_config

_numbers = count()


@pytest.fixture
def make_emulation(serf, tmp_path):
    """Return a function that makes an emulation from what makes a config for a name."""
    made = []

    def make(config=small_config):
        name = f"t{next(_numbers)}"
        file = tmp_path / f"{name}.json"
        file.write_text(json.dumps(config(name)))
        made.append(Emulation(serf, file))
        return made[-1]

    serf.kubectl("-n", "kube-system", "delete", "lease", "serflab-replay", "--ignore-not-found")
    yield make
    for emulation in made:
        emulation.end()
        emulation.create("--delete", "--no-wait")


@pytest.fixture
def emulation(make_emulation):
    return make_emulation()


@pytest.fixture
def created(emulation):
    """Return an emulation whose pods run."""
    status, log = emulation.create()
    assert status == 0, log
    return emulation
