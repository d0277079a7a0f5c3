"""The page in a real browser, on a running lab."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any

import pytest
import requests
from playwright.sync_api import Page, expect
from visiting import DRAWN, Visit, pods_of

from serflab.lab.load import THRESHOLDS, level
from serflab.lab.metrics import METRICS

if TYPE_CHECKING:
    from collections.abc import Callable


def recent_cpu(lab: Any, serf: str) -> list[float]:
    """Return every CPU load of the serf that Prometheus knows of the last half minute."""
    now = time.time()
    query = {"query": METRICS["cpu"].of_serfs(serf=serf), "start": str(now - 30), "end": str(now), "step": "1"}
    answer = requests.get(f"{lab.prometheus_url}/api/v1/query_range", params=query, timeout=10).json()
    return [float(value) for series in answer["data"]["result"] for _, value in series["values"]]


def test_colours_and_rings_agree_with_prometheus(coloured: Page, lab: Any) -> None:
    drawn = {node["name"]: node for node in coloured.evaluate(DRAWN)}
    for serf in lab.inventory.serfs:
        node = drawn[serf.name]
        shown = [value for value in recent_cpu(lab, serf.name) if abs(min(value, 100) - node["ring"]) <= 0.5]
        assert shown, f"{serf.name}: Prometheus never had {node['ring']} %"
        assert any(f"level-{level(value, THRESHOLDS['cpu'])}" in node["classes"] for value in shown)
        assert re.fullmatch(rf"{serf.name}\n(~ )?[\d.]+ %", node["label"])


def test_the_bar_says_how_many_serfs_pods_and_targets_there_are(coloured: Page, lab: Any) -> None:
    count = len(lab.inventory.serfs)
    pods = sum(len(pods_of(lab, serf.name)) for serf in lab.inventory.serfs)
    expect(coloured.locator("#figure-serfs dd")).to_have_text(f"{count} / {count}")
    expect(coloured.locator("#figure-targets dd")).to_have_text(f"{count} / {count}")
    expect(coloured.locator("#figure-pods dd")).to_have_text(f"{pods} / {pods}")


def test_the_keyboard_alone_reaches_a_serf_and_comes_back(coloured: Page, serf_name: str) -> None:
    coloured.keyboard.press("Tab")
    expect(coloured.get_by_role("link", name="Skip to the list of nodes")).to_be_focused()
    coloured.keyboard.press("Enter")
    expect(coloured.locator("#nodes table")).to_be_visible()
    row = coloured.locator(f'#nodes tr[data-key="{serf_name}"]')
    for _ in range(40):
        coloured.keyboard.press("Tab")
        if row.evaluate("element => element === document.activeElement"):
            break
    expect(row).to_be_focused()
    coloured.keyboard.press("Enter")
    expect(coloured.locator("#panel")).to_be_focused()
    expect(coloured.locator("#panel h2")).to_have_text(serf_name)
    coloured.keyboard.press("Escape")
    expect(coloured.locator("#panel")).to_be_hidden()
    expect(row).to_be_focused()


def test_the_table_shows_what_the_graph_shows(coloured: Page, lab: Any) -> None:
    coloured.get_by_role("button", name="Table").click()
    for serf in lab.inventory.serfs:
        row = coloured.locator(f'#nodes tr[data-key="{serf.name}"]')
        expect(row).to_contain_text("Ready")
        expect(row.locator("td.level")).to_have_text(re.compile(r"^[\d.]+$"))


def test_search_and_legend_narrow_what_is_shown(coloured: Page, serf_name: str) -> None:
    coloured.get_by_role("button", name="Table").click()
    names = coloured.locator("#nodes tbody th")
    coloured.locator("#search").fill(f"{serf_name} ready")
    expect(names).to_have_text([serf_name])
    coloured.locator("#search").fill("nothing of that name")
    expect(coloured.get_by_text("No node matches the search.")).to_be_visible()
    coloured.locator("#search").fill("")
    chosen = next(name for name in ("green", "amber", "red") if coloured.locator(f"#nodes td.level-{name}").count())
    coloured.locator(f"#legend .level-{chosen}").click()
    expect(coloured.locator(f"#nodes td.level:not(.level-{chosen})")).to_have_count(0)


def test_the_theme_is_the_systems_until_the_user_chooses(visit: Visit) -> None:
    page = visit.page
    page.emulate_media(color_scheme="dark")
    visit.open()
    background = "() => getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(background)
    page.get_by_role("button", name="Switch to the light theme").click()
    light = page.evaluate(background)
    assert dark != light
    page.reload()
    assert page.evaluate(background) == light


@pytest.mark.parametrize("hash_", ["", "#node={serf}"])
def test_a_phone_needs_no_sideways_scrolling(visit: Visit, serf_name: str, hash_: str) -> None:
    visit.page.set_viewport_size({"width": 390, "height": 844})
    page = visit.open(hash_.format(serf=serf_name))
    expect(page.locator("#figure-serfs")).to_be_visible()
    if hash_:
        expect(page.locator(".top-pods button").first).to_be_attached()
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert page.locator("#graph canvas").first.bounding_box()["width"] > 300  # type: ignore[index]


def breaking(visit: Visit, url: str, answer: Callable[[Any], None]) -> None:
    visit.page.route(url, answer)


def test_missing_packages_are_told_in_words_and_the_table_stands_in(visit: Visit, serf_name: str) -> None:
    breaking(visit, "**/vendor/**", lambda route: route.fulfill(status=404, body="{}"))
    page = visit.open()
    expect(page.locator("#notices")).to_contain_text("packages are not installed")
    expect(page.locator(f'#nodes tr[data-key="{serf_name}"]')).to_be_visible()
    visit.complaints = [text for text in visit.complaints if "404" not in text and "vendor" not in text]
