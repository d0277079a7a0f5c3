"""All serfs of a lab as the manager sees them, and what is asked of them by name."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from serflab.errors import SerflabError
from serflab.lab.routes import Route, route

if TYPE_CHECKING:
    from pathlib import Path

    from serflab.kube.client import ApiClient
    from serflab.kube.watch import Key
    from serflab.lab.topology import Topology
    from serflab.offload.cluster import Cluster
    from serflab.offload.ids import Ids
    from serflab.offload.records import PodRecord, ShadowRecord


@dataclass(slots=True)
class Fleet:
    """The clusters by name, the topology that links them (None while its file cannot be used) and the checkout.

    `shadows_of` tells for each pod of a consumer, `(consumer, namespace, name)`, which ShadowPods there are of it, as
    `(provider, (namespace, name))`: one, but for moments. `leaving` are pods just being sent on their way, `last_made`
    tells when the last remote pod was made in a cluster (epoch seconds); both are hints of this process only.
    """

    checkout: Path
    ids: Ids
    clusters: dict[str, Cluster] = field(default_factory=dict)
    topology: Topology | None = None
    leaving: set[tuple[str, str, str]] = field(default_factory=set)
    last_made: dict[str, float] = field(default_factory=dict)
    shadows_of: dict[tuple[str, str, str], set[tuple[str, Key]]] = field(default_factory=dict)

    def cluster(self, name: str) -> Cluster:
        """Return the cluster of that name; `SerflabError` when the lab has none."""
        found = self.clusters.get(name)
        if found is None:
            raise SerflabError(f"there is no serf {name!r} in this lab", hint=f"there are: {', '.join(self.clusters)}")
        return found

    def client(self, name: str) -> ApiClient:
        """Return the client of that cluster; `SerflabError` while it cannot be reached."""
        return self.cluster(name).connected()

    @property
    def unread(self) -> list[str]:
        """Return the clusters of which it is not known yet what they hold of peerings and virtual pods."""
        return [name for name, cluster in self.clusters.items() if not cluster.known]

    def reachable(self, name: str) -> bool:
        """Whether there is such a cluster and it answers."""
        found = self.clusters.get(name)
        return found is not None and found.reachable

    def current(self, name: str) -> bool:
        """Whether there is such a cluster and what is known of it can be acted upon."""
        found = self.clusters.get(name)
        return found is not None and found.current

    def pod(self, cluster: str, namespace: str, name: str) -> PodRecord | None:
        """Return a pod that has to do with offloading."""
        found = self.clusters.get(cluster)
        return found.pods.objects.get((namespace, name)) if found and found.pods else None

    def shadow(self, cluster: str, key: Key) -> ShadowRecord | None:
        """Return a ShadowPod of a cluster."""
        found = self.clusters.get(cluster)
        return found.shadows.objects.get(key) if found and found.shadows else None

    def route(self, source: str, target: str) -> Route | None:
        """Return the way between two serfs over the links of the topology, None when there is none."""
        return route(self.topology, source, target) if self.topology else None
