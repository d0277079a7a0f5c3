"""A lab of many serfs without clusters: servers that speak the API server's list and watch, and Prometheus' queries.

For measuring the viewer alone, where real clusters of that number would need the machine for themselves. Everything
changes as in a lab that plays: every pod is patched and every load is another one each tick.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import time
from pathlib import Path
from typing import Any

from aiohttp import web

from serflab.lab.inventory import Inventory, Serf

TICK_SECONDS = 5.0


class Surroundings:
    """`serfs` API servers with `pods` pods each on ports from `port` on, and a Prometheus on the port after them."""

    def __init__(self, serfs: int, pods: int, port: int) -> None:
        self.serfs = [f"serf{number}" for number in range(1, serfs + 1)]
        self.pods = pods
        self.port = port
        self._start = time.monotonic()

    async def run(self) -> None:
        for index in range(len(self.serfs)):
            await self._listen(self._api_server(index), self.port + index)
        await self._listen(self._prometheus(), self.port + len(self.serfs))
        print("ready", flush=True)
        await asyncio.Event().wait()

    def _tick(self, index: int) -> int:
        """Return which tick a serf is at; the replays of a lab do not tick at the same moment."""
        return int((time.monotonic() - self._start) / TICK_SECONDS + index / len(self.serfs))

    @staticmethod
    async def _listen(app: web.Application, port: int) -> None:
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()

    def _api_server(self, index: int) -> web.Application:
        async def collection(request: web.Request) -> web.StreamResponse:
            name = request.match_info["collection"]
            if request.query.get("watch") == "1":
                return await self._watch(request, index if name == "pods" else None)
            items = {"pods": self._pods(index), "nodes": [_node()], "namespaces": [_object("Namespace", "ns1")]}
            version = str(self._version(index, self.pods))
            return web.json_response({"metadata": {"resourceVersion": version}, "items": items.get(name, [])})

        app = web.Application()
        app.router.add_get("/version", _version)
        app.router.add_get("/api/v1/namespaces/kube-system", _namespace)
        app.router.add_get("/api/v1/{collection}", collection)
        return app

    async def _watch(self, request: web.Request, pods_of: int | None) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        if pods_of is None:
            await asyncio.Event().wait()
        else:
            with contextlib.suppress(ConnectionResetError):
                await self._tell_changes(response, pods_of)
        return response

    async def _tell_changes(self, response: web.StreamResponse, index: int) -> None:
        while True:
            due = (self._tick(index) + 1 - index / len(self.serfs)) * TICK_SECONDS
            await asyncio.sleep(max(0.01, self._start + due - time.monotonic()))
            lines = [json.dumps({"type": "MODIFIED", "object": pod}) for pod in self._pods(index)]
            await response.write(("\n".join(lines) + "\n").encode())

    def _pods(self, index: int) -> list[dict[str, Any]]:
        tick = self._tick(index)
        return [_pod(number, tick, self._version(index, number)) for number in range(self.pods)]

    def _version(self, index: int, number: int) -> int:
        return 1000 + self._tick(index) * (self.pods + 1) + number

    def _prometheus(self) -> web.Application:
        app = web.Application()
        app.router.add_route("*", "/api/v1/query", self._query)
        return app

    async def _query(self, request: web.Request) -> web.Response:
        query = (await request.post()).get("query") or request.query["query"]
        up = str(query).startswith("max by (serf) (up")
        values = (
            (serf, 1.0 if up else (7 * index + 3.3 * self._tick(0)) % 100) for index, serf in enumerate(self.serfs)
        )
        now = time.time()
        result = [{"metric": {"serf": serf}, "value": [now, str(value)]} for serf, value in values]
        return web.json_response({"status": "success", "data": {"resultType": "vector", "result": result}})

    def save(self, directory: Path) -> None:
        """Write topology, kubeconfigs and inventory of this lab, as `serflab up` does."""
        directory.mkdir(parents=True, exist_ok=True)
        nodes = {serf: {"kind": "linux"} for serf in self.serfs}
        ends = [[f"{a}:eth1", f"{b}:eth2"] for a, b in zip(self.serfs, self.serfs[1:], strict=False)]
        links = [{"endpoints": pair} for pair in ends]
        topology = directory / "topology.yaml"
        topology.write_text(json.dumps({"name": "bench", "topology": {"nodes": nodes, "links": links}}))
        serfs = []
        for index, serf in enumerate(self.serfs):
            server = f"http://127.0.0.1:{self.port + index}"
            kubeconfig = directory / f"{serf}.kubeconfig"
            kubeconfig.write_text(json.dumps(_kubeconfig(server)))
            serfs.append(Serf(serf, kubeconfig, server, server, directory / "config.json", directory))
        prometheus = f"http://127.0.0.1:{self.port + len(self.serfs)}"
        Inventory("bench", "local", topology, tuple(serfs), prometheus, prometheus).save(directory)


async def _version(_: web.Request) -> web.Response:
    return web.json_response({"gitVersion": "v0.0.0-bench"})


async def _namespace(_: web.Request) -> web.Response:
    return web.json_response(_object("Namespace", "kube-system"))


def _object(kind: str, name: str) -> dict[str, Any]:
    metadata = {"name": name, "resourceVersion": "1", "creationTimestamp": "2026-01-01T00:00:00Z"}
    return {"kind": kind, "apiVersion": "v1", "metadata": metadata, "status": {"phase": "Active"}}


def _node() -> dict[str, Any]:
    capacity = {"cpu": "32", "memory": "256Gi", "pods": "110"}
    node = _object("Node", "emulation-node-1")
    return {**node, "status": {"capacity": capacity, "conditions": [{"type": "Ready", "status": "True"}]}}


def _pod(number: int, tick: int, version: int) -> dict[str, Any]:
    values = {"cpu": f"{(number + tick) % 100}.0m", "memory": "85.0Mi", "power": "0.15W", "psi": "0.0%"}
    pod = _object("Pod", f"web-{number}")
    pod["metadata"] |= {
        "namespace": "ns1",
        "resourceVersion": str(version),
        "annotations": {f"emulation.metrics.k8s.io/{key}": value for key, value in values.items()},
    }
    resources = {"requests": {"cpu": "40m", "memory": "85Mi"}}
    spec = {"nodeName": "emulation-node-1", "containers": [{"name": "main", "image": "fake", "resources": resources}]}
    return {**pod, "spec": spec, "status": {"phase": "Running"}}


def _kubeconfig(server: str) -> dict[str, Any]:
    return {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": {}}],
    }


async def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--serfs", type=int, default=50)
    parser.add_argument("--pods", type=int, default=80)
    parser.add_argument("--port", type=int, default=30000)
    options = parser.parse_args()
    made = Surroundings(options.serfs, options.pods, options.port)
    made.save(options.directory)
    await made.run()


if __name__ == "__main__":
    asyncio.run(_main())
