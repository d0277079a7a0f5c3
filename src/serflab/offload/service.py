"""The manager as a program: it works, keeps the registry's files, and answers calls on a Unix socket."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import os
import signal
from typing import TYPE_CHECKING, Any

import orjson
from aiohttp import web

from serflab.errors import SerflabError
from serflab.kube.rest import answer, errors
from serflab.lab.sockets import offload_directory
from serflab.offload import rest_peerings, rest_virtual_pods
from serflab.offload.ids import Ids
from serflab.offload.manager import Manager, follow_files
from serflab.offload.operations import OVER, operation, under_way
from serflab.offload.registry import keep_written, last_id, registry_directory
from serflab.offload.socket import socket_path
from serflab.offload.summary import Summaries

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

log = logging.getLogger(__name__)

_HEADER = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"
_STEP_SECONDS = 0.25
_PING_SECONDS = 5.0
_STOP_SECONDS = 1.0


def main(state_dir: Path, checkout: Path) -> int:
    """Run the manager of the lab in that state directory until SIGTERM or Ctrl-C; return the exit status."""
    logging.basicConfig(level=logging.INFO, format=_HEADER, force=True)
    with only_one(state_dir):
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(_serve(state_dir, checkout))
        log.info("stopped")
    return 0


@contextlib.contextmanager
def only_one(state_dir: Path) -> Iterator[None]:
    """Hold the lock of a lab's manager; `SerflabError` when another one holds it. The system frees it in any case."""
    directory = offload_directory(state_dir)
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (directory / "manager.pid").open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            file.seek(0)
            holder = file.read().strip() or "unknown"
            raise SerflabError(f"this lab has a manager already (process {holder})", hint="one is enough") from error
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield


async def _serve(state_dir: Path, checkout: Path) -> None:
    directory = registry_directory(checkout)
    manager = Manager(checkout, Ids(last_id(directory)))
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    tasks = [
        asyncio.create_task(manager.run()),
        asyncio.create_task(follow_files(manager, state_dir)),
        asyncio.create_task(keep_written(manager, directory)),
        asyncio.create_task(stop.wait()),
    ]
    runner = web.AppRunner(application(manager), access_log=None, handle_signals=False, shutdown_timeout=_STOP_SECONDS)
    await runner.setup()
    path = socket_path(state_dir)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.unlink(missing_ok=True)
    try:
        await web.UnixSite(runner, str(path)).start()
        path.chmod(0o600)
        log.info("the manager answers on %s", path)
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await runner.cleanup()
        path.unlink(missing_ok=True)


def application(manager: Manager) -> web.Application:
    """Return what answers the calls."""
    fleet, summaries = manager.fleet, Summaries(manager)

    async def healthz(_: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def show_summary(request: web.Request) -> web.Response:
        document, tag = summaries.now()
        if not tag:
            return answer(document)
        if request.headers.get("If-None-Match") == tag:
            return web.Response(status=304, headers={"ETag": tag})
        return answer(document, ETag=tag)

    async def operations(_: web.Request) -> web.Response:
        return answer({"operations": under_way(fleet)})

    async def show_operation(request: web.Request) -> web.Response:
        return answer({"operation": operation(fleet, request.match_info["id"])})

    async def follow(request: web.Request) -> web.StreamResponse:
        return await _follow(request, manager)

    app = web.Application(middlewares=[errors])
    app.add_routes([
        web.get("/healthz", healthz),
        web.get("/summary", show_summary),
        web.get("/operations", operations),
        web.get("/operations/{id}", show_operation),
        web.get("/operations/{id}/events", follow),
        *rest_peerings.routes(fleet),
        *rest_virtual_pods.routes(fleet),
    ])  # fmt: skip
    return app


async def _follow(request: web.Request, manager: Manager) -> web.StreamResponse:
    """Send an operation at each change as a server-sent event until it is over."""
    name = request.match_info["id"]
    told: dict[str, Any] = operation(manager.fleet, name)
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
    await response.prepare(request)
    await response.write(_event(told))
    quiet = 0.0
    while told["state"] not in OVER:
        await asyncio.sleep(_STEP_SECONDS)
        quiet += _STEP_SECONDS
        try:
            now = operation(manager.fleet, name)
        except SerflabError:
            # Its subject is gone: it was deleted meanwhile.
            now = {**told, "state": "Failed", "message": "what it was about is gone"}
        if now != told:
            told, quiet = now, 0.0
            await response.write(_event(told))
        elif quiet >= _PING_SECONDS:
            quiet = 0.0
            await response.write(b": still under way\n\n")
    await response.write_eof()
    return response


def _event(told: dict[str, Any]) -> bytes:
    return b"event: operation\ndata: " + orjson.dumps(told) + b"\n\n"
