"""What a VM controller is told: limits, speed and strategy of migrations. Defaults are KubeVirt's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from serflab.rebalance import eviction
from serflab.rebalance.bodies import DEFAULT_CAPACITY, Capacity

if TYPE_CHECKING:
    from serflab.rebalance.pods import Strategy

_GIB: Final = 2**30
DEFAULT_BANDWIDTH: Final = 64 * 2**20
"""Bytes a second; KubeVirt's bandwidthPerMigration in its documentation."""


@dataclass(frozen=True, slots=True)
class ControllerSettings:
    """How VMs are run and moved; `namespace` empty: those of all namespaces.

    At most `max_migrations` migrations are under way at once, `max_outbound` of them out of one node. One takes as long
    as the VM's memory needs over `bandwidth` (bytes a second). Times in seconds are those of the simulation: the real
    ones are `time_scale` times shorter. An evacuation is tried `max_attempts` times.
    """

    namespace: str = ""
    max_migrations: int = 5
    max_outbound: int = 2
    bandwidth: float = DEFAULT_BANDWIDTH
    time_scale: float = 1.0
    strategy: Strategy = "create-first"
    exclude_source: bool = True
    default_strategy: eviction.Strategy = eviction.DEFAULT_STRATEGY
    """What an eviction does with VMs without `spec.evictionStrategy`: what the webhook was told, too."""
    max_attempts: int = 3
    capacity: Capacity = DEFAULT_CAPACITY
    pending_timeout: float = 300.0
    """How long the target of a migration may have no node, or not run."""
    backoff: tuple[float, float] = (20.0, 300.0)
    """The first and the longest wait after a failed migration."""
    restart_backoff: tuple[float, float] = (10.0, 300.0)
    """The same after a failed pod."""

    def migration_seconds(self, memory_ratio: float) -> float:
        """Return how long, in real seconds, a VM that uses this ratio of a node's memory migrates.

        >>> ControllerSettings().migration_seconds(0.05)
        102.4
        """
        return memory_ratio * self.capacity.memory_gib * _GIB / self.bandwidth / self.time_scale

    def wait_after(self, failures: int, backoff: tuple[float, float]) -> float:
        """Return the real seconds to wait after so many failures in a row.

        >>> settings = ControllerSettings()
        >>> [settings.wait_after(failures, settings.backoff) for failures in (1, 2, 9)]
        [20.0, 40.0, 300.0]
        """
        first, longest = backoff
        return min(longest, first * 2.0 ** (failures - 1)) / self.time_scale
