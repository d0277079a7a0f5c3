"""`GET /api/history`: the load of all serfs over the past, for the scrubber."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

from flask import Blueprint, Response, current_app

from serflab.lab.history import EarliestSample, read_history
from serflab.lab.span import HISTORY_WINDOWS
from serflab.web import parameters
from serflab.web.errors import json_response
from serflab.web.lookup import ask

if TYPE_CHECKING:
    from flask.blueprints import BlueprintSetupState

    from serflab.lab.history import History
    from serflab.lab.prometheus_query import Prometheus

blueprint = Blueprint("history", __name__)
_EXTENSION = "serflab-earliest-sample"


@blueprint.record_once
def _remember(state: BlueprintSetupState) -> None:
    state.app.extensions[_EXTENSION] = EarliestSample()


@blueprint.get("/api/history")
def history() -> Response:
    """Answer the loads of all serfs over a span, and since when there are any."""
    span, metrics = parameters.span(HISTORY_WINDOWS, "1h"), parameters.metrics()
    earliest = cast("EarliestSample", current_app.extensions[_EXTENSION])

    async def question(prometheus: Prometheus) -> tuple[History, float | None]:
        return await asyncio.gather(read_history(prometheus, metrics, span), earliest.of(prometheus))

    past, since = ask(question)
    points = past.points
    return json_response(
        {
            "window": span.name,
            "from": points.start,
            "to": points.end,
            "step": points.step,
            "earliest": since,
            "timestamps": points.timestamps,
            "metrics": {
                metric.name: {"unit": metric.node_unit, "serfs": past.loads[metric.name]} for metric in metrics
            },
        }
    )
