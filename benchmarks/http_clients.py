"""Clients of a web server in a process of their own: closed loops over kept-alive connections, and event streams."""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import time
from dataclasses import asdict, dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Load:
    """What closed-loop clients saw: milliseconds, requests a second, requests."""

    p50: float
    p99: float
    rate: float
    requests: int


@dataclass(frozen=True)
class Streams:
    """What event streams saw: how many were open, deltas that came, milliseconds from their making to their coming."""

    open: int
    deltas: int
    p50: float
    p99: float


async def load(url: str, clients: int, seconds: float) -> Load:
    """Let so many clients ask as fast as they are answered."""
    parts = urlsplit(url)
    request = f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nAccept-Encoding: gzip\r\n\r\n".encode()
    times: list[float] = []
    end = time.perf_counter() + seconds

    async def client() -> None:
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        while (began := time.perf_counter()) < end:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 200"):
                raise RuntimeError(head.decode())
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            await reader.readexactly(length)
            times.append(1000 * (time.perf_counter() - began))
        writer.close()

    await asyncio.gather(*(client() for _ in range(clients)))
    ranks = statistics.quantiles(times, n=100)
    return Load(statistics.median(times), ranks[98], len(times) / seconds, len(times))


async def streams(url: str, clients: int, seconds: float) -> Streams:
    """Hold so many streams open; the delay of a delta is from its `generated_at` on."""
    parts = urlsplit(url)
    request = f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode()
    delays: list[float] = []
    count = 0

    async def client() -> None:
        nonlocal count
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port, limit=1 << 24)
        writer.write(request)
        if not (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200"):
            raise RuntimeError("a stream was refused")
        count += 1
        kind = b""
        while True:
            line = await reader.readline()
            if line.startswith(b"event: "):
                kind = line[7:].strip()
            elif line.startswith(b"data: ") and kind == b"delta":
                now = time.time()
                delays.append(1000 * (now - json.loads(line[6:])["generated_at"]))

    tasks = [asyncio.create_task(client()) for _ in range(clients)]
    await asyncio.sleep(seconds)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return Streams(count, len(delays), statistics.median(delays), statistics.quantiles(delays, n=100)[98])


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=("load", "streams"))
    parser.add_argument("url")
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=10.0)
    options = parser.parse_args()
    act = load if options.kind == "load" else streams
    print(json.dumps(asdict(asyncio.run(act(options.url, options.clients, options.seconds)))), flush=True)


if __name__ == "__main__":
    _main()
