"""What the source's pod shows of the remote one."""

from __future__ import annotations

from serflab.offload.pod_status import reflected, succeeded
from serflab.offload.records import PodRecord

RUNNING = {
    "phase": "Running",
    "podIP": "10.129.0.7",
    "hostIP": "127.0.0.1",
    "conditions": [
        {"type": "Ready", "status": "True"},
        {"type": "PodScheduled", "status": "True", "message": "remote"},
    ],
    "containerStatuses": [{"name": "app", "restartCount": 1, "ready": True}],
}


def record(status):
    return PodRecord(
        "ns1",
        "web-0",
        "uid",
        "vp-001",
        "source",
        virtual=True,
        node="serf2",
        created=0.0,
        deleting=False,
        status=status,
    )


def test_phase_address_and_restarts_are_taken_over_and_scheduling_is_not():
    source = record(
        {"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "True", "message": "local"}]}
    )
    status = reflected(record(RUNNING), source, restarts=2)
    assert (status["phase"], status["podIP"]) == ("Running", "10.129.0.7")
    assert [item for item in status["conditions"] if item["type"] == "PodScheduled"] == source.status["conditions"]
    assert status["containerStatuses"][0]["restartCount"] == 3


def test_what_is_shown_already_is_not_written_again():
    source = record({"phase": "Pending"})
    status = reflected(record(RUNNING), source, restarts=0)
    assert reflected(record(RUNNING), record(status), restarts=0) is None
    assert reflected(record(RUNNING), record(status), restarts=1) is not None


def test_a_reason_of_before_is_taken_back():
    source = record({"phase": "Pending", "reason": "OffloadingBackOff", "message": "no room"})
    status = reflected(record(RUNNING), source, restarts=0)
    assert status["reason"] is None
    assert status["message"] is None


def test_a_series_that_is_over_ends_its_pod_as_a_job():
    status = succeeded(record(RUNNING), 100.0)
    assert status["phase"] == "Succeeded"
    assert status["containerStatuses"][0]["state"]["terminated"]["exitCode"] == 0
    assert {item["type"]: item["status"] for item in status["conditions"]}["Ready"] == "False"
