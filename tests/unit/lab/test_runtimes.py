"""Which runtime is taken: what was asked for, what is up, what the machine allows."""

from __future__ import annotations

from pathlib import Path

import pytest

from serflab.errors import SerflabError
from serflab.lab import runtimes
from serflab.lab.containerlab import Containerlab, UnusableError
from serflab.lab.engine import NoEngineError
from serflab.lab.inventory import Inventory
from serflab.lab.runtimes import ContainerTools, Runtime, choose_runtime

TOOLS = ContainerTools(Containerlab(Path("/usr/bin/containerlab"), "0.79.0"), engine=None)


@pytest.fixture
def there(monkeypatch):
    monkeypatch.setattr(runtimes, "container_tools", lambda: TOOLS)


@pytest.fixture(
    params=[UnusableError("containerlab is not installed"), NoEngineError("no Docker engine answers: gone")]
)
def missing(request, monkeypatch):
    def fail():
        raise request.param

    monkeypatch.setattr(runtimes, "container_tools", fail)
    return request.param.message


@pytest.fixture
def up(tmp_path):
    """Note a lab as being up with a runtime."""
    return lambda runtime: Inventory("lab", runtime, Path("t.yaml"), (), "http://p", "http://v").save(tmp_path)


@pytest.mark.usefixtures("there")
def test_containers_are_taken_where_they_can_be_had(tmp_path):
    choice = choose_runtime(Runtime.AUTO, tmp_path)
    assert (choice.runtime, choice.tools) == (Runtime.CONTAINERLAB, TOOLS)
    assert choice.reason == "containerlab 0.79.0 and a Docker engine are there"


def test_processes_are_taken_elsewhere_and_the_reason_is_told(tmp_path, missing):
    choice = choose_runtime(Runtime.AUTO, tmp_path)
    assert (choice.runtime, choice.reason, choice.tools) == (Runtime.LOCAL, missing, None)


def test_containers_that_were_asked_for_and_cannot_be_had_are_an_error(tmp_path, missing):
    with pytest.raises(SerflabError, match=missing):
        choose_runtime(Runtime.CONTAINERLAB, tmp_path)


@pytest.mark.usefixtures("there")
def test_processes_can_be_asked_for(tmp_path):
    assert choose_runtime(Runtime.LOCAL, tmp_path).tools is None


@pytest.mark.usefixtures("there")
@pytest.mark.parametrize("runtime", [Runtime.LOCAL, Runtime.CONTAINERLAB])
def test_a_lab_that_is_up_keeps_its_runtime(tmp_path, up, runtime):
    up(runtime)
    assert choose_runtime(Runtime.AUTO, tmp_path).runtime is runtime
    assert choose_runtime(runtime, tmp_path).runtime is runtime
    other = Runtime.CONTAINERLAB if runtime is Runtime.LOCAL else Runtime.LOCAL
    with pytest.raises(SerflabError, match=f"this lab is up with the {runtime} runtime") as caught:
        choose_runtime(other, tmp_path)
    assert caught.value.hint == f"`serflab down` first, to have {other}"


@pytest.mark.usefixtures("missing")
def test_a_lab_of_containers_does_not_become_one_of_processes_when_the_engine_is_gone(tmp_path, up):
    up(Runtime.CONTAINERLAB)
    with pytest.raises(SerflabError):
        choose_runtime(Runtime.AUTO, tmp_path)
