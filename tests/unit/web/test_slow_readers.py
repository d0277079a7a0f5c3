"""A reader of the stream that does not keep up costs no memory, and sees the present once it reads again."""

from __future__ import annotations

import json
import socket
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from serflab.lab.feed import Feed
from serflab.lab.load import THRESHOLDS
from serflab.lab.overview import Observed, PrometheusState
from serflab.lab.topology import Node, Topology
from serflab.web.app import create_app
from server_sent import events

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from flask import Flask

    from serflab.lab.observer import LabObserver
    from serflab.web.settings import Settings

NODES = 2000
CHANGES = 100


class Changing:
    """A lab without serfs, every node of which is another one with each change."""

    def __init__(self) -> None:
        nodes = tuple(Node(f"router{number}", "linux", "prometheus") for number in range(NODES))
        topology = Topology(Path("t.yaml"), "wide", nodes, ())
        state = PrometheusState("ready", "http://127.0.0.1:1", None, "")
        self.seen = Observed(topology, None, "", state, {}, THRESHOLDS, {})
        self.feed = Feed(lambda: self.seen)
        self.feed.look()

    def change(self, number: int) -> None:
        self.seen = replace(self.seen, prometheus=replace(self.seen.prometheus, message=f"change {number}"))
        self.feed.look()


@pytest.fixture
def changing() -> Changing:
    return Changing()


@pytest.fixture
def server(settings: Settings, observer: LabObserver, changing: Changing, serve: Callable[[Flask], Any]) -> Any:
    observer.feed = changing.feed
    return serve(create_app(settings, observer))


def test_a_reader_that_does_not_read_costs_no_memory_and_then_sees_the_present(
    server: Any, changing: Changing, settle: Callable[[Callable[[], bool]], None]
) -> None:
    reader = socket.socket()
    reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 * 1024)
    reader.settimeout(60)
    reader.connect(("127.0.0.1", int(server.effective_port)))
    reader.sendall(b"GET /api/events HTTP/1.0\r\nHost: localhost\r\n\r\n")
    settle(lambda: bool(server.active_channels))
    (channel,) = server.active_channels.values()
    whole = len(changing.feed.picture().body)
    numbers = count()

    def stuck() -> bool:
        """Change something, until what the kernel takes for a reader is used up."""
        changing.change(next(numbers))
        return bool(channel.total_outbufs_len > 256 * 1024)

    settle(stuck)
    unread = 0
    for _ in range(CHANGES):
        changing.change(next(numbers))
        unread = max(unread, channel.total_outbufs_len)
    assert unread < 256 * 1024 + 2 * whole

    newest = changing.feed.picture().version
    read, kinds = 0, []

    def chunks() -> Iterator[bytes]:
        nonlocal read
        while data := reader.recv(1 << 20):
            read += len(data)
            yield data.partition(b"\r\n\r\n")[2] if read == len(data) else data

    for event in events(chunks()):
        kinds.append(event.get("event"))
        if event.get("id") == newest:
            break
    assert json.loads(event["data"])["prometheus"]["message"] == f"change {next(numbers) - 1}"
    assert kinds.count("topology") >= 2
    assert read < CHANGES * whole / 4
    reader.close()
