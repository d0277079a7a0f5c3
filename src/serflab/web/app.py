"""The Flask application of the viewer, put together from its blueprints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Flask

from serflab.lab.inventory import state_directory
from serflab.lab.observer import LabObserver
from serflab.lab.positions import PositionStore, positions_directory
from serflab.offload.client import OffloadClient
from serflab.rebalance.observe import LoopObserver
from serflab.web import (
    documentation,
    events,
    health,
    history,
    links,
    liqo_connections,
    nodes,
    operations,
    page,
    positions,
    rebalance,
    series,
    templates,
    topology,
    virtual_pods,
)
from serflab.web.compression import install_compression
from serflab.web.errors import install_error_handlers
from serflab.web.events import install_streams
from serflab.web.forward import install_offload
from serflab.web.lookup import EXTENSION, SETTINGS
from serflab.web.positions import install_positions
from serflab.web.rebalance import install_rebalance
from serflab.web.security import install_security
from serflab.web.token import write_token
from serflab.web.turns import InTurn

if TYPE_CHECKING:
    from serflab.web.settings import Settings

_BLUEPRINTS = (
    topology,
    events,
    nodes,
    series,
    history,
    positions,
    links,
    templates,
    liqo_connections,
    virtual_pods,
    operations,
    rebalance,
    health,
    documentation,
    page,
)
# Asked for by every page that polls, and answered from memory.
_IN_TURN = ("/api/topology",)
_MOST_BYTES = 1024 * 1024  # of a request's body


def create_app(settings: Settings, observer: LabObserver | None = None, *, token: str | None = None) -> Flask:
    """Return the viewer as a WSGI application.

    Without an `observer`, one is made and started for the lab of the settings' checkout (or of `$SERFLAB_STATE`);
    whoever passes one starts and stops it. On another host than loopback, writes need the `token` (`write_token`
    when there is none, so that they are never open).
    """
    app = Flask("serflab.web", static_folder=None)
    app.config[SETTINGS] = settings
    if observer is None:
        observer = make_observer(settings)
        observer.start()
    app.extensions[EXTENSION] = observer
    install_error_handlers(app)
    install_security(app, settings, None if settings.loopback else token or write_token(settings))
    install_compression(app)
    install_streams(app)
    install_offload(app, OffloadClient(observer.offload_socket))
    install_rebalance(app, LoopObserver(observer.state_dir))
    install_positions(app, PositionStore(positions_directory(settings.home)))
    app.config["MAX_CONTENT_LENGTH"] = _MOST_BYTES
    for module in _BLUEPRINTS:
        app.register_blueprint(module.blueprint)
    app.wsgi_app = InTurn(app.wsgi_app, _IN_TURN)  # type: ignore[method-assign]  # Flask's own place
    return app


def make_observer(settings: Settings) -> LabObserver:
    """Return an observer, not yet started, of the lab that the settings mean."""
    state_dir = state_directory(settings.checkout)
    return LabObserver(settings.topology_file, state_dir, settings.prometheus, settings.thresholds)
