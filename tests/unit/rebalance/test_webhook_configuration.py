"""The webhook's configuration while somebody else changes it, with an API server's memory alone."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from types import SimpleNamespace

import pytest
from cluster_stand_in import ClusterStandIn, refusal

from serflab.errors import SerflabError
from serflab.kube.client import ApiError
from serflab.rebalance import webhook_service
from serflab.rebalance.admission import WEBHOOK_PATH
from serflab.rebalance.eviction_webhook import EvictionWebhook
from serflab.rebalance.webhook_service import WebhookOptions

PUT_BACK = "it is put back"


class AskingCluster(ClusterStandIn):
    """Asks the webhook about evictions as long as its configuration is as it should be."""

    def __init__(self):
        super().__init__()
        self.webhook = EvictionWebhook(self)

    @property
    def asks(self):
        return len(self.objects.get(WEBHOOK_PATH, {}).get("webhooks", [{}])[0].get("matchConditions", ())) == 1

    async def apply(self, path, body, **options):
        # What others have added to a list stays beside what is applied.
        return await self.get(path) if path in self.objects else await super().apply(path, body, **options)

    async def create(self, path, body, **options):
        if not path.endswith("/eviction"):
            return await super().create(path, body, **options)
        self._called("POST", path)
        self.webhook.asked |= self.asks
        raise refusal(404, "NotFound")


@pytest.fixture
def cluster():
    return AskingCluster()


@pytest.fixture
async def keep(cluster, monkeypatch):
    """Return a function that keeps the configuration until the end of the test."""
    monkeypatch.setattr(webhook_service, "_LOOK_SECONDS", 0.01)
    monkeypatch.setattr(webhook_service, "_POLL_SECONDS", 0.01)
    certificate = SimpleNamespace(authority=b"PEM")
    options = WebhookOptions("127.0.0.1", 8443, Path("unused"))
    tasks = []

    def start():
        work = webhook_service._keep_configured(cluster, cluster.webhook, certificate, options)
        tasks.append(asyncio.create_task(work))
        return tasks[-1]

    yield start
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def until(holds):
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.005)


async def test_it_is_put_back_when_it_is_removed(cluster, keep, caplog):
    caplog.set_level(logging.INFO)
    keep()
    await until(lambda: cluster.webhook.in_force)
    seen = []
    cluster.failing = lambda _method, _path: seen.append(cluster.webhook.in_force)
    del cluster.objects[WEBHOOK_PATH]
    await until(lambda: PUT_BACK in caplog.text and cluster.webhook.in_force)
    assert cluster.asks
    assert False in seen, "meanwhile it is not ready"
    assert "somebody has removed the configuration" in caplog.text


async def test_what_others_change_in_it_does_not_stay(cluster, keep, caplog):
    keep()
    await until(lambda: cluster.webhook.in_force)
    found = cluster.objects[WEBHOOK_PATH]
    found["webhooks"] = [{**found["webhooks"][0], "matchConditions": [{"name": "never", "expression": "false"}] * 2}]
    found["metadata"]["generation"] += 1
    await until(lambda: cluster.asks and cluster.webhook.in_force)
    assert "somebody has changed the configuration" in caplog.text


async def test_nothing_is_written_while_nothing_changes(cluster, keep, caplog):
    caplog.set_level(logging.INFO)
    keep()
    await until(lambda: cluster.webhook.in_force)
    before = cluster.objects[WEBHOOK_PATH]["metadata"]["generation"]
    cluster.calls.clear()
    await until(lambda: len(cluster.calls) > 5)
    assert {path for _, path in cluster.calls} == {WEBHOOK_PATH}, "no more probes, no other patches"
    assert cluster.objects[WEBHOOK_PATH]["metadata"]["generation"] == before
    assert PUT_BACK not in caplog.text


async def test_an_api_server_that_is_away_for_a_while_ends_nothing(cluster, keep, caplog):
    working = keep()
    await until(lambda: cluster.webhook.in_force)
    cluster.failing = lambda _method, _path: refusal(503, "away")
    cluster.calls.clear()
    await until(lambda: len(cluster.calls) > 5)
    assert not working.done()
    assert caplog.text.count("is not known") == 1
    del cluster.objects[WEBHOOK_PATH]
    cluster.failing = lambda _method, _path: None
    await until(lambda: PUT_BACK in caplog.text and cluster.webhook.in_force)


async def test_what_is_refused_from_the_start_ends_it(cluster, keep):
    cluster.failing = lambda _method, _path: refusal(403, "Forbidden")
    with pytest.raises(SerflabError, match="Forbidden"):
        await keep()


async def test_a_namespace_that_is_not_there_is_told_and_waited_for(cluster, keep, caplog):
    details = {"details": {"kind": "namespaces", "name": "default"}}
    missing = ApiError(404, "NotFound", 'namespaces "default" not found', details)
    cluster.failing = lambda _method, path: missing if path.endswith("/eviction") else None
    keep()
    await until(lambda: len(cluster.calls) > 8)
    assert caplog.text.count("there is no namespace default") == 1
    assert not cluster.webhook.in_force
    cluster.failing = lambda _method, _path: None
    await until(lambda: cluster.webhook.in_force)
