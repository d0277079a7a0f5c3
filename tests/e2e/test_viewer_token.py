"""The page of a viewer that other machines reach: it shows everything, and asks for the token with the first change."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
import requests
from playwright.sync_api import expect
from running_lab import until
from viewer_process import Viewer
from visiting import COLOURED, PATIENCE_MS, Visit, drag

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser


@pytest.fixture
def guarded(lab: Any, tmp_path: Path) -> Iterator[Viewer]:
    # An address of the loopback device that is not the usual one: as good as any other, and nobody else reaches it.
    viewer = Viewer(lab.port_base + 252, tmp_path, host="127.0.0.2")
    try:
        viewer.start()
        viewer.lab_comes(lab)
        yield viewer
    finally:
        viewer.clear()


def test_a_change_is_saved_once_the_token_is_right_and_not_asked_again(
    browser: Browser, guarded: Viewer, serf_name: str
) -> None:
    told = re.search(r"Bearer ([\w-]+)", guarded.log.read_text())
    assert told

    def saved() -> dict[str, float] | None:
        places: dict[str, dict[str, float]] = requests.get(f"{guarded.url}/api/positions", timeout=20).json()[
            "positions"
        ]
        return places.get(serf_name)

    context = browser.new_context(viewport={"width": 1200, "height": 800})
    page = Visit(context, guarded.url).open()
    page.wait_for_function(COLOURED, arg=[serf_name], timeout=PATIENCE_MS)
    dialog = page.get_by_role("dialog", name="This viewer asks for a token")

    drag(page, serf_name, (60, 40))
    dialog.get_by_label("Token").fill("not-the-token-of-this-viewer")
    page.keyboard.press("Enter")
    expect(dialog.get_by_role("alert")).to_have_text("The viewer did not accept that token.")
    assert saved() is None
    dialog.get_by_label("Token").fill(told[1])
    page.keyboard.press("Enter")
    expect(dialog).to_have_count(0)
    until(lambda: saved() is not None)

    first = saved()
    drag(page, serf_name, (-30, 20))
    until(lambda: saved() != first)
    expect(dialog).to_have_count(0)
    context.close()


def test_who_gives_no_token_is_told_that_nothing_is_saved(browser: Browser, guarded: Viewer, serf_name: str) -> None:
    context = browser.new_context(viewport={"width": 1200, "height": 800})
    page = Visit(context, guarded.url).open()
    page.wait_for_function(COLOURED, arg=[serf_name], timeout=PATIENCE_MS)
    drag(page, serf_name, (60, 40))
    page.get_by_role("button", name="Go on without saving").click()
    expect(page.get_by_text("The positions are not saved")).to_be_visible()
    assert requests.get(f"{guarded.url}/api/positions", timeout=20).json()["positions"] == {}
    context.close()
