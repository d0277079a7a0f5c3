"""The Flask application of the viewer, put together from its blueprints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Flask

from serflab.lab.inventory import state_directory
from serflab.lab.observer import LabObserver
from serflab.web import documentation, health, history, nodes, page, series, templates, topology
from serflab.web.compression import install_compression
from serflab.web.errors import install_error_handlers
from serflab.web.lookup import EXTENSION, SETTINGS
from serflab.web.security import install_security

if TYPE_CHECKING:
    from serflab.web.settings import Settings

_BLUEPRINTS = (topology, nodes, series, history, templates, health, documentation, page)


def create_app(settings: Settings, observer: LabObserver | None = None) -> Flask:
    """Return the viewer as a WSGI application.

    Without an `observer`, one is made and started for the lab of the settings' checkout (or of `$SERFLAB_STATE`);
    whoever passes one starts and stops it.
    """
    app = Flask("serflab.web", static_folder=None)
    app.config[SETTINGS] = settings
    if observer is None:
        observer = make_observer(settings)
        observer.start()
    app.extensions[EXTENSION] = observer
    install_error_handlers(app)
    install_security(app, settings)
    install_compression(app)
    for module in _BLUEPRINTS:
        app.register_blueprint(module.blueprint)
    return app


def make_observer(settings: Settings) -> LabObserver:
    """Return an observer, not yet started, of the lab that the settings mean."""
    return LabObserver(settings.topology_file, state_directory(settings.checkout), settings.prometheus)
