"""`/api/positions`: where people have put the nodes of the graph, kept on the server for the topology."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, cast

from flask import Blueprint, Response, current_app

from serflab.errors import InputError
from serflab.lab.positions import PositionsError, PositionStore, read_positions
from serflab.web.body import json_body
from serflab.web.errors import ApiError, findings, json_response
from serflab.web.lookup import observer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flask import Flask

    from serflab.lab.positions import Position
    from serflab.lab.topology import Topology

_EXTENSION = "serflab-positions"

blueprint = Blueprint("positions", __name__, url_prefix="/api/positions")


def install_positions(app: Flask, store: PositionStore) -> None:
    """Let the application keep positions there."""
    app.extensions[_EXTENSION] = store


@blueprint.get("")
def positions() -> Response:
    """Answer the position of each node that has one."""
    topology = observer().topology
    try:
        return _answer(topology, _store().load(topology))
    except PositionsError as error:
        raise _unavailable(error) from error


@blueprint.put("")
def save_positions() -> Response:
    """Replace all saved positions; 400 with every finding."""
    topology = observer().topology
    try:
        wanted = read_positions(json_body(), topology)
    except InputError as error:
        raise ApiError(
            400,
            "bad_positions",
            error.message,
            hint='expected {"positions": {"<node>": {"x": 1.0, "y": 2.0}}}',
            details={"findings": findings(error.findings)},
        ) from error
    try:
        _store().save(topology, wanted)
    except PositionsError as error:
        raise _unavailable(error) from error
    return _answer(topology, wanted)


@blueprint.delete("")
def forget_positions() -> Response:
    """Forget all saved positions; answers those that the nodes' labels give."""
    topology = observer().topology
    try:
        _store().forget(topology)
        return _answer(topology, _store().load(topology))
    except PositionsError as error:
        raise _unavailable(error) from error


def _store() -> PositionStore:
    return cast("PositionStore", current_app.extensions[_EXTENSION])


def _answer(topology: Topology, places: Mapping[str, Position]) -> Response:
    return json_response({"topology": topology.name, "positions": {name: asdict(at) for name, at in places.items()}})


def _unavailable(error: PositionsError) -> ApiError:
    return ApiError(503, "positions_unavailable", error.message, hint=error.hint)
