"""What the exported containers request: straight lines through what `python -m benchmarks footprint` measured.

The figures are in docs/scale-out.md. A request is what a container uses when it plays, with some room; a limit of
memory is twice that, for the moments of starting and compacting. There are no limits of CPU: a serf that is held back
would play its ticks late.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

# One serf: control plane, KWOK, exporter and replay; a patch is one pod's annotations at one tick.
SERF_MI, SERF_MI_A_POD = 440.0, 1.2
SERF_MILLICORES, MILLICORES_A_PATCH_A_SECOND = 40.0, 7.0
SERF_DISK_MI, SERF_DISK_MI_A_POD = 300.0, 0.3
SERIES_A_SERF, SERIES_A_POD = 26, 6

PROMETHEUS_MI, PROMETHEUS_MI_A_1000_SERIES = 100.0, 6.0
PROMETHEUS_MILLICORES, PROMETHEUS_MILLICORES_A_1000_SERIES = 50.0, 1.5
# Its retention by size, and the log of up to three hours that are not in blocks yet.
PROMETHEUS_DISK_MI, PROMETHEUS_DISK_MI_A_1000_SERIES = 2000.0, 12.0
_VIEWER_MI, _VIEWER_MI_A_POD = 100.0, 0.01
_MANAGER_MI, _MANAGER_MI_A_SERF = 100.0, 1.0
_DISCOVERY_MI, _DISCOVERY_MI_A_SERF = 60.0, 0.1


@dataclass(frozen=True, slots=True)
class Needs:
    """What a container uses: Mi of memory, millicores, Mi of disk."""

    memory: float
    cpu: float
    disk: float = 50.0

    def resources(self) -> dict[str, dict[str, str]]:
        """Return the `resources` of the container, rounded up to figures that read well."""
        memory = _rounded(self.memory, 16)
        requests = {
            "cpu": f"{_rounded(self.cpu, 10)}m",
            "memory": f"{memory}Mi",
            "ephemeral-storage": f"{_rounded(self.disk, 50)}Mi",
        }
        return {"requests": requests, "limits": {"memory": f"{2 * memory}Mi"}}


def serf_needs(pods: int, interval: float) -> Needs:
    """Return what a serf needs that plays a point of `pods` pods every `interval` seconds."""
    return Needs(
        SERF_MI + SERF_MI_A_POD * pods,
        SERF_MILLICORES + MILLICORES_A_PATCH_A_SECOND * pods / interval,
        SERF_DISK_MI + SERF_DISK_MI_A_POD * pods,
    )


def series(serfs: int, pods: int) -> int:
    """Return how many series that many serfs with `pods` pods in all show to Prometheus."""
    return SERIES_A_SERF * serfs + SERIES_A_POD * pods


def prometheus_needs(serfs: int, pods: int) -> Needs:
    """Return what the Prometheus needs that scrapes them."""
    thousands = series(serfs, pods) / 1000
    return Needs(
        PROMETHEUS_MI + PROMETHEUS_MI_A_1000_SERIES * thousands,
        PROMETHEUS_MILLICORES + PROMETHEUS_MILLICORES_A_1000_SERIES * thousands,
        PROMETHEUS_DISK_MI + PROMETHEUS_DISK_MI_A_1000_SERIES * thousands,
    )


def viewer_needs(serfs: int, pods: int) -> dict[str, Needs]:
    """Return what the programs of the viewer's pod need, by name."""
    return {
        "viewer": Needs(_VIEWER_MI + _VIEWER_MI_A_POD * pods, 50 + pods / 40),
        "offload": Needs(_MANAGER_MI + _MANAGER_MI_A_SERF * serfs, 20 + serfs / 2),
        "discovery": Needs(_DISCOVERY_MI + _DISCOVERY_MI_A_SERF * serfs, 10),
    }


def _rounded(value: float, step: int) -> int:
    return step * math.ceil(value / step)
