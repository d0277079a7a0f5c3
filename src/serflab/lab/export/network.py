"""Who may speak to whom in the namespace of an exported lab, for network plugins that enforce NetworkPolicies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from serflab.lab.export.objects import (
    API_PORT,
    EXPORTER_PORT,
    PROMETHEUS,
    PROMETHEUS_PORT,
    SERF,
    VIEWER,
)

if TYPE_CHECKING:
    from serflab.lab.export.objects import Body, Names

_API = "networking.k8s.io/v1"


def network_policies(names: Names) -> list[Body]:
    """Return a policy that refuses everything that comes in, and one for each that may be reached.

    The viewer is reached by nobody: `kubectl port-forward` needs no permission, anything else needs a policy of the
    user's own.
    """
    nothing = {"podSelector": {"matchLabels": {"app.kubernetes.io/instance": names.lab}}, "policyTypes": ["Ingress"]}
    return [
        names.object(_API, "NetworkPolicy", "refuse-all", "network", spec=nothing),
        _allow(names, SERF, {VIEWER: [API_PORT, EXPORTER_PORT], PROMETHEUS: [EXPORTER_PORT]}),
        _allow(names, PROMETHEUS, {VIEWER: [PROMETHEUS_PORT]}),
    ]


def _allow(names: Names, to: str, callers: dict[str, list[int]]) -> Body:
    ingress = [
        {
            "from": [{"podSelector": {"matchLabels": names.selector(caller)}}],
            "ports": [{"port": port, "protocol": "TCP"} for port in ports],
        }
        for caller, ports in callers.items()
    ]
    spec = {"podSelector": {"matchLabels": names.selector(to)}, "policyTypes": ["Ingress"], "ingress": ingress}
    return names.object(_API, "NetworkPolicy", f"reach-{to}", "network", spec=spec)
