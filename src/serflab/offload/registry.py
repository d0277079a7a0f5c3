"""`registry.json` and `liqo_connections.json`: what there is, for people and programs that read files.

They are written from the clusters and are not the truth; the one thing that is read back is the last id given.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import orjson

from serflab.lab.inventory import write_atomically
from serflab.offload.peerings import peerings
from serflab.offload.virtual_pod_documents import document
from serflab.offload.virtual_pods import virtual_pods

if TYPE_CHECKING:
    from serflab.offload.fleet import Fleet
    from serflab.offload.manager import Manager

log = logging.getLogger(__name__)

REGISTRY_ENV: Final = "SERFLAB_VIRTUAL_PODS"
REGISTRY: Final = "registry.json"
CONNECTIONS: Final = "liqo_connections.json"

_WRITE_SECONDS = 1.0
# Ten thousand virtual pods take a while to write down; no more of the time than this goes into it.
_SHARE = 0.05


def registry_directory(checkout: Path) -> Path:
    """Return where the two files lie: `$SERFLAB_VIRTUAL_PODS`, else `flask-app/virtual_pods` in the checkout."""
    override = os.environ.get(REGISTRY_ENV)
    return Path(override).absolute() if override else checkout / "flask-app" / "virtual_pods"


def last_id(directory: Path) -> int:
    """Return the number of the last id that was given, 0 when that is not known."""
    try:
        return max(0, int(json.loads((directory / REGISTRY).read_text(encoding="utf-8"))["last_id"]))
    except (OSError, ValueError, LookupError, TypeError):
        return 0


def write(directory: Path, fleet: Fleet) -> None:
    """Write both files; each is replaced as a whole, and only when it changes."""
    connections = [{"from": link.consumer, "to": link.provider} for link in peerings(fleet)]
    entries = [_entry(document(fleet, pod)) for pod in virtual_pods(fleet)]
    _replace(directory / REGISTRY, {"virtual_pods": entries, "last_id": fleet.ids.last})
    _replace(directory / CONNECTIONS, connections)


async def keep_written(manager: Manager, directory: Path) -> None:
    """Write both files at once and after every change, for ever."""
    while True:
        manager.changed.clear()
        started = time.monotonic()
        try:
            write(directory, manager.fleet)
        except OSError as error:
            log.warning("%s cannot be written: %s", directory, error)
        took = time.monotonic() - started
        await asyncio.sleep(max(_WRITE_SECONDS, took / _SHARE))
        await manager.changed.wait()


def _entry(pod: dict[str, Any]) -> dict[str, Any]:
    # What changes with every tick is for the API; a file would be written all the time.
    return {key: value for key, value in pod.items() if key not in {"point", "transfer"}}


def _replace(path: Path, data: object) -> None:
    # The standard library takes many times as long, and nothing else is done meanwhile.
    text = orjson.dumps(data, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE).decode()
    try:
        if path.read_text(encoding="utf-8") == text:
            return
    except OSError:
        pass
    write_atomically(path, text)
