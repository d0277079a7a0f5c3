"""A provider that holds its consumer to the slice: pods that may not come wait with a reason, and come when allowed."""

from __future__ import annotations

import json

from driver import QUOTAS, connected, managing, offloaded, told

from serflab.offload.names import BACK_OFF

WHY = "jsonpath={.status.reason}: {.status.message}"
LIMITS = {"cpu": "100m", "memory": "64Mi"}


def make_pod(serf, name, **resources):
    spec = {
        "containers": [{"name": "app", "image": "x", "resources": resources}],
        "nodeSelector": {"kubernetes.io/hostname": "serf2"},
    }
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}
    serf.kubectl("create", "-f", "-", stdin=json.dumps(pod))


async def test_a_hard_quota_wants_limits_and_a_cordoned_one_takes_nobody(fleet_serfs):
    one, two, _ = fleet_serfs
    quota = ("patch", QUOTAS, "serf2-serf1", "-n", "liqo-tenant-serf1", "--type=merge", "-p")
    phase = "jsonpath={.status.phase}"
    async with managing(fleet_serfs) as manager:
        await connected(manager.fleet, "serf1", "serf2", quota="Hard")
        await offloaded(one, "default")
        make_pod(one, "boundless", requests=LIMITS)
        reason = f"{BACK_OFF}: container 'app' states no limits.cpu; the quota is Hard"
        await told(one, "get", "pod", "boundless", "-o", WHY, wanted=reason)
        make_pod(one, "modest", requests=LIMITS, limits=LIMITS)
        await told(one, "get", "pod", "modest", "-o", phase, wanted="Running")

        two.kubectl(*quota, '{"spec":{"cordoned":true}}')
        make_pod(one, "late", requests=LIMITS, limits=LIMITS)
        await told(one, "get", "pod", "late", "-o", WHY, wanted="is cordoned: it takes no more pods")
        assert one.kubectl("get", "pod", "modest", "-o", phase) == "Running"
        two.kubectl(*quota, '{"spec":{"cordoned":false}}')
        await told(one, "get", "pod", "late", "-o", phase, wanted="Running")
        names = two.kubectl("get", "pods", "-n", "default-serf1", "-o", "name").split()
        assert sorted(names) == ["pod/late", "pod/modest"]
