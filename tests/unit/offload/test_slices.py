"""The provider's answer to a ResourceSlice."""

from __future__ import annotations

import pytest

from serflab.offload.slices import asked, is_settled, judged, total

THERE = total([{"cpu": "16", "memory": "60Gi", "pods": "110"}])


def a_slice(status=None, **resources):
    return {"metadata": {"name": "serf2"}, "spec": {"resources": resources}, "status": status or {}}


def answer(item, there=THERE):
    status = judged(item, there)
    return {condition["type"]: condition for condition in status["conditions"]}, status.get("resources")


def test_a_slice_asks_for_the_defaults_where_it_says_nothing():
    assert asked(a_slice(cpu="2")) == {"cpu": "2", "memory": "8Gi", "pods": "110"}


def test_what_the_provider_has_is_accepted():
    conditions, resources = answer(a_slice(cpu="16", memory="60Gi", pods="110"))
    assert {name: item["status"] for name, item in conditions.items()} == {
        "Authentication": "Accepted",
        "Resources": "Accepted",
    }
    assert resources == {"cpu": "16", "memory": "60Gi", "pods": "110"}


@pytest.mark.parametrize(
    ("resources", "message"),
    [
        ({"cpu": "17"}, "asked for cpu 17; the provider's own nodes have 16"),
        ({"memory": "61Gi"}, "asked for memory 61Gi; the provider's own nodes have 60Gi"),
        ({"pods": "111"}, "asked for pods 111; the provider's own nodes have 110"),
        ({"nvidia.com/gpu": "1"}, "asked for nvidia.com/gpu 1; the provider's own nodes have 0"),
    ],
)
def test_more_than_the_provider_has_is_denied_in_words(resources, message):
    conditions, accepted = answer(a_slice(**resources))
    assert (conditions["Resources"]["status"], conditions["Resources"]["message"]) == ("Denied", message)
    assert accepted is None


def test_what_is_no_quantity_is_denied():
    conditions, _ = answer(a_slice(cpu="many"))
    assert conditions["Resources"]["status"] == "Denied"
    assert "cpu: expected a Kubernetes quantity" in conditions["Resources"]["message"]


def test_a_slice_that_grows_too_large_keeps_what_it_had():
    before = judged(a_slice(cpu="4"), THERE)
    conditions, resources = answer(a_slice(before, cpu="99"))
    assert conditions["Resources"]["status"] == "Denied"
    assert resources["cpu"] == "4"


def test_an_answer_stands_until_the_slice_changes():
    accepted = judged(a_slice(cpu="4"), THERE)
    assert is_settled(a_slice(accepted, cpu="4"))
    assert not is_settled(a_slice(accepted, cpu="5"))
    assert not is_settled(a_slice(judged(a_slice(cpu="99"), THERE), cpu="99"))


def test_a_condition_keeps_the_time_of_its_change(time_machine):
    time_machine.move_to("2026-01-01T00:00:00Z", tick=False)
    first = judged(a_slice(cpu="4"), THERE)
    time_machine.move_to("2026-01-01T01:00:00Z", tick=False)
    second = judged(a_slice(first, cpu="99"), THERE)
    assert [item["lastTransitionTime"] for item in second["conditions"]] == [
        "2026-01-01T00:00:00Z",
        "2026-01-01T01:00:00Z",
    ]
