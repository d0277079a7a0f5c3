"""What the programs of the loop have in common: their log, how they listen, and how they are stopped."""

from __future__ import annotations

import asyncio
import errno
import logging
import signal
import sys
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from aiohttp import web

from serflab.errors import SerflabError

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Coroutine

_log = logging.getLogger(__name__)


def run_until_stopped(work: Coroutine[object, object, None]) -> None:
    """Run `work` until it ends or SIGTERM or Ctrl-C comes, then cancel it; log to stderr. Raises what `work` raises."""
    _log_to_stderr()
    asyncio.run(_supervised(work))
    _log.info("stopped")


async def _supervised(work: Coroutine[object, object, None]) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    working, stopping = asyncio.ensure_future(work), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            working.result()
    except BaseExceptionGroup as group:
        raise _first(group) from group
    finally:
        stopping.cancel()
        working.cancel()
        for error in await asyncio.gather(working, return_exceptions=True):
            if stop.is_set() and isinstance(error, SerflabError):
                _log.warning("while stopping: %s", error)


@asynccontextmanager
async def listening(
    app: web.Application, host: str, port: int, tls: ssl.SSLContext | None = None
) -> AsyncIterator[None]:
    """Listen while the `with` lasts; `SerflabError` when the port cannot be had."""
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=0.3)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, host, port, ssl_context=tls).start()
        except OSError as error:
            hint = "choose another with --port" if error.errno == errno.EADDRINUSE else ""
            raise SerflabError(f"cannot listen on {host}:{port}: {error.strerror or error}", hint=hint) from error
        yield
    finally:
        await runner.cleanup()


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the error for people in a group of errors, else the first that it holds."""
    errors, _ = group.split(SerflabError)
    error: BaseException = errors or group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _log_to_stderr() -> None:
    formatter = logging.Formatter("%(asctime)s.%(msecs)03dZ %(levelname)s %(message)s", datefmt="%Y-%m-%dT%H:%M:%S")
    formatter.converter = time.gmtime
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
