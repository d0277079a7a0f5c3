"""Whether a pod fits the Quota of its consumer, in each of Liqo's three modes."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from serflab.offload.quota import excess, refusal, unstated

ROOM = {"cpu": "1", "memory": "1Gi"}
POD = {"containers": [{"name": "app", "resources": {"requests": ROOM, "limits": ROOM}}]}
UNLIMITED = {"containers": [{"name": "app", "resources": {"requests": ROOM}}]}


class Provider:
    """A provider's caches, as the manager holds them."""

    def __init__(self, mode="Soft", cordoned=None, shadows=(), **resources):
        quota = {"spec": {"user": "u", "limitsEnforcement": mode, "cordoned": cordoned, "resources": resources}}
        self.quotas = SimpleNamespace(objects={("liqo-tenant-serf1", "serf2-serf1"): quota})
        self.shadows = SimpleNamespace(objects=dict(enumerate(shadows)))

    def judge(self, spec=POD, pod="ns1/new", consumer="serf1"):
        return refusal(SimpleNamespace(cluster=lambda _: self), consumer, "serf2", spec, pod)


def held(cpu=1000.0, memory=1024.0, *, consumer="serf1", phase="Running", pod="old"):
    return SimpleNamespace(
        consumer=consumer, phase=phase, cpu=cpu, memory=memory, source_namespace="ns1", source_pod=pod
    )


def test_without_enforcement_everything_fits():
    assert Provider("None", cpu="1m", memory="1Mi", pods="0").judge() == ""


def test_what_fits_exactly_fits():
    assert Provider(cpu="2", memory="2Gi", pods="2", shadows=[held()]).judge() == ""


@pytest.mark.parametrize(
    ("resources", "told"),
    [
        ({"cpu": "1900m", "memory": "2Gi", "pods": "2"}, "cpu used 1000m, asked 1000m, limit 1900m"),
        ({"cpu": "2", "memory": "2047Mi", "pods": "2"}, "memory used 1024Mi, asked 1024Mi, limit 2047Mi"),
        ({"cpu": "2", "memory": "2Gi", "pods": "1"}, "pods used 1, asked 1, limit 1"),
    ],
)
def test_a_refusal_tells_used_asked_and_limit(resources, told):
    assert told in Provider(shadows=[held()], **resources).judge()


def test_pods_of_others_and_those_that_are_over_take_no_room():
    shadows = [held(consumer="serf3"), held(phase="Succeeded"), held(phase="Failed")]
    assert Provider(cpu="1", memory="1Gi", pods="1", shadows=shadows).judge() == ""


def test_hard_asks_every_container_for_its_limits():
    provider = Provider("Hard", cpu="4", memory="8Gi", pods="10")
    assert provider.judge(POD) == ""
    assert "states no limits.cpu" in provider.judge(UNLIMITED)
    assert "states no requests.cpu" in unstated({"containers": [{"name": "app"}]})


def test_a_limit_alone_counts_as_the_request():
    assert unstated({"containers": [{"name": "a", "resources": {"limits": ROOM}}]}) == ""


@pytest.mark.parametrize("mode", ["None", "Soft", "Hard"])
def test_a_cordoned_quota_takes_no_more_pods(mode):
    assert "cordoned" in Provider(mode, cordoned=True, cpu="9", memory="9Gi", pods="9").judge()


def test_without_a_quota_nothing_may_come():
    assert "no Quota for serf3" in Provider().judge(consumer="serf3")


def test_room_that_was_given_a_moment_ago_is_not_given_twice():
    provider = Provider(cpu="1", memory="1Gi", pods="9")
    assert provider.judge(pod="ns1/one") == ""
    assert "exceeded" in provider.judge(pod="ns1/two")
    assert provider.judge(pod="ns1/one") == ""


def test_room_that_was_given_counts_once_when_its_shadow_pod_is_there():
    provider = Provider(cpu="2", memory="2Gi", pods="9")
    assert provider.judge(pod="ns1/one") == ""
    provider.shadows.objects["there"] = held(pod="one")
    assert provider.judge(pod="ns1/two") == ""
    assert "exceeded" in provider.judge(pod="ns1/three")


def test_what_a_quota_does_not_name_is_not_limited():
    assert excess({"pods": "9"}, {"cpu": 0, "memory": 0, "pods": 0}, {"cpu": 9e9, "memory": 9e9, "pods": 1}, "q") == ""
