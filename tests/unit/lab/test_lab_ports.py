"""Ports: which a serf has, and what is said when one is taken. The taken ones are really listened on."""

from __future__ import annotations

import dataclasses
import errno
import os
import socket

import pytest

from serflab.errors import SerflabError
from serflab.lab.ports import PORT_BASE, SerfPorts, check_free, port_base


@pytest.fixture
def listen():
    """Listen on a port that the system picks, as this process; return its number."""
    opened = []

    def listen(host="127.0.0.1"):
        server = socket.create_server((host, 0))
        opened.append(server)
        return server.getsockname()[1]

    yield listen
    for server in opened:
        server.close()


def test_every_serf_of_a_large_lab_has_ports_of_its_own_below_those_of_clients():
    numbers = [port for index in range(100) for port in dataclasses.astuple(SerfPorts.of(index, PORT_BASE))]
    assert len(set(numbers)) == len(numbers)
    assert min(numbers) == PORT_BASE
    assert max(numbers) < 32768


def test_free_ports_are_fine():
    with socket.create_server(("127.0.0.1", 0)) as server:
        free = server.getsockname()[1]
    check_free({free: "the viewer"})


def test_a_port_that_only_root_may_try_counts_as_free(monkeypatch):
    class OfAUser(socket.socket):
        def bind(self, _address):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr("serflab.lab.ports.socket.socket", OfAUser)
    check_free({443: "port 6443 of serf1"})


def test_a_taken_port_is_named_with_its_purpose_and_its_holder(listen):
    port = listen()
    with pytest.raises(SerflabError) as caught:
        check_free({port: "the viewer"})
    assert caught.value.message.startswith(f"port {port} (the viewer) is in use by ")
    assert f"(pid {os.getpid()}: " in caught.value.message
    assert "SERFLAB_PORT_BASE" in caught.value.hint
    assert "--viewer-port" in caught.value.hint
    assert caught.value.exit_status == 1


def test_a_listener_on_all_addresses_takes_the_port_as_well(listen):
    port = listen("0.0.0.0")
    with pytest.raises(SerflabError, match=rf"port {port} \(etcd\) is in use by .*\(pid {os.getpid()}: "):
        check_free({port: "etcd"})


def test_all_taken_ports_are_named_at_once(listen):
    first, second = listen(), listen()
    with pytest.raises(SerflabError) as caught:
        check_free({first: "kwok of serf1", second: "etcd of serf2"})
    assert [line.partition(" is in use")[0] for line in caught.value.message.splitlines()] == [
        f"port {first} (kwok of serf1)",
        f"port {second} (etcd of serf2)",
    ]


def test_a_port_is_free_as_soon_as_its_listener_has_ended_though_the_system_remembers_its_connections():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        client = socket.create_connection(("127.0.0.1", port))
        accepted, _ = server.accept()
    accepted.close()  # the side that closes first is left in TIME_WAIT
    client.close()
    check_free({port: "etcd"})


def test_the_first_port_comes_from_the_environment(monkeypatch):
    assert port_base() == 21000
    monkeypatch.setenv("SERFLAB_PORT_BASE", "")
    assert port_base() == 21000
    monkeypatch.setenv("SERFLAB_PORT_BASE", "30000")
    assert port_base() == 30000


@pytest.mark.parametrize("text", ["none", "80", "1023", "60001", "-21000", "21000.5", "²"])
def test_a_first_port_that_is_none(monkeypatch, text):
    monkeypatch.setenv("SERFLAB_PORT_BASE", text)
    with pytest.raises(SerflabError) as caught:
        port_base()
    assert str(caught.value) == f"SERFLAB_PORT_BASE: is {text!r}; expected a port from 1024 to 60000"
    assert caught.value.exit_status == 2
