"""Making bare serfs ready for a test of peerings: a node that KWOK plays, and nothing left by the test before."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from typing import TYPE_CHECKING

from serflab.emulation.names import LEASE_PATH, NAMESPACES_PATH, NODES_PATH, PODS_PATH, pod_path
from serflab.emulation.objects import node_body
from serflab.errors import SerflabError
from serflab.kube.client import ApiClient, ApiError
from serflab.kube.credentials import load_credentials
from serflab.offload.crds import custom_resources
from serflab.offload.names import SCHEDULING, STRATEGY
from serflab.traces.model import NodeSpec

if TYPE_CHECKING:
    from bare_serfs import BareSerf, BareSerfs

NODE = "emulation-node-1"
_SYSTEM = frozenset({"default", "kube-system", "kube-public", "kube-node-lease"})
_POLICIES = ("mutatingadmissionpolicies", "mutatingadmissionpolicybindings")
# What Kubernetes keeps for itself, or changes all the time.
_LEFT_OUT = frozenset({"events", "leases", "componentstatuses", "endpoints", "endpointslices", "bindings"})


def ask(serf: BareSerf, question):
    """Return what `question`, a coroutine function of an API client, returns; far quicker than kubectl."""

    async def asked():
        async with ApiClient(load_credentials(serf.kubeconfig)) as client:
            return await question(client)

    answer = []
    thread = threading.Thread(target=lambda: answer.append(asyncio.run(asked())))
    thread.start()
    thread.join()
    return answer[0]


def add_node(serf: BareSerf) -> None:
    """Give a serf a node that KWOK plays."""
    serf.kubectl("apply", "-f", "-", stdin=json.dumps(node_body(NodeSpec(NODE, 16_000, 60 * 1024), 0, "fleet")))
    serf.kubectl("wait", "--for=condition=Ready", f"node/{NODE}", "--timeout=60s")


def sweep(serfs: BareSerfs) -> None:
    """Bring the serfs back to how `add_node` left them; custom resources stay defined, but empty."""
    for serf in serfs:
        for component in ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok"):
            serf.start(component)
        while not serf.api_is_ready():
            time.sleep(0.2)
    for serf in serfs:
        ask(serf, _sweep)


async def _sweep(client: ApiClient) -> None:
    for body in custom_resources():
        spec = body["spec"]
        await _remove_all(client, f"/apis/{spec['group']}/v1beta1", spec["names"]["plural"])
    for plural in _POLICIES:
        await _remove_all(client, "/apis/admissionregistration.k8s.io/v1", plural)
    for pod in (await client.list(PODS_PATH))["items"]:
        await _ignoring(client.delete(pod_path(pod["metadata"]["namespace"], pod["metadata"]["name"]), grace=0))
    for node in (await client.list(NODES_PATH))["items"]:
        if node["metadata"]["name"] != NODE:
            await _ignoring(client.delete(f"{NODES_PATH}/{node['metadata']['name']}"))
    await client.patch(f"{NODES_PATH}/{NODE}", {"spec": {"unschedulable": None}})
    await _ignoring(client.delete(LEASE_PATH))
    for name in await _namespaces(client):
        await end_namespace(client, name)
    await client.patch(f"{NAMESPACES_PATH}/default", {"metadata": {"labels": dict.fromkeys((SCHEDULING, STRATEGY))}})


async def _remove_all(client: ApiClient, api: str, plural: str) -> None:
    try:
        items = (await client.list(f"{api}/{plural}"))["items"]
    except ApiError as error:
        if error.status != 404:
            raise
        return
    for item in items:
        metadata = item["metadata"]
        place = f"/namespaces/{metadata['namespace']}" if metadata.get("namespace") else ""
        path = f"{api}{place}/{plural}/{metadata['name']}"
        await _ignoring(client.patch(path, {"metadata": {"finalizers": None}}))
        await _ignoring(client.delete(path))


async def _namespaces(client: ApiClient) -> list[str]:
    """Return the namespaces that are not Kubernetes' own."""
    names = [item["metadata"]["name"] for item in (await client.list(NAMESPACES_PATH))["items"]]
    return [name for name in names if name not in _SYSTEM]


async def end_namespace(client: ApiClient, name: str) -> None:
    """End a namespace as Kubernetes does, which would only begin with it after five seconds."""
    path = f"{NAMESPACES_PATH}/{name}"
    await _ignoring(client.delete(path))
    for plural in ("serviceaccounts", "configmaps", "events"):
        await _ignoring(client.delete(f"{path}/{plural}"))
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}, "spec": {"finalizers": []}}
    await _ignoring(client.replace(f"{path}/finalize", body))


async def _ignoring(request) -> None:
    try:
        await request
    except ApiError as error:
        if error.status not in {404, 409}:
            raise


def objects_of(serf: BareSerf) -> set[str]:
    """Return every object of a serf, as `plural/namespace/name`, but for what Kubernetes keeps for itself."""
    return ask(serf, _objects)


async def _objects(client: ApiClient) -> set[str]:
    versions = [("/api/v1", await client.get("/api/v1"))]
    for group in (await client.get("/apis"))["groups"]:
        path = f"/apis/{group['preferredVersion']['groupVersion']}"
        versions.append((path, await client.get(path)))
    found = set()
    for path, version in versions:
        for resource in version["resources"]:
            name = resource["name"]
            if "list" in resource["verbs"] and name not in _LEFT_OUT:
                try:
                    items = (await client.list(f"{path}/{name}"))["items"]
                except SerflabError:  # a custom resource that is just being defined
                    continue
                found |= {
                    f"{name}/{item['metadata'].get('namespace', '')}/{item['metadata']['name']}" for item in items
                }
    return found
