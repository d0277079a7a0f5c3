"""`/api/rebalance`: the loop of rebalancing that is up, its past, and choosing the algorithm that scores its nodes."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, cast

from flask import Blueprint, Response, current_app

from serflab.lab.prometheus_query import PrometheusError
from serflab.lab.span import WINDOWS
from serflab.rebalance.algorithms import ALGORITHMS
from serflab.rebalance.loop_settings import OWN_SERF
from serflab.web import body, parameters
from serflab.web.body import fields, json_body
from serflab.web.errors import RETRY_SECONDS, ApiError, json_response, unknown

if TYPE_CHECKING:
    from flask import Flask

    from serflab.rebalance.loop_settings import Loop
    from serflab.rebalance.observe import LoopObserver

_EXTENSION = "serflab-rebalance"
_UNIT = "percent points"
_POINTS = body.number("points of percent above the average, 0 to 100", 0, 100)

blueprint = Blueprint("rebalance", __name__, url_prefix="/api/rebalance")


def install_rebalance(app: Flask, observer: LoopObserver) -> None:
    """Let the application tell of the loop that `observer` finds."""
    app.extensions[_EXTENSION] = observer


@blueprint.get("")
def loops() -> Response:
    """Answer the loops that are up: at most one beside a lab, none when none is."""
    found = _observer().document()
    return json_response({"loops": [found] if found else []})


@blueprint.get("/algorithms")
def algorithms() -> Response:
    """Answer the 19 ways to score a node."""
    known = [
        {
            "number": each.number,
            "name": each.name,
            "formula": each.formula,
            "documentation": each.documentation,
            "good_for": each.good_for,
            "blind_to": each.blind_to,
            "threshold": each.threshold,
        }
        for each in ALGORITHMS.values()
    ]
    return json_response({"algorithms": known})


@blueprint.get("/<serf>/history")
def history(serf: str) -> Response:
    """Answer how far apart the nodes were over a span, and the migrations in it."""
    span, loop = parameters.span(WINDOWS, "15m"), _loop(serf)
    from serflab.rebalance.spread import spread  # noqa: PLC0415 - needs what only a machine with a loop has

    try:
        found = spread(loop, span)
    except PrometheusError as error:
        details = {"reason": error.reason, "retry_after": RETRY_SECONDS}
        raise ApiError(503, "prometheus_unavailable", error.message, hint=error.hint, details=details) from error
    points = found.points
    known = _observer().migrations()
    within = [row for row in known if (row.ended or span.end) >= span.start and row.created <= span.end]
    return json_response(
        {
            "serf": serf,
            "window": span.name,
            "unit": _UNIT,
            "from": points.start,
            "to": points.end,
            "step": points.step,
            "datasets": {
                name: {"timestamps": points.timestamps, "values": values} for name, values in found.values.items()
            },
            "migrations": [asdict(row) for row in within],
        }
    )


@blueprint.post("/<serf>/algorithm")
def choose_algorithm(serf: str) -> Response:
    """Let the descheduler score the nodes of a loop by another algorithm from its next cycle on."""
    asked: dict[str, Any] = fields(
        json_body(), {"algorithm": body.one_out_of(ALGORITHMS)}, {"target_threshold": _POINTS}
    )
    loop = _observer().switch(_loop(serf), asked["algorithm"], asked.get("target_threshold"))
    return json_response(
        {
            "serf": serf,
            "algorithm": loop.algorithm,
            "threshold": loop.threshold,
            "target_threshold": loop.target_threshold,
            "since": loop.since,
        }
    )


def _observer() -> LoopObserver:
    return cast("LoopObserver", current_app.extensions[_EXTENSION])


def _loop(serf: str) -> Loop:
    """Return the loop of that serf; 404 with the one that there is."""
    loop = _observer().loop()
    name = (loop.serf or OWN_SERF) if loop else ""
    if loop is None or serf != name:
        raise unknown("loop", serf, [name] if name else [])
    return loop
