"""The page with 1,000 nodes and 3,000 links in headless Chromium without a GPU, against a bare vis-network page.

Ours is the whole page of a viewer process on a topology file of that size; the loads, which no lab gives here, are
filled into the answer on its way to the browser. The peer is a page with nothing but vis-network and the same nodes,
places and links.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import math
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from playwright.async_api import Page, async_playwright

from benchmarks.clusters import CHECKOUT
from benchmarks.comparison import Comparison

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

PORT = 31790
NODES = 1000
LINKS = 3000
COLUMNS = 40
SPACING = 190
SECONDS = 4.0
# A wheel's notch moves both libraries' zoom by about a tenth; four in, four out.
NOTCH = 10
LEAST_FRAMES = 30.0
LEAST_RATIO = 3.0
MOST_PAINT_MS = 2000.0
MOST_RECOLOUR_MS = 100.0
PEER = CHECKOUT / "benchmarks" / "peer"
ARGUMENTS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
PEER_PAGE = (
    '<!doctype html><style>html, body, #graph { margin: 0; height: 100% }</style><div id="graph"></div>'
    '<script src="/vis.js"></script>'
)
DRAWN = """async count => {
  const frame = () => new Promise(resolve => requestAnimationFrame(resolve));
  while (!(window.serflab && window.serflab.graph.drawn().length === count)) await frame();
  await frame();
  await frame();
  return performance.now();
}"""
# A frame counts when it shows another part of the graph than the one before it.
START = """() => {
  const seen = window.peer
    ? () => JSON.stringify([window.peer.getViewPosition(), window.peer.getScale()])
    : () => JSON.stringify(window.serflab.graph.viewport());
  const counter = {frames: 0, began: performance.now()};
  let last = seen();
  const next = () => {
    const now = seen();
    if (now !== last) counter.frames += 1;
    last = now;
    counter.request = requestAnimationFrame(next);
  };
  counter.request = requestAnimationFrame(next);
  window.counter = counter;
}"""
STOP = """() => {
  cancelAnimationFrame(window.counter.request);
  return 1000 * window.counter.frames / (performance.now() - window.counter.began);
}"""
SHOW_PEER = """({nodes, links}) => {
  const began = performance.now();
  window.data = new vis.DataSet(nodes);
  const options = {physics: false, edges: {smooth: false}};
  const data = {nodes: window.data, edges: new vis.DataSet(links)};
  window.peer = new vis.Network(document.getElementById("graph"), data, options);
  window.peer.fit();
  return new Promise(resolve => window.peer.once("afterDrawing", () => resolve(performance.now() - began)));
}"""
# Of the main thread, from the call until the next picture is drawn.
RECOLOUR = """document => new Promise(resolve => {
  let busy = performance.now();
  if (window.peer) window.data.update(document);
  else window.serflab.graph.update(document);
  busy = performance.now() - busy;
  requestAnimationFrame(() => {
    const began = performance.now();
    const channel = new MessageChannel();
    channel.port1.onmessage = () => resolve(busy + performance.now() - began);
    channel.port2.postMessage(null);
  });
})"""


@dataclass(frozen=True)
class Seen:
    """What was measured of one page: frames a second, milliseconds."""

    paint: float
    pan: float
    zoom: float
    recolour: float


def measure(field: str, runs: int = 3) -> Comparison:
    """Return one of the figures; all are measured in the same runs, pages in turn."""
    at = [figure.field for figure in _FIGURES].index(field)
    return _measured(runs)[at]


@functools.cache
def _measured(runs: int) -> list[Comparison]:
    # The bundle that is measured holds what vis-network wants beside it.
    command = ["npm", "ci", "--legacy-peer-deps", "--ignore-scripts", "--no-audit", "--no-fund"]
    subprocess.run(command, cwd=PEER, check=True, capture_output=True)
    with _viewer() as url:
        return asyncio.run(_look(url, runs))


async def _look(url: str, runs: int) -> list[Comparison]:
    library = (PEER / "node_modules/vis-network/standalone/umd/vis-network.min.js").read_text(encoding="utf-8")
    ours: list[Seen] = []
    peers: list[Seen] = []
    async with async_playwright() as playwright:
        chromium = shutil.which("chromium") or shutil.which("google-chrome")
        browser = await playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        document = json.loads(_ask(f"{url}/api/topology"))
        for _ in range(runs):
            for look, found in ((_ours, ours), (_peer, peers)):
                context = await browser.new_context(viewport={"width": 1440, "height": 900})
                found.append(await look(await context.new_page(), url, document, library))
                await context.close()
            print(f"  {ours[-1]}, vis-network: {peers[-1]}", flush=True)
        await browser.close()
    return [figure.compare(ours, peers) for figure in _FIGURES]


@dataclass(frozen=True)
class _Figure:
    """A figure of both pages: field of `Seen`, unit, aim as text, and whether a value with its ratio keeps to it."""

    name: str
    field: str
    unit: str
    aim: str
    met: Callable[[float, float], bool]
    note: str

    def compare(self, ours: list[Seen], peers: list[Seen]) -> Comparison:
        """Return the medians of all runs and of the ratios of neighbours."""
        mine, theirs = ([getattr(seen, self.field) for seen in found] for found in (ours, peers))
        ratios = [a / b for a, b in zip(mine, theirs, strict=True)]
        value, ratio = statistics.median(mine), statistics.median(ratios)
        return Comparison(
            name=f"{self.name}, {NODES:,} nodes, {LINKS:,} links",
            unit=self.unit,
            ours=value,
            peer_name="a bare vis-network page",
            peer=statistics.median(theirs),
            ratio=ratio,
            spread=f"{min(ratios):.2f}-{max(ratios):.2f}",
            aim=self.aim,
            met=self.met(value, ratio),
            runs=len(ours),
            note=self.note,
        )


def _quick(frames: float, ratio: float) -> bool:
    return frames >= LEAST_FRAMES and ratio >= LEAST_RATIO


_MOVING = f"≥ {LEAST_FRAMES:g} frames/s, ≥ {LEAST_RATIO:g}×"
_COUNTED = (
    "frames that show another part of the graph while the mouse drags or its wheel turns; a browser draws 60 at most"
)
_FIGURES = (
    _Figure(
        "first paint",
        "paint",
        "ms",
        f"≤ {MOST_PAINT_MS:g} ms",
        lambda value, _: value <= MOST_PAINT_MS,
        "ours from opening the whole page, the peer's from its data to the first picture",
    ),
    _Figure("pan", "pan", "frames/s", _MOVING, _quick, _COUNTED),
    _Figure("zoom", "zoom", "frames/s", _MOVING, _quick, _COUNTED),
    _Figure(
        "all colours",
        "recolour",
        "ms",
        f"≤ {MOST_RECOLOUR_MS:g} ms",
        lambda value, _: value <= MOST_RECOLOUR_MS,
        "main-thread time, the next picture with it",
    ),
)


async def _ours(page: Page, url: str, document: dict[str, Any], _library: str) -> Seen:
    loaded = _with_loads(document, 0)
    await page.route("**/api/topology", lambda route: route.fulfill(json=loaded))
    await page.route("**/api/events*", lambda route: route.fulfill(status=503, json={}))
    await page.goto(url)
    paint = float(await page.evaluate(DRAWN, NODES))
    await page.wait_for_timeout(1000)
    colours = [float(await page.evaluate(RECOLOUR, _with_loads(document, seed))) for seed in range(1, 6)]
    return Seen(paint, *await _move(page), statistics.median(colours))


async def _peer(page: Page, url: str, document: dict[str, Any], library: str) -> Seen:
    await page.route("**/vis.js", lambda route: route.fulfill(body=library, content_type="text/javascript"))
    await page.route("**/peer.html", lambda route: route.fulfill(body=PEER_PAGE, content_type="text/html"))
    await page.goto(f"{url}/peer.html")
    links = [{"from": a["node"], "to": b["node"]} for a, b in (link["endpoints"] for link in document["links"])]
    paint = float(await page.evaluate(SHOW_PEER, {"nodes": _peer_nodes(document, 0), "links": links}))
    await page.wait_for_timeout(1000)
    colours = [float(await page.evaluate(RECOLOUR, _peer_nodes(document, seed))) for seed in range(1, 6)]
    return Seen(paint, *await _move(page), statistics.median(colours))


async def _move(page: Page) -> tuple[float, float]:
    await page.mouse.move(20, 600)
    await page.mouse.down()
    pan = await _frames(
        page, lambda at: page.mouse.move(20 + 150 * math.sin(4 * at) ** 2, 600 + 100 * math.sin(5 * at))
    )
    await page.mouse.up()
    await page.mouse.move(700, 450)
    await page.wait_for_timeout(500)
    zoom = await _frames(page, lambda at: page.mouse.wheel(0, -NOTCH if int(12 * at) % 8 < 4 else NOTCH))
    return pan, zoom


async def _frames(page: Page, act: Callable[[float], Awaitable[None]]) -> float:
    """Return the frames a second while `act` is called about 80 times a second, which is more than there are frames."""
    waiting: set[asyncio.Future[None]] = set()
    await page.evaluate(START)
    began = time.monotonic()
    while (at := time.monotonic() - began) < SECONDS:
        task = asyncio.ensure_future(act(at))
        waiting.add(task)
        task.add_done_callback(waiting.discard)
        await asyncio.sleep(0.012)
        if len(waiting) > 3:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    frames = float(await page.evaluate(STOP))
    await asyncio.gather(*waiting)
    return frames


def _with_loads(document: dict[str, Any], seed: int) -> dict[str, Any]:
    draw = random.Random(seed)
    rest = {"memory": 50.0, "psi": 1.0, "power": 60.0, "stale_since": None}
    return document | {
        "nodes": [
            node | {"state": "ready", "load": {"cpu": draw.uniform(0, 100), **rest}} for node in document["nodes"]
        ],
        "links": [link | {"state": "up"} for link in document["links"]],
    }


def _peer_nodes(document: dict[str, Any], seed: int) -> list[dict[str, Any]]:
    draw = random.Random(seed)
    loads = {node["name"]: draw.uniform(0, 100) for node in document["nodes"]}
    return [
        {
            "id": name,
            "label": f"{name}\n{load:.0f} %",
            "shape": "circle",
            "color": "#12702f" if load < 20 else "#8f5500" if load <= 60 else "#c22f2f",
            "x": at % COLUMNS * SPACING,
            "y": at // COLUMNS * SPACING,
        }
        for at, (name, load) in enumerate(loads.items())
    ]


def _topology() -> str:
    """Return a topology file: a grid of links, and the rest between nodes drawn at random."""
    draw = random.Random(4)
    pairs: list[list[int]] = [[at, at + step] for step in (1, COLUMNS) for at in range(NODES - step)]
    pairs += [draw.sample(range(NODES), 2) for _ in range(LINKS - len(pairs))]
    interfaces = [0] * NODES
    lines = [
        "name: thousand",
        "topology:",
        "  nodes:",
        *(f"    serf{at + 1}: {{kind: linux}}" for at in range(NODES)),
        "  links:",
    ]
    for pair in pairs[:LINKS]:
        for end in pair:
            interfaces[end] += 1
        lines.append("    - endpoints: [" + ", ".join(f'"serf{end + 1}:eth{interfaces[end]}"' for end in pair) + "]")
    return "\n".join(lines) + "\n"


@contextlib.contextmanager
def _viewer() -> Iterator[str]:
    """A viewer process on a topology of that size, without a lab."""
    directory = Path(tempfile.mkdtemp(prefix="serflab-bench-"))
    (directory / "topology.yaml").write_text(_topology(), encoding="utf-8")
    (directory / "config.yaml").write_text("containerlab:\n  topology_file: topology.yaml\n", encoding="utf-8")
    arguments = [f"--config={directory / 'config.yaml'}", f"--port={PORT}", "--log-level=error"]
    environment = {**os.environ, "SERFLAB_STATE": str(directory / "none")}
    viewer = subprocess.Popen([sys.executable, CHECKOUT / "flask-app" / "app.py", *arguments], env=environment)
    url = f"http://127.0.0.1:{PORT}"
    try:
        while True:
            with contextlib.suppress(OSError):
                _ask(f"{url}/api/topology")
                break
            time.sleep(0.3)
        yield url
    finally:
        viewer.terminate()
        viewer.wait()
        shutil.rmtree(directory, ignore_errors=True)


def _ask(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=10) as answer:
        body: bytes = answer.read()
    return body


MEASURES = {f"graph-{figure.field}": functools.partial(measure, figure.field) for figure in _FIGURES}
