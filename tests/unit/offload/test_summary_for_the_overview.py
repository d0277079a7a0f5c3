"""The summary that the viewer asks for every second: made anew after a change, and while a transfer lasts."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest

from serflab.offload import summary as module
from serflab.offload.fleet import Fleet
from serflab.offload.ids import Ids
from serflab.offload.records import ShadowRecord
from serflab.offload.summary import Summaries
from serflab.offload.transfer import OUT, Transfer
from serflab.offload.virtual_pods import VirtualPod


def shadow(transfer):
    return ShadowRecord(
        namespace="default-serf1",
        name="job",
        uid="uid",
        id="vp-001",
        consumer="serf1",
        provider="serf2",
        source_namespace="default",
        source_pod="job",
        source_uid="source",
        origin_kind="created",
        template="",
        created=0.0,
        deleting=False,
        handover="",
        transfer=transfer,
        restarts=0,
        phase="Unknown",
        cpu=0.0,
        memory=0.0,
        pod=b"{}",
        series="",
        clock="",
        home="",
        labels={},
        version="1",
    )


@pytest.fixture
def manager(tmp_path):
    return SimpleNamespace(fleet=Fleet(tmp_path, Ids()), started="a", changes=1)


@pytest.fixture
def pods(monkeypatch):
    """What the manager knows of virtual pods; each look at them is counted in `looks`."""
    known = SimpleNamespace(pods=[], looks=0)

    def look(_):
        known.looks += 1
        return known.pods

    monkeypatch.setattr(module, "virtual_pods", look)
    return known


def test_nothing_is_looked_at_again_before_something_has_changed(manager, pods):
    summaries = Summaries(manager)
    told, tag = summaries.now()
    assert summaries.now() == (told, tag)
    assert pods.looks == 1
    manager.changes += 1
    assert summaries.now()[1] not in {"", tag}
    assert pods.looks == 2


def test_while_a_transfer_lasts_each_summary_is_a_new_one_without_a_tag(manager, pods):
    started = time.time()
    transfer = Transfer(OUT, size=1000, seconds=60.0, started=started, path=("serf1", "serf2"))
    pods.pods = [VirtualPod("vp-001", "serf1", "serf2", None, shadow(transfer), None)]
    summaries = Summaries(manager)
    told, tag = summaries.now()
    assert [entry["id"] for entry in told["transfers"]] == ["vp-001"]
    assert tag == ""
    pods.pods = []
    told, tag = summaries.now()
    assert told["transfers"] == []
    assert tag == f'"{told["version"]}"'
