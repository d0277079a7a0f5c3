"""A controller that dies after each single write of a VM's life: the next one goes on, and no VM is lost or doubled."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from serflab.emulation.names import pods_of
from serflab.kube.client import ApiClient
from serflab.kube.credentials import load_credentials
from serflab.kube.watch import Collection, WatchCache
from serflab.rebalance.controller import Controller
from serflab.rebalance.controller_settings import ControllerSettings
from serflab.rebalance.launchers import SELECTOR, is_live, owner_uid
from serflab.rebalance.names import migration_path, vm_path
from serflab.rebalance.virtual_machines import create_vm, delete_vms, get_vm

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

_BESIDES = ("/events", "/poddisruptionbudgets")


class MortalClient(ApiClient):
    """Dies once its last write has been done: no request comes back after that, not even that one."""

    def __init__(self, *arguments, lives: int, **options) -> None:
        super().__init__(*arguments, **options)
        self.lives = lives
        self.dead = asyncio.Event()

    async def request(self, method, path, **options):
        write = method != "GET" and not any(part in path for part in _BESIDES)
        if write and self.lives <= 0:
            await self._die()
        answer = await super().request(method, path, **options)
        if write:
            self.lives -= 1
            if self.lives == 0:
                await self._die()
        return answer

    async def _die(self) -> None:
        self.dead.set()
        await asyncio.Event().wait()


class Watched:
    """The pods of a namespace by a watch, which sees each state: how many lived at the least and at the most."""

    def __init__(self, client: ApiClient, namespace: str) -> None:
        collection = Collection(pods_of(namespace), label_selector=SELECTOR)
        self.cache = WatchCache(client, collection, lambda pod: pod if is_live(pod) else None, on_event=self._see)
        self.counts: list[int] = []

    def _see(self, _event: object) -> None:
        self.counts.append(len(self.cache.objects))


async def holds(ask: Callable, seconds: float = 20.0):
    async with asyncio.timeout(seconds):
        while not (answer := await ask()):  # noqa: ASYNC110 - the answer comes from a cluster
            await asyncio.sleep(0.03)
        return answer


@asynccontextmanager
async def controller(client: ApiClient, settings: ControllerSettings) -> AsyncIterator[Controller]:
    made = Controller(client, settings)
    task = asyncio.create_task(made.run())
    try:
        yield made
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def settled(client: ApiClient, pods: Watched, namespace: str, left: str = "") -> bool:
    """Whether the VM runs in one pod as its status says, elsewhere than on the node that it had to leave."""
    status = (await get_vm(client, namespace, "vm-1") or {}).get("status") or {}
    live = [pod["metadata"]["name"] for pod in pods.cache.objects.values()]
    return (
        status.get("phase") == "Running"
        and not status.get("evacuationNodeName")
        and live == [status["podName"]]
        and status["nodeName"] != left
    )


async def life(client: ApiClient, credentials, settings: ControllerSettings, lives: int, *, migrate: bool) -> bool:
    """Let a VM come to run or migrate under a controller that dies, then under another; whether the first has died."""
    namespace = settings.namespace
    await create_vm(client, SimpleNamespace(id="vm-1", cpu_consumption=0.05, memory_consumption=0.05), namespace)
    watched = Watched(client, namespace)
    async with watched.cache:
        await watched.cache.wait_synced()
        node = ""
        if migrate:
            async with controller(client, settings):
                await holds(lambda: settled(client, watched, namespace))
            node = (await get_vm(client, namespace, "vm-1"))["status"]["nodeName"]
            watched.counts.clear()
            mark = {"status": {"evacuationNodeName": node}}
            await client.patch(f"{vm_path(namespace, 'vm-1')}/status", mark)
        async with MortalClient(credentials, lives=lives) as mortal, controller(mortal, settings):
            done = asyncio.create_task(holds(lambda: settled(client, watched, namespace, node)))
            died = asyncio.create_task(mortal.dead.wait())
            await asyncio.wait({done, died}, return_when=asyncio.FIRST_COMPLETED)
            done.cancel()
            died.cancel()
        async with controller(client, settings):
            await holds(lambda: settled(client, watched, namespace, node))
        assert max(watched.counts) <= (2 if migrate else 1)
        if migrate:
            assert min(watched.counts) >= 1
            # Those of the VM before are there until Kubernetes' garbage collector comes to them.
            uid = (await get_vm(client, namespace, "vm-1"))["metadata"]["uid"]
            found = (await client.list(migration_path(namespace)))["items"]
            assert [owner_uid(item) for item in found].count(uid) == 1
        await delete_vms(client, namespace)
        await watched.cache.wait_for(lambda: not watched.cache.objects)
    return mortal.dead.is_set()


@pytest.mark.parametrize("migrate", [False, True], ids=["start", "migration"])
async def test_death_after_each_write(vm_serf, namespace, migrate):
    credentials = load_credentials(vm_serf.kubeconfig)
    # Migrations are quick, but a scheduler on a busy machine has its time.
    settings = ControllerSettings(namespace=namespace, time_scale=5000, pending_timeout=5000 * 60)
    async with ApiClient(credentials) as client:
        deaths = 0
        while await life(client, credentials, settings, deaths + 1, migrate=migrate):
            deaths += 1
    # All writes of a migration: its object, its phases, both pods, the VM's status.
    assert deaths >= (12 if migrate else 2)
