"""Time travel on the page: the track rewinds every serf to what Prometheus had then, plays, and leads back to now."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
import requests
from playwright.sync_api import Page, expect
from visiting import COLOURED, DRAWN, PATIENCE_MS, Visit

from serflab.lab.load import THRESHOLDS, level
from serflab.lab.metrics import METRICS

if TYPE_CHECKING:
    from collections.abc import Callable

AT = "Number(new URLSearchParams(location.hash.slice(1)).get('at'))"
# Of another day, as shortly after midnight, it has a date.
BANNER = re.compile(r"Showing (\d+/\d+/\d+ )?\d\d:\d\d:\d\d, not live")
POINTS = 8


@pytest.fixture
def history(coloured: Page, lab: Any) -> Page:
    """The page with its history open, once there are some points of it."""

    def points() -> int:
        answer = requests.get(f"{lab.viewer_url}/api/history", {"window": "15m"}, timeout=10).json()
        cpu = answer["metrics"]["cpu"]["serfs"]
        return min((sum(value is not None for value in values) for values in cpu.values()), default=0)

    for _ in range(120):
        if points() >= POINTS:
            break
        coloured.wait_for_timeout(1000)
    coloured.get_by_role("button", name="History", exact=True).click()
    track = coloured.get_by_role("slider", name="Moment that is shown")
    expect(track).to_be_focused()
    expect(coloured.locator("#history")).to_have_attribute("aria-busy", "false")
    return coloured


def back(page: Page, points: int) -> None:
    page.get_by_role("slider").focus()
    for _ in range(points):
        page.keyboard.press("ArrowLeft")


def load_at(lab: Any, serf: str, metric: str, at: float) -> float:
    query = {"query": METRICS[metric].of_serfs(serf=serf), "time": str(at)}
    answer = requests.get(f"{lab.prometheus_url}/api/v1/query", params=query, timeout=10).json()
    return float(answer["data"]["result"][0]["value"][1])


@pytest.mark.parametrize("points", [2, POINTS - 2])
def test_colours_and_numbers_are_those_that_prometheus_had_then(history: Page, lab: Any, points: int) -> None:
    back(history, points)
    expect(history.locator("#past")).to_contain_text(BANNER)
    at = history.evaluate(AT)
    assert at > 0
    drawn = {node["name"]: node for node in history.evaluate(DRAWN)}
    for serf in lab.inventory.serfs:
        then = load_at(lab, serf.name, "cpu", at)
        assert abs(drawn[serf.name]["ring"] - min(100, then)) <= 0.5
        assert f"level-{level(then, THRESHOLDS['cpu'])}" in drawn[serf.name]["classes"]


def test_another_measure_is_rewound_as_well(history: Page, lab: Any, serf_name: str) -> None:
    back(history, 3)
    history.locator("#measure").select_option("power")
    history.get_by_role("button", name="Table").click()
    then = load_at(lab, serf_name, "power", history.evaluate(AT))
    cell = history.locator(f'#nodes tr[data-key="{serf_name}"] td.level')
    shown = float(str(cell.text_content()).replace(",", ""))
    assert shown == pytest.approx(then, abs=0.51)


def test_what_nobody_records_is_not_shown_as_it_is_now(history: Page, serf_name: str) -> None:
    back(history, 2)
    history.get_by_role("button", name="Table").click()
    row = history.locator(f'#nodes tr[data-key="{serf_name}"]')
    expect(row).to_contain_text("Not recorded")
    expect(row.locator("td").last).to_have_text(re.compile(r"^\D$"))
    expect(history.locator("#summary")).to_be_hidden()


def test_before_the_first_sample_no_load_is_known(history: Page) -> None:
    history.locator("#history-window").select_option("24h")
    expect(history.locator(".track-note")).to_contain_text(re.compile(r"The oldest (sample )?is of \d"))
    history.get_by_role("slider").focus()
    history.keyboard.press("Home")
    expect(history.locator("#past")).to_be_visible()
    serfs = history.evaluate(DRAWN)
    assert serfs
    assert all("level-none" in node["classes"] and node["label"].endswith("no load") for node in serfs)


def test_it_plays_to_the_end_and_is_live_again(history: Page) -> None:
    history.locator("#history-speed").select_option("300")
    history.evaluate(
        """() => {
          window.moments = new Set();
          const time = document.getElementById("past-time");
          new MutationObserver(() => window.moments.add(time.textContent)).observe(time, {childList: true});
        }"""
    )
    history.get_by_role("button", name="Play").click()
    expect(history.get_by_role("button", name="Pause")).to_be_visible()
    expect(history.locator("#past")).to_contain_text(BANNER)
    expect(history.locator("#past")).to_be_hidden()
    expect(history.get_by_role("button", name="Play")).to_be_visible()
    assert history.evaluate("window.moments.size") > 2


def test_pause_stays_where_it_is(history: Page) -> None:
    history.locator("#history-speed").select_option("10")
    history.get_by_role("button", name="Play").click()
    expect(history.locator("#past")).to_contain_text(BANNER)
    history.get_by_role("button", name="Pause").click()
    at = history.evaluate(AT)
    history.wait_for_timeout(1500)
    assert history.evaluate(AT) == at


def by_button(page: Page) -> None:
    page.get_by_role("button", name="Back to live").click()


def by_end(page: Page) -> None:
    page.get_by_role("slider").focus()
    page.keyboard.press("End")


def by_key(page: Page) -> None:
    page.get_by_role("slider").focus()
    page.keyboard.press("l")


@pytest.mark.parametrize("leave", [by_button, by_end, by_key])
def test_the_way_back_to_now(history: Page, leave: Callable[[Page], None]) -> None:
    back(history, 4)
    expect(history.locator("#past")).to_be_visible()
    leave(history)
    expect(history.locator("#past")).to_be_hidden()
    expect(history.locator("#live-text")).to_have_text("Live")
    assert "at=" not in history.url


def test_a_link_reopens_the_moment(history: Page, visit: Visit, lab: Any) -> None:
    back(history, 5)
    expect(history.locator("#past")).to_be_visible()
    shown = history.evaluate(DRAWN)
    other = visit.page.context.new_page()
    other.goto(history.url)
    expect(other.locator("#past-time")).to_have_text(str(history.locator("#past-time").text_content()))
    other.wait_for_function(COLOURED, arg=[serf.name for serf in lab.inventory.serfs], timeout=PATIENCE_MS)
    kept = ("name", "label", "ring")
    assert [[node[key] for key in kept] for node in other.evaluate(DRAWN)] == [
        [node[key] for key in kept] for node in shown
    ]


def test_a_moment_alone_in_the_address_opens_a_window_that_holds_it(history: Page, visit: Visit) -> None:
    back(history, 5)
    at = history.evaluate(AT)
    page = visit.open(f"#at={at}")
    expect(page.locator("#history")).to_be_visible()
    expect(page.locator("#past")).to_contain_text(BANNER)
    expect(page.locator("#history")).to_have_attribute("aria-busy", "false")


def test_new_samples_make_the_track_longer_while_it_is_live(history: Page) -> None:
    newest = history.locator(".track-ends > span").last
    before = str(newest.text_content())
    expect(newest).not_to_have_text(before)
    expect(history.locator("#past")).to_be_hidden()


def test_a_range_of_ones_own_is_checked_and_shown(history: Page) -> None:
    history.locator("#history-window").select_option("custom")
    dialog = history.get_by_role("dialog", name="A range of the history")
    start, end = dialog.get_by_label("From"), dialog.get_by_label("To")
    right = end.input_value()
    end.fill(start.input_value())
    dialog.get_by_role("button", name="Show").click()
    expect(dialog).to_be_visible()
    assert "later than the start" in end.evaluate("element => element.validationMessage")
    end.fill(right)
    dialog.get_by_role("button", name="Show").click()
    expect(dialog).to_be_hidden()
    expect(history.locator("#past")).to_contain_text(BANNER)
    assert re.search(r"history=\d+-\d+", history.url)


def test_a_history_that_cannot_be_had_says_so_and_tries_again(visit: Visit, coloured: Page) -> None:
    coloured.route("**/api/history*", lambda route: route.abort())
    coloured.get_by_role("button", name="History", exact=True).click()
    note = coloured.locator(".track-note")
    expect(note).to_contain_text("Trying again.")
    coloured.unroute("**/api/history*")
    expect(note).to_have_text(re.compile(r"^(CPU of the lab|The oldest sample is of [\d:]+\.)$"))
    visit.complaints = [text for text in visit.complaints if "net::ERR_FAILED" not in text]
