"""What the lab's offload manager tells of peerings and virtual pods, asked for about every second."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Final

import aiohttp
import orjson

if TYPE_CHECKING:
    from pathlib import Path

log = logging.getLogger(__name__)

_POLL_SECONDS = 1.0
_TIMEOUT = aiohttp.ClientTimeout(total=5.0)
_KINDS: Final = {"message": str, "connections": list, "transfers": list, "virtual_pods": dict, "version": str}
_NO_MANAGER = "the offload manager does not run"


class OffloadSummary:
    """Follows the manager that listens on `socket`; as long as there is no socket it only looks for it."""

    def __init__(self, socket: Path) -> None:
        self.socket = socket
        self.told = _unavailable(_NO_MANAGER)
        """The part `offload` of the overview; replaced and never changed."""
        self._etag = ""

    async def follow(self) -> None:
        """Ask again and again, until cancelled; whatever goes wrong is told in the summary."""
        while True:
            # A socket is looked for first: where no manager runs, nothing else is done.
            if self.socket.exists():
                await self._follow_manager()
            else:
                self._fail(_NO_MANAGER)
            await asyncio.sleep(_POLL_SECONDS)

    async def _follow_manager(self) -> None:
        connector = aiohttp.UnixConnector(path=str(self.socket))
        async with aiohttp.ClientSession("http://localhost", connector=connector, timeout=_TIMEOUT) as session:
            try:
                while True:
                    await self._ask(session)
                    await asyncio.sleep(_POLL_SECONDS)
            except TimeoutError:
                self._fail("the offload manager does not answer")
            except (FileNotFoundError, ConnectionRefusedError, aiohttp.ClientConnectorError):
                self._fail(_NO_MANAGER)
            except (aiohttp.ClientError, OSError) as error:
                self._fail(f"the offload manager broke off: {error}")
            except (ValueError, TypeError) as error:
                self._fail(f"the offload manager answers something else: {error}")

    async def _ask(self, session: aiohttp.ClientSession) -> None:
        headers = {"If-None-Match": self._etag} if self._etag else {}
        async with session.get("/summary", headers=headers) as answer:
            if answer.status == 304:
                return
            answer.raise_for_status()
            self.told = _checked(orjson.loads(await answer.read()))
            self._etag = answer.headers.get("ETag", "")

    def _fail(self, message: str) -> None:
        self._etag = ""
        if message == self.told["message"]:
            return
        if self.told["available"]:
            log.warning("%s", message)
        self.told = _unavailable(message)


def _unavailable(message: str) -> dict[str, Any]:
    return {
        "available": False,
        "message": message,
        "connections": [],
        "transfers": [],
        "virtual_pods": {"running": 0, "total": 0},
        "version": "",
    }


def _checked(summary: object) -> dict[str, Any]:
    """Return the parts of a summary that the overview shows; `TypeError` for one that is not of the right kind."""
    if not isinstance(summary, dict):
        raise TypeError("expected an object")
    for name, kind in _KINDS.items():
        if not isinstance(summary.get(name), kind):
            raise TypeError(f"{name}: expected {kind.__name__}")
    return {"available": bool(summary.get("available", True)), **{name: summary[name] for name in _KINDS}}
