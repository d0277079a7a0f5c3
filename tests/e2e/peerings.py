"""The peerings of a running lab, asked for and changed over the viewer's API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import requests
from running_lab import on_cluster, until

if TYPE_CHECKING:
    from serflab.kube.client import ApiClient


class Peerings:
    """The peerings of a lab and the virtual pods on them."""

    def __init__(self, lab: Any) -> None:
        self.consumer, self.provider = (serf.name for serf in lab.inventory.serfs[:2])
        self._lab = lab
        self._url = f"{lab.viewer_url}/api"
        self._ends = {"from": self.consumer, "to": self.provider}

    def all(self) -> list[dict[str, Any]]:
        """Return all peerings."""
        found: list[dict[str, Any]] = requests.get(f"{self._url}/liqo-connections", timeout=30).json()["connections"]
        return found

    def states(self) -> list[tuple[str, str, str]]:
        """Return consumer, provider and state of each."""
        return [(item["from"], item["to"], item["state"]) for item in self.all()]

    def connect(self) -> None:
        """Peer the first serf with the second, and wait until pods can go."""
        answer = requests.post(f"{self._url}/liqo-connections", json=self._ends, timeout=30)
        assert answer.ok, answer.text
        until(lambda: self.states() == [(self.consumer, self.provider, "Established")])

    def disconnect(self) -> None:
        """End every peering with all that goes with it."""
        for item in self.all():
            ends = {"from": item["from"], "to": item["to"]}
            requests.delete(f"{self._url}/liqo-connections", params=ends, timeout=30).raise_for_status()
        until(lambda: self.all() == [])

    def virtual_pods(self) -> list[dict[str, Any]]:
        """Return the virtual pods."""
        found: list[dict[str, Any]] = requests.get(f"{self._url}/virtual-pods", timeout=30).json()["virtual_pods"]
        return found

    def create_pod(self, name: str) -> None:
        """Create a virtual pod, and wait until it runs on the provider."""
        wanted = {
            "source_node": self.consumer, "dest_node": self.provider, "workload_template": "idle", "interval": 1,
            "name": name,
        }  # fmt: skip
        answer = requests.post(f"{self._url}/virtual-pods/create", json=wanted, timeout=30)
        assert answer.ok, answer.text
        until(lambda: [pod["status"] for pod in self.virtual_pods()] == ["Running"])

    def virtual_node(self) -> dict[str, Any]:
        """Return the Node in the consumer that stands for the provider."""

        async def ask(client: ApiClient) -> dict[str, Any]:
            return await client.get(f"/api/v1/nodes/{self.provider}")

        node: dict[str, Any] = on_cluster(self._lab, self.consumer, ask)
        return node
