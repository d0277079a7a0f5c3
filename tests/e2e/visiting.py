"""What tests of the page share: a visit by a browser, and what is drawn on the page."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from playwright.sync_api import Page, expect

from serflab.kube.client import ApiClient
from serflab.kube.credentials import load_credentials

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext

# The first scrapes of a lab that has just come up, on a busy machine.
PATIENCE_MS = 60_000
expect.set_options(timeout=PATIENCE_MS)
COLOURED = """names => {
  const drawn = window.serflab ? window.serflab.graph.drawn() : [];
  return names.every(name => drawn.some(node => node.name === name && node.classes.some(
    item => ["level-green", "level-amber", "level-red"].includes(item))));
}"""
RESULTS = Path(__file__).parents[2] / "test-results"
DRAWN = "window.serflab ? window.serflab.graph.drawn() : []"
INK = """canvas => {
  const {data} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  return data.some((value, at) => at % 4 === 3 && value > 0);
}"""


class Visit:
    """A page and what happened on it: where it sent requests and what its console complained of."""

    def __init__(self, context: BrowserContext, url: str) -> None:
        self.url = url
        self.hosts: set[str] = set()
        self.complaints: list[str] = []
        self.page = context.new_page()
        self.page.set_default_timeout(PATIENCE_MS)
        self.page.on("request", lambda request: self.hosts.add(urlsplit(request.url).netloc))
        self.page.on("console", lambda message: self._hear(message.type, message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def open(self, hash_: str = "") -> Page:
        self.page.goto(f"{self.url}/{hash_}")
        return self.page

    def _hear(self, kind: str, text: str) -> None:
        if kind in {"error", "warning"}:
            self.complaints.append(text)


def place(page: Page, name: str) -> dict[str, float]:
    where: dict[str, float] = page.evaluate("name => window.serflab.graph.position(name)", name)
    return where


def click_node(page: Page, name: str) -> None:
    where = place(page, name)
    page.mouse.click(where["x"], where["y"])


def drag(page: Page, name: str, by: tuple[int, int]) -> None:
    where = place(page, name)
    page.mouse.move(where["x"], where["y"])
    page.mouse.down()
    page.mouse.move(where["x"] + by[0] / 2, where["y"] + by[1] / 2)
    page.mouse.move(where["x"] + by[0], where["y"] + by[1])
    page.mouse.up()


def pods_of(lab: Any, serf: str) -> set[str]:
    async def ask() -> set[str]:
        async with ApiClient(load_credentials(lab.inventory.serf(serf).kubeconfig)) as client:
            items = (await client.list("/api/v1/pods"))["items"]
        return {f"{item['metadata']['namespace']}/{item['metadata']['name']}" for item in items}

    with ThreadPoolExecutor(1) as other_thread:
        return other_thread.submit(asyncio.run, ask()).result()
