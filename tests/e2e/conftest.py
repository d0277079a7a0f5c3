"""A real browser on the page of the shared lab."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import sync_playwright
from visiting import COLOURED, PATIENCE_MS, Visit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
ARGUMENTS = [
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip


# Of the module and no longer: Playwright keeps an event loop running in this thread, which async tests would refuse.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def modules(browser: Browser, lab: Any) -> Iterator[Page]:
    """A place for tests that ask the page's modules alone: of the viewer's origin, without the page itself."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{lab.viewer_url}/static/icons/serflab.svg")
    yield page
    context.close()


@pytest.fixture
def visit(browser: Browser, lab: Any) -> Iterator[Visit]:
    """A visit in a wide window; at its end nothing may have left the machine, and the console must be silent."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    visit = Visit(context, lab.viewer_url)
    yield visit
    context.close()
    assert visit.hosts <= {urlsplit(lab.viewer_url).netloc}
    assert visit.complaints == []


@pytest.fixture
def serf_name(lab: Any) -> str:
    name: str = lab.inventory.serfs[0].name
    return name


@pytest.fixture
def coloured(visit: Visit, lab: Any) -> Page:
    """The page, once every serf of the lab has a colour."""
    page = visit.open()
    page.wait_for_function(COLOURED, arg=[serf.name for serf in lab.inventory.serfs], timeout=PATIENCE_MS)
    return page
