"""Twin namespaces: where in a provider the pods of an offloaded namespace run, and what their state is called."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from serflab.emulation.names import MANAGED_BY, MANAGER, NAMESPACES_PATH
from serflab.kube.client import METADATA, ApiError
from serflab.offload.conditions import Condition
from serflab.offload.faults import reached
from serflab.offload.names import DESTINATION, ORIGIN, ORIGINAL_NAME
from serflab.offload.writes import delete

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from serflab.offload.cluster import Cluster

CREATING, READY, FAILED, LEAVING = "Creating", "NamespaceCreated", "CreationLoopBackOff", "Terminating"


@dataclass(frozen=True, slots=True)
class Twin:
    """What became of a twin: one of the four states, which are Liqo's reasons, and why in words."""

    state: str
    message: str = ""

    @property
    def condition(self) -> Condition:
        """Return it as a condition of the remote namespace."""
        words = {
            CREATING: "the namespace is being made in the provider",
            READY: "the namespace is there in the provider",
            FAILED: "the namespace could not be made in the provider",
            LEAVING: "the namespace is on its way out in the provider",
        }
        status = "True" if self.state == READY else "False"
        return Condition("Ready", status, self.state, self.message or words[self.state])


def twin_name(offloading: Mapping[str, Any], consumer: str) -> str:
    """Return the name of a namespace's twins, by the mapping of its NamespaceOffloading."""
    namespace, spec = offloading["metadata"]["namespace"], offloading.get("spec") or {}
    strategy = spec.get("namespaceMappingStrategy")
    if strategy == "EnforceSameName":
        return str(namespace)
    if strategy == "SelectedName":
        return str(spec.get("remoteNamespaceName") or "")
    return f"{namespace}-{consumer}"


def is_twin(item: Mapping[str, Any], consumer: str, namespace: str) -> bool:
    """Whether a namespace of a provider is the twin of that one of a consumer."""
    metadata = item["metadata"]
    ours = (metadata.get("labels") or {}).get(ORIGIN) == consumer
    return ours and (metadata.get("annotations") or {}).get(ORIGINAL_NAME) == namespace


def twins_of(cluster: Cluster, consumer: str, namespace: str) -> list[str]:
    """Return the names of the twins that a provider holds of a namespace of a consumer."""
    found = cluster.namespaces.objects if cluster.namespaces else {}
    return [name for (_, name), item in list(found.items()) if is_twin(item, consumer, namespace)]


async def keep_twin(cluster: Cluster, consumer: str, namespace: str, name: str) -> Twin:
    """Make a twin in the provider `cluster`, and tell how far it is: ready once pods can be made in it."""
    client, path = cluster.connected(), f"{NAMESPACES_PATH}/{name}"
    item = cluster.namespaces.objects.get(("", name)) if cluster.namespaces else None
    if item is None:
        reached("namespace.twin")
        try:
            item = await client.create(NAMESPACES_PATH, _body(cluster.name, consumer, namespace, name))
        except ApiError as error:
            if error.status in {400, 403, 422}:
                return Twin(FAILED, error.text)
            if error.status != 409:
                raise
            item = await client.get(path)
    if not is_twin(item, consumer, namespace):
        return Twin(FAILED, f"{cluster.name} has a namespace {name} already that is not the twin of {namespace}")
    if "deletionTimestamp" in item["metadata"]:
        return Twin(LEAVING)
    try:
        # Without it pods are refused; the controller manager makes it a moment later.
        await client.get(f"{path}/serviceaccounts/default", accept=METADATA)
    except ApiError as error:
        if error.status != 404:
            raise
        return Twin(CREATING)
    return Twin(READY)


async def remove_twin(cluster: Cluster, name: str) -> None:
    """Remove a twin, if it is not on its way out already."""
    item = cluster.namespaces.objects.get(("", name)) if cluster.namespaces else None
    if item is not None and "deletionTimestamp" not in item["metadata"]:
        await delete(cluster.connected(), f"{NAMESPACES_PATH}/{name}")


def _body(provider: str, consumer: str, namespace: str, name: str) -> dict[str, Any]:
    labels = {MANAGED_BY: MANAGER, ORIGIN: consumer, DESTINATION: provider}
    metadata = {"name": name, "labels": labels, "annotations": {ORIGINAL_NAME: namespace}}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}


def phase(twins: Sequence[Twin], *, leaving: bool) -> str:
    """Return the phase of a NamespaceOffloading with these twins, by Liqo's rules."""
    if leaving:
        return "Terminating"
    if not twins:
        return "NoClusterSelected"
    states = [twin.state for twin in twins]
    if all(state == READY for state in states):
        return "Ready"
    if all(state == FAILED for state in states):
        return "AllFailed"
    return "SomeFailed" if FAILED in states else "InProgress"
