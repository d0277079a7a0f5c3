"""Unix sockets of a lab's programs: where they lie, and waiting for a program by its socket."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import pytest

from serflab.errors import SerflabError
from serflab.lab import health
from serflab.lab.health import Awaited, Watchman
from serflab.lab.processes import end, lab_processes
from serflab.lab.sockets import is_healthy, offload_directory, offload_socket, remove_elsewhere, socket_path
from serflab.lab.supervisor import Program, Supervisor
from serflab.offload.socket import socket_path as manager_socket

# Listens on the socket of its first argument and answers /healthz with the status of its second.
SERVER = """
import sys
from http.server import BaseHTTPRequestHandler
from socketserver import UnixStreamServer

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(int(sys.argv[2]) if self.path == "/healthz" else 404)
        self.end_headers()
    def log_message(self, *_):
        pass
    def address_string(self):
        return "unix"

UnixStreamServer(sys.argv[1], Handler).serve_forever()
"""


@pytest.fixture
def supervisor(tmp_path):
    made = Supervisor(tmp_path)
    yield made
    end(lab_processes(tmp_path), patience=0.5)
    made.shut_down()


def start(supervisor, tmp_path, status):
    """Start a server of that status and return how it is waited for."""
    socket, log = tmp_path / "a.sock", tmp_path / "server.log"
    script = tmp_path / "server.py"
    script.write_text(SERVER)
    command = (sys.executable, str(script), str(socket), str(status))
    supervisor.configure([Program("services", "server", command, log, tmp_path)])
    supervisor.start("services:server")
    return Awaited("services:server", socket, log)


def test_a_program_is_ready_when_it_says_so_on_its_socket(supervisor, tmp_path):
    awaited = start(supervisor, tmp_path, 200)
    Watchman(supervisor).await_ready([awaited])
    assert is_healthy(awaited.health)


def test_a_program_that_says_that_it_is_not_ready_is_waited_for(supervisor, tmp_path, monkeypatch):
    monkeypatch.setattr(health, "READY_SECONDS", 0.5)
    awaited = start(supervisor, tmp_path, 503)
    with pytest.raises(SerflabError, match="services: server was not ready"):
        Watchman(supervisor).await_ready([awaited])


def test_nobody_is_healthy_where_nobody_listens(tmp_path):
    assert not is_healthy(tmp_path / "none.sock")
    (tmp_path / "file.sock").touch()
    assert not is_healthy(tmp_path / "file.sock")


def test_a_socket_lies_in_its_directory_unless_the_path_is_too_long():
    assert socket_path(Path("/lab/supervisor"), "a.sock") == Path("/lab/supervisor/a.sock")
    deep = Path("/lab") / ("deep" * 30)
    path = socket_path(deep, "a.sock")
    assert path.name == "a.sock"
    assert path.is_relative_to(tempfile.gettempdir())
    assert path == socket_path(deep, "a.sock")
    assert path.parent != socket_path(deep, "b.sock").parent
    assert path.parent != socket_path(deep / "er", "a.sock").parent


def test_the_manager_listens_where_the_lab_looks_for_it():
    for state_dir in (Path("/lab"), Path("/lab") / ("deep" * 30)):
        assert manager_socket(state_dir) == offload_socket(state_dir)
    assert offload_socket(Path("/lab")) == Path("/lab/offload/manager.sock")


def test_only_a_directory_that_lies_elsewhere_is_removed_with_its_socket(tmp_path_factory, monkeypatch):
    tmp_path = tmp_path_factory.mktemp("s")  # short: pytest's own directory of a test may be too long for a socket
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path / "t"))
    near, far = tmp_path / "near", tmp_path / ("deep" * 30)
    for state_dir in (near, far):
        directory, socket = offload_directory(state_dir), offload_socket(state_dir)
        socket.parent.mkdir(parents=True)
        socket.touch()
        remove_elsewhere(socket, directory)
    assert offload_socket(near).exists()
    assert not offload_socket(far).parent.exists()
