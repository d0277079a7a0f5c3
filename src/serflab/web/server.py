"""The viewer as a program: options, the WSGI server, a clean stop."""

from __future__ import annotations

import errno
import logging
import resource
import signal
import socket
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click
import werkzeug.serving
from waitress.server import BaseWSGIServer, create_server
from waitress.task import ThreadedTaskDispatcher

from serflab.errors import SerflabError
from serflab.lab.ports import check_free
from serflab.web.app import create_app, make_observer
from serflab.web.events import MOST_STREAMS
from serflab.web.malformed import JsonErrorChannel
from serflab.web.settings import Settings, load_settings
from serflab.web.token import announcement, write_token

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType

    from flask import Flask

log = logging.getLogger(__name__)

_LOG_LEVELS = ("debug", "info", "warning", "error")
_THREADS = 8  # beside those that the streams hold
_CONNECTIONS = 1000
_OPEN_FILES = 4096
_UNREAD_BYTES = 256 * 1024
_RECEIVED_BYTES = 4 * 1024 * 1024
_STOP_SECONDS = 1
# A client that is gone without a word, or that reads nothing for so long, is cut off.
_SILENT_MILLISECONDS = 30_000
_HEADER = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"


def main(home: Path, arguments: Sequence[str] | None = None) -> int:
    """Run the viewer whose files lie in `home` until SIGTERM or Ctrl-C; return the exit status (0, 1 or 2)."""

    @click.command("app.py", help="Serve the page and the REST API of the lab (docs/viewer.md).")
    @click.option("--config", metavar="FILE", help="The viewer's config.  [default: config.yaml beside app.py]")
    @click.option("--host", metavar="ADDRESS", help="Listen on this address instead of the config's.")
    @click.option("--port", type=click.IntRange(1, 65535), help="Listen on this port instead of the config's.")
    @click.option("--log-level", type=click.Choice(_LOG_LEVELS), default="info", show_default=True)
    def command(config: str | None, host: str | None, port: int | None, log_level: str) -> None:
        logging.basicConfig(level=log_level.upper(), format=_HEADER)
        # A page that is closed ends its stream in the middle, and under a burst of page loads requests wait: no news.
        logging.getLogger("waitress").setLevel(max(logging.WARNING, logging.getLogger().level))
        logging.getLogger("waitress.queue").setLevel(logging.ERROR)
        settings = load_settings(Path(config) if config else home / "config.yaml", home)
        serve(replace(settings, host=host or settings.host, port=port or settings.port))

    try:
        command.main(args=arguments, standalone_mode=False)
    except SerflabError as error:
        click.echo(f"error: {error}", err=True)
        return error.exit_status
    except click.ClickException as error:
        error.show()
        return 2
    except (KeyboardInterrupt, click.Abort):
        return 0
    return 0


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or Ctrl-C; `SerflabError` when the port cannot be had."""
    token = write_token(settings)
    listener = _listen(settings)
    observer = make_observer(settings)

    def stop(_signal: int, _frame: FrameType | None) -> NoReturn:
        observer.feed.close()  # the streams end, each in its thread
        raise SystemExit(0)

    try:
        observer.start()
        app = create_app(settings, observer, token=token)
        log.info("the viewer is at %s", settings.url)
        if token is not None:
            # Not by the log, whose level might hide it: without it the token would be unknown.
            click.echo(announcement(settings, token), err=True)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, stop)
        if settings.debug:
            _serve_debugging(app, settings, listener)
        else:
            make_server(app, listener).run()
    except SystemExit:
        pass  # from the signal; waitress, once it runs, takes it for its own end
    finally:
        listener.close()
        observer.stop()
        log.info("stopped")


def make_server(app: Flask, listener: socket.socket) -> BaseWSGIServer:
    """Return the server of an application on a socket that is bound; its `run` ends with `SystemExit` of a signal."""
    _allow_open_files()
    threads = _Threads()
    threads.set_thread_count(MOST_STREAMS + _THREADS)
    server = create_server(
        app,
        sockets=[listener],
        _dispatcher=threads,
        connection_limit=_CONNECTIONS,
        # select() knows no file descriptors above 1023.
        asyncore_use_poll=True,
        # A stream whose client does not read waits when this much is unread.
        outbuf_high_watermark=_UNREAD_BYTES,
        # Received before the application sees it and can refuse it.
        max_request_body_size=_RECEIVED_BYTES,
        ident="serflab",
    )
    assert isinstance(server, BaseWSGIServer)  # noqa: S101  one socket, one server
    server.channel_class = JsonErrorChannel
    return server


class _Threads(ThreadedTaskDispatcher):
    """A thread for each stream and some more; at the end, those that hang on a client that does not read are left."""

    def shutdown(self, cancel_pending: bool = True, timeout: int = _STOP_SECONDS) -> bool:
        return super().shutdown(cancel_pending, timeout)


def _allow_open_files() -> None:
    """Raise the process's limit of open files, which is 1024 in many places, as far as connections may need it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(_OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _serve_debugging(app: Flask, settings: Settings, listener: socket.socket) -> None:
    # The interactive debugger runs any code for whoever reaches it; it stays off, and so does the reloader,
    # which would start a second observer.
    log.warning("server.debug is true: this is Flask's own server, for work on the viewer only")
    app.debug = True
    server = werkzeug.serving.make_server(settings.host, settings.port, app, threaded=True, fd=listener.fileno())
    server.serve_forever()


def _listen(settings: Settings) -> socket.socket:
    """Take the port before anything else is started, so that a second viewer fails at once and in words."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # connections inherit it
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _SILENT_MILLISECONDS)
    try:
        listener.bind((settings.host, settings.port))
        listener.listen(1024)
    except OSError as error:
        listener.close()
        raise _cannot_listen(settings, error) from error
    return listener


def _cannot_listen(settings: Settings, error: OSError) -> SerflabError:
    hint = "stop it, or choose another port with --port or server.port in config.yaml"
    if error.errno == errno.EADDRINUSE:
        try:
            check_free({settings.port: "the viewer"})
        except SerflabError as busy:
            return SerflabError(busy.message, hint=hint)
        return SerflabError(f"port {settings.port} (the viewer) is in use", hint=hint)
    where = f"{settings.host}:{settings.port}"
    return SerflabError(f"cannot listen on {where}: {error.strerror or error}", hint="see server.host and --host")
