"""Calls to an API server from programs that know nothing of asyncio."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

from serflab.kube.client import ApiClient
from serflab.kube.credentials import load_credentials

if TYPE_CHECKING:
    import os
    from collections.abc import Awaitable, Callable

    from serflab.kube.credentials import Credentials

T = TypeVar("T")


class Session:
    """An API server, by its kubeconfig (None: `$KUBECONFIG`, `~/.kube/config`, the pod's account)."""

    def __init__(self, kubeconfig: str | os.PathLike[str] | None, *, in_cluster: bool = False) -> None:
        self._kubeconfig = str(kubeconfig) if kubeconfig is not None else None
        self._in_cluster = in_cluster

    def credentials(self) -> Credentials:
        """Return the credentials; raises `SerflabError` when there are none."""
        if self._in_cluster:
            from os import environ  # noqa: PLC0415 - the only use

            from serflab.kube.credentials import in_cluster_credentials  # noqa: PLC0415

            return in_cluster_credentials(environ)
        return load_credentials(self._kubeconfig)

    def run(self, work: Callable[[ApiClient], Awaitable[T]]) -> T:
        """Do `work` and return what it returns; not to be called where an event loop runs."""

        async def connected() -> T:
            async with ApiClient(self.credentials()) as client:
                return await work(client)

        return asyncio.run(connected())
