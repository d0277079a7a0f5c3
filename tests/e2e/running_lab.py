"""What tests do with the clusters of a running lab."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from serflab.kube.client import ApiClient
from serflab.kube.credentials import load_credentials

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds, for a minute."""
    for _ in range(300):
        if holds():
            return
        time.sleep(0.2)
    pytest.fail("it never came to hold")


def on_cluster(lab: Any, serf: str, act: Callable[[ApiClient], Awaitable[Any]]) -> Any:
    """Return what `act` returns for a client of a serf's API server, also while a browser is open in this thread."""

    async def run() -> Any:
        async with ApiClient(load_credentials(lab.inventory.serf(serf).kubeconfig)) as client:
            return await act(client)

    with ThreadPoolExecutor(1) as other_thread:
        return other_thread.submit(asyncio.run, run()).result()


def unschedulable_pod(name: str) -> dict[str, Any]:
    """Return a pod that no node is good enough for."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "nodeSelector": {"serflab.test/nowhere": "true"},
            "containers": [{"name": "probe", "image": "serflab/probe:v1"}],
        },
    }
