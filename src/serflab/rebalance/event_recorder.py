"""Kubernetes Events of VMs and their pods: sent when there is nothing more urgent, and lost rather than waited for."""

from __future__ import annotations

import logging
import os
import socket
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from serflab.emulation.marker import timestamp
from serflab.emulation.names import NAMESPACES_PATH
from serflab.errors import SerflabError
from serflab.rebalance.names import API_VERSION, VM_KIND

if TYPE_CHECKING:
    from collections.abc import Mapping

    from serflab.kube.client import ApiClient

_log = logging.getLogger(__name__)

COMPONENT: Final = "serflab-vm-controller"
_MOST_WAITING = 20_000


class EventRecorder:
    """Keeps Events until they are sent; the oldest are dropped when there are too many."""

    def __init__(self, client: ApiClient) -> None:
        self._client = client
        self._waiting: deque[dict[str, Any]] = deque(maxlen=_MOST_WAITING)
        self._instance = f"{socket.gethostname()}-{os.getpid()}"

    def __len__(self) -> int:
        """Return how many wait to be sent."""
        return len(self._waiting)

    def tell(self, item: Mapping[str, Any], reason: str, message: str, *, warning: bool = False) -> None:
        """Record what has happened to a VM or a pod, which `kubectl describe` then shows."""
        metadata = item["metadata"]
        now = timestamp(time.time())
        about = {key: metadata[key] for key in ("namespace", "name", "uid")}
        self._waiting.append(
            {
                "apiVersion": "v1",
                "kind": "Event",
                "metadata": {"name": f"{metadata['name']}.{uuid4().hex[:16]}", "namespace": metadata["namespace"]},
                "involvedObject": {**_type(item), **about},
                "type": "Warning" if warning else "Normal",
                "reason": reason,
                "message": message,
                "source": {"component": COMPONENT},
                "reportingComponent": COMPONENT,
                "reportingInstance": self._instance,
                "firstTimestamp": now,
                "lastTimestamp": now,
                "count": 1,
            }
        )

    async def send_one(self) -> None:
        """Send the oldest; one that is refused is gone (its namespace may be, too)."""
        event = self._waiting.popleft()
        try:
            await self._client.create(f"{NAMESPACES_PATH}/{event['metadata']['namespace']}/events", event)
        except SerflabError as error:
            _log.debug("event %s of %s: %s", event["reason"], event["involvedObject"]["name"], error.message)


def _type(item: Mapping[str, Any]) -> dict[str, str]:
    """Return apiVersion and kind, which the items of a list do not tell."""
    if "containers" in item["spec"]:
        return {"apiVersion": "v1", "kind": "Pod"}
    return {"apiVersion": API_VERSION, "kind": VM_KIND}
