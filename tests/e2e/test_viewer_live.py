"""The page follows the lab: by the viewer's stream, by polling where that is refused, and it says when it is old."""

from __future__ import annotations

import os
import re
import signal
from collections import Counter
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
import requests
from playwright.sync_api import Page, expect
from visiting import COLOURED, DRAWN, PATIENCE_MS, Visit

if TYPE_CHECKING:
    from collections.abc import Iterator

VIEWER = "services:viewer"
STALE = re.compile(r"Stale since \d\d:\d\d:\d\d")
# What Chromium itself says of requests that a test lets fail.
BROKEN = re.compile(r"net::ERR_|status of 503")


@pytest.fixture
def asked(visit: Visit) -> Counter[str]:
    """How often the page has asked for each path."""
    paths: Counter[str] = Counter()
    visit.page.on("request", lambda request: paths.update([urlsplit(request.url).path]))
    return paths


@pytest.fixture
def breakable(visit: Visit, lab: Any) -> Iterator[Visit]:
    """A visit that may see its viewer gone; it is there again afterwards."""
    yield visit
    lab.supervisor.start(VIEWER)
    visit.complaints = [text for text in visit.complaints if not BROKEN.search(text)]


def mode(page: Page, text: str) -> None:
    expect(page.locator("#live-text")).to_have_text(text)


def changes(page: Page) -> None:
    """Wait until the picture shows another load than now."""
    before = {node["name"]: node["label"] for node in page.evaluate(DRAWN)}
    page.wait_for_function(
        "before => window.serflab.graph.drawn().some(node => node.label !== before[node.name])",
        arg=before,
        timeout=PATIENCE_MS,
    )


def test_changes_reach_the_page_by_the_stream_without_asking_again(visit: Visit, asked: Counter[str], lab: Any) -> None:
    page = visit.open()
    page.wait_for_function(COLOURED, arg=[serf.name for serf in lab.inventory.serfs], timeout=PATIENCE_MS)
    mode(page, "Live")
    changes(page)
    changes(page)
    assert (asked["/api/events"], asked["/api/topology"]) == (1, 0)


def test_several_tabs_are_live_at_once(visit: Visit, coloured: Page) -> None:
    other = visit.page.context.new_page()
    other.goto(visit.url)
    for page in (coloured, other):
        mode(page, "Live")
        changes(page)


@pytest.mark.usefixtures("breakable")
def test_a_restarted_viewer_is_followed_again(coloured: Page, lab: Any) -> None:
    mode(coloured, "Live")
    coloured.evaluate(
        """() => {
          window.modes = [];
          const text = document.getElementById("live-text");
          new MutationObserver(() => window.modes.push(text.textContent)).observe(text, {childList: true});
        }"""
    )
    os.kill(lab.supervisor.state(VIEWER).pid, signal.SIGKILL)
    coloured.wait_for_function("() => window.modes.length > 1 && window.modes.at(-1) === 'Live'", timeout=PATIENCE_MS)
    assert coloured.evaluate("window.modes[0]") == "Reconnecting …"
    expect(coloured.locator("#notices .error")).to_have_count(0)
    changes(coloured)


@pytest.mark.usefixtures("breakable")
def test_a_viewer_that_is_gone_makes_the_page_old_until_it_returns(coloured: Page, lab: Any) -> None:
    mode(coloured, "Live")
    lab.supervisor.stop(VIEWER)
    expect(coloured.locator("#notices .error")).to_contain_text(STALE)
    mode(coloured, "Stale")
    assert coloured.evaluate(DRAWN), "what was known is still shown"
    lab.supervisor.start(VIEWER)
    mode(coloured, "Live")
    expect(coloured.locator("#notices .error")).to_have_count(0)
    changes(coloured)


@pytest.mark.usefixtures("breakable")
def test_a_viewer_that_hangs_makes_the_page_old(coloured: Page, lab: Any) -> None:
    mode(coloured, "Live")
    viewer = lab.supervisor.state(VIEWER).pid
    os.kill(viewer, signal.SIGSTOP)
    try:
        expect(coloured.locator("#notices .error")).to_contain_text(STALE)
    finally:
        os.kill(viewer, signal.SIGCONT)
    mode(coloured, "Live")
    expect(coloured.locator("#notices .error")).to_have_count(0)


def test_a_page_that_is_refused_a_stream_polls_and_tries_it_again(breakable: Visit) -> None:
    breakable.page.route("**/api/events*", lambda route: route.fulfill(status=503, body="{}"))
    page = breakable.open()
    mode(page, "Live, polling")
    page.wait_for_function("() => window.serflab && window.serflab.graph.drawn().length > 0", timeout=PATIENCE_MS)
    changes(page)
    page.unroute("**/api/events*")
    mode(page, "Live")


def test_a_stream_that_something_on_its_way_holds_back_is_replaced_by_polling(breakable: Visit) -> None:
    held = []
    breakable.page.route("**/api/events*", lambda route: held.append(route))  # noqa: PLW0108 - looked into by Playwright
    page = breakable.open()
    mode(page, "Live, polling")
    assert held
    expect(page.locator("#notices .error")).to_have_count(0)


def test_polling_asks_for_what_is_new_only(breakable: Visit) -> None:
    breakable.page.route("**/api/events*", lambda route: route.fulfill(status=503, body="{}"))
    sent = []
    breakable.page.on("request", lambda request: sent.append(request) if request.url.endswith("/topology") else None)
    page = breakable.open()
    mode(page, "Live, polling")
    changes(page)
    first, *later = [request.all_headers().get("if-none-match") for request in sent]
    assert first is None
    assert all(later)


def test_a_hidden_tab_holds_no_stream_and_catches_up_when_it_is_shown(visit: Visit, coloured: Page) -> None:
    mode(coloured, "Live")
    hide = """hidden => {
      Object.defineProperty(document, "hidden", {value: hidden, configurable: true});
      document.dispatchEvent(new Event("visibilitychange"));
    }"""
    with visit.page.expect_event("requestfailed", lambda request: "/api/events" in request.url):
        coloured.evaluate(hide, True)
    with visit.page.expect_request(re.compile(r"/api/events\?last_event_id=.+")):
        coloured.evaluate(hide, False)
    mode(coloured, "Live")
    changes(coloured)


def test_a_delta_replaces_whole_entries_and_leaves_the_rest(modules: Page) -> None:
    after = modules.evaluate(
        """async () => {
          const { applyDelta } = await import("/static/js/live.js");
          const nodes = [{name: "a", load: 1, extra: true}, {name: "b", load: 2}];
          const before = {generated_at: 1, name: "lab", nodes, links: [{id: "a--b", state: "up"}]};
          const after = applyDelta(before, {generated_at: 2, nodes: [{name: "a", load: 3}]});
          return {after, same: after.nodes[1] === nodes[1] && after.links === before.links};
        }"""
    )
    assert after["same"]
    assert after["after"] == {
        "generated_at": 2,
        "name": "lab",
        "nodes": [{"name": "a", "load": 3}, {"name": "b", "load": 2}],
        "links": [{"id": "a--b", "state": "up"}],
    }


def compressed_size(url: str) -> int:
    """Return how many bytes the viewer sends for a file of the page."""
    with requests.get(url, headers={"Accept-Encoding": "gzip"}, stream=True, timeout=10) as response:
        assert response.ok, url
        return len(response.raw.read(decode_content=False))


def test_the_page_weighs_less_than_400_kb_and_comes_from_the_viewer_alone(visit: Visit, lab: Any) -> None:
    asked: list[str] = []
    visit.page.on("requestfinished", lambda request: asked.append(request.url))
    page = visit.open(f"#node={lab.inventory.serfs[0].name}&history=15m")
    page.wait_for_function(COLOURED, arg=[serf.name for serf in lab.inventory.serfs], timeout=PATIENCE_MS)
    expect(page.locator("#panel h2")).to_be_visible()
    # Icons that are drawn in the page, as data: addresses, come from nowhere.
    paths = {url.path for url in map(urlsplit, asked) if url.netloc and not url.path.startswith("/api/")}
    assert {"/", "/static/js/main.js", "/vendor/cytoscape.js", "/vendor/uplot.js"} <= paths
    weights = {path: compressed_size(f"{lab.viewer_url}{path}") for path in paths}
    assert all(weights.values())
    assert sum(weights.values()) < 400_000, weights
    assert visit.hosts == {urlsplit(lab.viewer_url).netloc}
