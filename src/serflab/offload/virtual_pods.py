"""A virtual pod, put together from what the clusters hold of it: pod in the source, ShadowPod, remote pod."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from serflab.emulation.names import REMOTE_ROLE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from serflab.offload.fleet import Fleet
    from serflab.offload.records import PodRecord, ShadowRecord


@dataclass(frozen=True, slots=True)
class VirtualPod:
    """A virtual pod by its id; each of its three parts may be missing, or not be known while its cluster is away.

    While a pod is offloaded and its transfer lasts, `source` is None: the local pod is not virtual yet.
    """

    id: str
    consumer: str
    provider: str
    source: PodRecord | None
    shadow: ShadowRecord | None
    remote: PodRecord | None

    @property
    def origin_kind(self) -> str:
        """Return `created`, `offloaded` or `adopted`."""
        part = self.shadow or self.source
        return part.origin_kind if part and part.origin_kind else "created"

    @property
    def source_key(self) -> tuple[str, str]:
        """Return namespace and name in the source."""
        if self.source:
            return self.source.namespace, self.source.name
        return (self.shadow.source_namespace, self.shadow.source_pod) if self.shadow else ("", "")


def virtual_pods(fleet: Fleet) -> list[VirtualPod]:
    """Return all virtual pods of the lab, by id."""
    found: dict[str, VirtualPod] = {}
    for consumer, source in _sources(fleet):
        found[source.id] = VirtualPod(source.id, consumer, source.provider, source, None, None)
    for provider, shadow in _shadows(fleet):
        before = found.get(shadow.id)
        remote = fleet.pod(provider, shadow.namespace, shadow.name)
        found[shadow.id] = VirtualPod(
            shadow.id, shadow.consumer, provider, before.source if before else None, shadow, remote
        )
    return sorted(found.values(), key=lambda pod: (len(pod.id), pod.id))


def virtual_pods_between(fleet: Fleet, consumer: str, provider: str) -> list[VirtualPod]:
    """Return the virtual pods of one peering, by id."""
    return [pod for pod in virtual_pods(fleet) if (pod.consumer, pod.provider) == (consumer, provider)]


def _sources(fleet: Fleet) -> Iterator[tuple[str, PodRecord]]:
    for name, cluster in fleet.clusters.items():
        for pod in list(cluster.pods.objects.values()) if cluster.pods else ():
            if pod.id and pod.virtual and pod.role != REMOTE_ROLE:
                yield name, pod


def _shadows(fleet: Fleet) -> Iterator[tuple[str, ShadowRecord]]:
    for name, cluster in fleet.clusters.items():
        for shadow in list(cluster.shadows.objects.values()) if cluster.shadows else ():
            if shadow.id:
                yield name, shadow
