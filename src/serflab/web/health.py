"""`GET /api/health`: the viewer itself, Prometheus, and every serf's API server and exporter."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from flask import Blueprint, Response

from serflab import __version__
from serflab.lab.cluster_view import READY
from serflab.lab.overview import prometheus_state
from serflab.web.errors import json_response
from serflab.web.lookup import observer, settings

if TYPE_CHECKING:
    from serflab.lab.observer import LabObserver

blueprint = Blueprint("health", __name__)


@blueprint.get("/api/health")
def health() -> Response:
    """Answer 200 whenever the viewer works; `status` says whether the lab does as well."""
    watcher = observer()
    inventory = watcher.inventory
    serfs = [_serf(watcher, serf.name) for serf in inventory.serfs] if inventory else []
    prometheus = prometheus_state(watcher)
    stalled = watcher.feed.stalled_since
    well = (
        stalled is None
        and prometheus["state"] == READY
        and all(serf["api_server"]["state"] == READY and serf["exporter"]["up"] for serf in serfs)
    )
    status = "no_lab" if inventory is None else "ok" if well else "degraded"
    return json_response(
        {
            "status": status,
            "viewer": {
                "version": __version__,
                "uptime_seconds": time.time() - watcher.started,
                "stalled_since": stalled,
            },
            "writes": {"token_required": not settings().loopback},
            "lab": {"up": inventory is not None, "message": watcher.inventory_error},
            "prometheus": prometheus,
            "offload": {"available": watcher.offload["available"], "message": watcher.offload["message"]},
            "serfs": serfs,
        }
    )


def _serf(watcher: LabObserver, name: str) -> dict[str, Any]:
    view, load = watcher.cluster(name), watcher.load(name)
    return {
        "name": name,
        "api_server": {
            "state": view.state if view else "connecting",
            "version": view.version if view else "",
            "stale_since": view.stale_since if view else None,
            "message": view.error if view else "",
        },
        "exporter": {"up": watcher.target_up(name), "stale_since": load.stale_since},
    }
