"""The charts of the page: what they show is what the API answers, and their address brings them back."""

from __future__ import annotations

import csv
import io
import json
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from playwright.sync_api import Page, expect
from running_lab import until
from visiting import INK, RESULTS, Visit, pods_of

if TYPE_CHECKING:
    from playwright.sync_api import Locator

# The series as they are drawn, from the texts of the legend.
LEGEND = ".chart-legend tbody tr"
MINUS = "\N{MINUS SIGN}"
A_NUMBER = re.compile(r"\d")
PNG = b"\x89PNG\r\n\x1a\n"


def answer(visit: Visit, path: str, **parameters: Any) -> Any:
    response = requests.get(f"{visit.url}{path}", params=parameters, timeout=15)
    assert response.status_code == 200, response.text
    return response.json()


@pytest.fixture(scope="module")
def samples(lab: Any) -> None:
    """Wait until a lab that has just come up has samples for the whole of a `fixed_range`."""
    question = {"query": "count(serflab:serf_cpu:percent offset 50s)"}

    def known() -> bool:
        found = requests.get(f"{lab.prometheus_url}/api/v1/query", params=question, timeout=20).json()["data"]["result"]
        return bool(found) and int(found[0]["value"][1]) == len(lab.inventory.serfs)

    until(known)


@pytest.fixture
def fixed_range(samples: None) -> tuple[int, int]:  # noqa: ARG001  it waits for them
    """A range that has only samples that Prometheus already has."""
    now = int(time.time())
    return now - 45, now - 10


def fragment(page: Page) -> dict[str, list[str]]:
    return parse_qs(urlsplit(page.url).fragment)


def values(row: Locator) -> list[str]:
    return [cell.inner_text() for cell in row.locator("td").all()]


def legend_row(page: Page, series: str) -> Locator:
    return page.locator(f'{LEGEND}[data-series="{series}"]')


def drag_across(page: Page, begin: float, end: float) -> None:
    """Drag over the chart between two shares of its width."""
    box = page.locator(".chart .u-over").bounding_box()
    assert box is not None
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + begin * box["width"], middle)
    page.mouse.down()
    page.mouse.move(box["x"] + (begin + end) / 2 * box["width"], middle, steps=3)
    page.mouse.move(box["x"] + end * box["width"], middle, steps=3)
    page.mouse.up()


@pytest.fixture
def two_pods(lab: Any, serf_name: str) -> list[str]:
    return sorted(pods_of(lab, serf_name))[:2]


@pytest.mark.parametrize(
    ("metric", "window", "other"),
    [("cpu", "5m", "2h"), ("memory", "15m", "5m"), ("psi", "1h", "15m"), ("power", "2h", "1h")],
)
def test_every_chart_shows_emulated_beside_real(
    visit: Visit, serf_name: str, metric: str, window: str, other: str
) -> None:
    page = visit.open(f"#node={serf_name}&metric={metric}&window={window}")
    shows_both(page, metric, window)
    with page.expect_response(lambda answer: "/timeseries" in answer.url and f"window={other}" in answer.url):
        page.locator(f'.chart button[data-id="{other}"]').click()
    shows_both(page, metric, other)
    assert page.locator(".chart canvas").evaluate(INK)


def shows_both(page: Page, metric: str, window: str) -> None:
    for series in ("emulated_node", "real_node"):
        expect(legend_row(page, series).locator("td").first).to_have_text(A_NUMBER)
    expect(page.locator(f'.chart button[data-id="{metric}"]')).to_have_attribute("aria-pressed", "true")
    expect(page.locator(f'.chart button[data-id="{window}"]')).to_have_attribute("aria-pressed", "true")


def test_all_four_measures_share_one_cursor(visit: Visit, serf_name: str) -> None:
    page = visit.open(f"#node={serf_name}&metric=all")
    expect(page.locator(".chart canvas")).to_have_count(4)
    page.locator('[data-metric="power"] .u-over').hover(position={"x": 60, "y": 30})
    times = page.locator(".chart-legend .when")
    shown = times.last.inner_text()
    assert re.fullmatch(r"\d\d:\d\d:\d\d", shown)
    expect(times).to_have_text([shown] * 4)


def test_a_pod_has_a_chart_of_its_own_that_a_link_reopens(visit: Visit, serf_name: str) -> None:
    page = visit.open(f"#node={serf_name}&tab=pods")
    row = page.locator(".pods tbody tr").first
    pod = str(row.get_attribute("data-key"))
    page.locator(f'.pods tr[data-key="{pod}"]').click()
    expect(page.locator(".chart h3")).to_have_text(pod)
    expect(legend_row(page, "emulated_pod").locator("td").first).to_have_text(re.compile(r"\d.* m$"))
    page.reload()
    expect(page.locator(".chart h3")).to_have_text(pod)
    page.get_by_role("button", name="Back to the whole serf").click()
    expect(page.locator(".chart h3")).to_have_text(f"{serf_name}: emulated and real")


def test_a_custom_range_is_checked_shown_and_left_again(
    visit: Visit, serf_name: str, fixed_range: tuple[int, int]
) -> None:
    begin, end = fixed_range
    page = visit.open(f"#node={serf_name}")
    page.locator('.chart button[data-id="custom"]').click()
    form = page.get_by_role("form", name="Time range")
    local = page.evaluate(
        "seconds => import('/static/js/chart_range.js').then(range => seconds.map(range.localValue))", [begin, end]
    )
    form.get_by_label("From").fill(local[1])
    form.get_by_label("To (empty: now)").fill(local[0])
    form.get_by_role("button", name="Show").click()
    expect(form.get_by_role("alert")).to_have_text("The range has to begin before it ends.")
    form.get_by_label("From").fill(local[0])
    form.get_by_label("To (empty: now)").fill(local[1])
    form.get_by_role("button", name="Show").click()
    expect(form).to_be_hidden()
    expect(page.locator(".chart-state")).to_have_text("A fixed range, not refreshed")
    assert (fragment(page)["from"], fragment(page)["to"]) == ([str(begin)], [str(end)])
    expect(legend_row(page, "emulated_node").locator("td").first).to_have_text(A_NUMBER)
    page.get_by_role("button", name="← Back").click()
    expect(page.locator('.chart button[data-id="5m"]')).to_have_attribute("aria-pressed", "true")
    assert "from" not in fragment(page)


@pytest.mark.parametrize(
    ("begin", "end", "problem"),
    [
        pytest.param(-20, -20, "before it ends", id="empty"),
        pytest.param(-20, 60, "in the future", id="future"),
        pytest.param(-25, -20, "shorter than 10 seconds", id="short"),
        pytest.param(-90_000, -20, "longer than 24 hours", id="long"),
        pytest.param(-90, -20, "", id="right"),
        pytest.param(-90, None, "", id="until now"),
    ],
)
def test_ranges_that_cannot_be_asked_for_are_refused_in_words(
    modules: Page, begin: int, end: int | None, problem: str
) -> None:
    found = modules.evaluate(
        """([begin, end]) => import('/static/js/chart_range.js').then(({problemOf}) =>
             problemOf(1000000 + begin, end === null ? null : 1000000 + end, 1000000))""",
        [begin, end],
    )
    assert (problem in found) if problem else found == ""


def test_dragging_zooms_and_the_back_button_of_page_and_browser_return(visit: Visit, serf_name: str) -> None:
    page = visit.open(f"#node={serf_name}&window=15m")
    expect(legend_row(page, "emulated_node").locator("td").first).to_have_text(A_NUMBER)
    drag_across(page, 0.5, 0.9)
    expect(page.locator('.chart button[data-id="custom"]')).to_have_attribute("aria-pressed", "true")
    first = fragment(page)
    assert 200 < int(first["to"][0]) - int(first["from"][0]) < 500
    drag_across(page, 0.25, 0.75)
    page.wait_for_function("before => !location.hash.includes(before)", arg=f"from={first['from'][0]}&")
    second = fragment(page)
    assert int(first["from"][0]) < int(second["from"][0]) < int(second["to"][0]) < int(first["to"][0])
    page.get_by_role("button", name="← Back").click()
    assert fragment(page)["from"] == first["from"]
    page.go_back()
    assert fragment(page)["from"] == second["from"]
    expect(page.locator('.chart button[data-id="custom"]')).to_have_attribute("aria-pressed", "true")
    page.locator('.chart button[data-id="15m"]').click()
    expect(page.locator(".chart-state")).to_have_text("Live, every 5 s")


def test_the_keyboard_moves_the_cursor_and_zooms(visit: Visit, serf_name: str) -> None:
    page = visit.open(f"#node={serf_name}&window=15m")
    expect(legend_row(page, "emulated_node").locator("td").first).to_have_text(A_NUMBER)
    page.locator(".chart-plot").focus()
    # From the end: a lab that has just come up has no samples at the beginning.
    page.keyboard.press("End")
    last = page.locator(".chart-legend .when").inner_text()
    page.keyboard.press("ArrowLeft")
    expect(page.locator(".chart-legend .when")).not_to_have_text(last)
    expect(page.locator(".chart-card").get_by_role("status")).to_have_text(
        re.compile(r"^Emulated [\d.]+ %, Real .* at ")
    )
    page.keyboard.press("+")
    expect(page.locator('.chart button[data-id="custom"]')).to_have_attribute("aria-pressed", "true")


def test_a_difference_tells_mape_and_correlation_as_the_api_computes_them(
    visit: Visit, serf_name: str, fixed_range: tuple[int, int]
) -> None:
    begin, end = fixed_range
    found = answer(visit, f"/api/node/{serf_name}/timeseries", metric="power", **{"from": begin, "to": end})
    page = visit.open(f"#node={serf_name}&metric=power&shape=difference&from={begin}&to={end}")
    words = page.locator(".chart-comparison")
    mape = found["comparison"]["mape_percent"]
    expect(words).to_contain_text(f"MAPE {mape:,.2f} %" if mape < 10 else f"MAPE {mape:,.1f} %", use_inner_text=True)
    expect(words).to_contain_text(f"over {found['comparison']['points']} points")
    correlation = found["comparison"]["correlation"]
    expect(words).to_contain_text("not defined" if correlation is None else f"{correlation:.3f}".replace("-", MINUS))
    emulated, real = (found["datasets"][name]["values"] for name in ("emulated_node", "real_node"))
    last = [ours - theirs for ours, theirs in zip(emulated, real, strict=True) if None not in {ours, theirs}][-1]
    shown = values(legend_row(page, "difference"))[0]
    assert float(re.sub(r"[^\d.-]", "", shown.replace(MINUS, "-"))) == pytest.approx(last, abs=0.51)
    page.get_by_role("button", name="MAPE").click()
    expect(page.get_by_text("Mean absolute percentage error", exact=False)).to_be_visible()


def test_several_pods_share_a_chart_and_its_legend_hides_them(
    visit: Visit, serf_name: str, two_pods: list[str]
) -> None:
    page = visit.open(f"#node={serf_name}&tab=pods")
    for pod in two_pods:
        page.get_by_label("Filter pods").fill(pod)
        page.get_by_role("checkbox", name=f"Show {pod} in the chart").check()
    expect(page.locator(".chart h3")).to_have_text(f"2 pods of {serf_name}")
    expect(page.locator(f"{LEGEND} .series-name")).to_have_text(two_pods)
    for pod in two_pods:
        expect(legend_row(page, pod).locator("td").first).to_have_text(A_NUMBER)
    legend_row(page, two_pods[0]).get_by_role("button").click()
    expect(legend_row(page, two_pods[0]).get_by_role("button")).to_have_attribute("aria-pressed", "false")
    page.reload()
    expect(legend_row(page, two_pods[0]).get_by_role("button")).to_have_attribute("aria-pressed", "false")
    expect(legend_row(page, two_pods[1]).get_by_role("button")).to_have_attribute("aria-pressed", "true")


@pytest.mark.parametrize("part", ["namespace", "pod"])
def test_a_stack_adds_up_to_what_the_serf_uses(
    visit: Visit, lab: Any, serf_name: str, part: str, fixed_range: tuple[int, int]
) -> None:
    begin, end = fixed_range
    page = visit.open(f"#node={serf_name}&shape={part}&from={begin}&to={end}")
    expect(legend_row(page, "total").locator("td").first).to_have_text(re.compile(r"\d.* m$"))
    total = float(values(legend_row(page, "total"))[1].replace(",", ""))
    shown = answer(visit, f"/api/node/{serf_name}/stack", metric="cpu", by=part, **{"from": begin, "to": end})
    question = {
        "query": f'sum(emulation_pod_cpu_millicores{{serf="{serf_name}"}})',
        "start": shown["from"], "end": shown["to"], "step": shown["step"], "lookback_delta": "15s",
    }  # fmt: skip
    found = requests.get(f"{lab.prometheus_url}/api/v1/query_range", params=question, timeout=20).json()
    used = [float(value) for _, value in found["data"]["result"][0]["values"]]
    assert total == pytest.approx(sum(used) / len(used), rel=0.01)
    rows = page.locator(f'{LEGEND}:not([data-series="total"])')
    parts = sum(float(values(row)[1].replace(",", "")) for row in rows.all())
    assert parts == pytest.approx(total, rel=0.01)
    if part == "pod":
        expect(legend_row(page, "other")).to_be_visible()


def test_pressures_are_not_stacked(visit: Visit, serf_name: str) -> None:
    page = visit.open(f"#node={serf_name}&metric=psi&shape=namespace")
    expect(page.locator('.chart button[data-id="namespace"]')).to_be_disabled()
    expect(legend_row(page, "emulated_node").locator("td").first).to_have_text(A_NUMBER)


def test_the_csv_file_holds_what_the_api_answers(visit: Visit, serf_name: str, fixed_range: tuple[int, int]) -> None:
    begin, end = fixed_range
    page = visit.open(f"#node={serf_name}&metric=memory&from={begin}&to={end}")
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV").click()
    assert download.value.suggested_filename.endswith(".csv")
    rows = list(csv.DictReader(io.StringIO(Path(download.value.path()).read_text(encoding="utf-8"))))
    found = answer(visit, f"/api/node/{serf_name}/timeseries", metric="memory", **{"from": begin, "to": end})
    for name, dataset in found["datasets"].items():
        assert [float(row[name]) if row[name] else None for row in rows] == dataset["values"]


def test_the_png_file_is_a_picture_of_the_chart(visit: Visit, serf_name: str) -> None:
    page = visit.open(f"#node={serf_name}")
    expect(legend_row(page, "emulated_node").locator("td").first).to_have_text(A_NUMBER)
    with page.expect_download() as download:
        page.get_by_role("button", name="PNG", exact=True).click()
    RESULTS.mkdir(exist_ok=True)
    download.value.save_as(RESULTS / "chart.png")
    picture = (RESULTS / "chart.png").read_bytes()
    assert picture.startswith(PNG)
    width, height = (int.from_bytes(picture[at : at + 4], "big") for at in (16, 20))
    canvas = page.locator(".chart canvas").bounding_box()
    assert canvas is not None
    # The drawing, and around it title and legend.
    assert width >= canvas["width"]
    assert height >= canvas["height"] + 60


def test_a_copied_link_reopens_the_same_view(
    visit: Visit, serf_name: str, two_pods: list[str], fixed_range: tuple[int, int]
) -> None:
    begin, end = fixed_range
    names = ",".join(two_pods)
    page = visit.open(f"#node={serf_name}&pod={two_pods[0]}&pods={names}&metric=memory&from={begin}&to={end}")
    expect(legend_row(page, two_pods[1]).locator("td").first).to_have_text(A_NUMBER)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy link").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    link = page.evaluate("navigator.clipboard.readText()")
    before = page.locator(LEGEND).all_inner_texts()
    page.goto("about:blank")
    page.goto(link)
    expect(page.locator(".chart h3")).to_have_text(f"2 pods of {serf_name}")
    expect(legend_row(page, two_pods[1]).locator("td").first).to_have_text(A_NUMBER)
    assert page.locator(LEGEND).all_inner_texts() == before


def test_pause_holds_the_time_that_is_shown(visit: Visit, serf_name: str) -> None:
    page = visit.open(f"#node={serf_name}")
    expect(legend_row(page, "emulated_node").locator("td").first).to_have_text(A_NUMBER)
    page.get_by_role("button", name="Pause").click()
    expect(page.locator(".chart-state")).to_have_text("A fixed range, not refreshed")
    assert int(fragment(page)["to"][0]) - int(fragment(page)["from"][0]) == pytest.approx(300, abs=5)


def test_in_the_past_a_window_ends_at_the_time_that_is_shown(visit: Visit, serf_name: str) -> None:
    at = int(time.time()) - 20
    asked: list[str] = []
    visit.page.on("request", lambda request: asked.append(request.url))
    page = visit.open(f"#node={serf_name}&window=15m&at={at}")
    expect(page.locator(".chart-state")).to_have_text(re.compile(r"^Ends at \d\d:\d\d:\d\d"))
    expect(legend_row(page, "emulated_node").locator("td").first).to_have_text(A_NUMBER)
    series = [parse_qs(urlsplit(url).query) for url in asked if "/timeseries" in url]
    assert series
    assert all((query["from"], query["to"]) == ([str(at - 900)], [str(at)]) for query in series)


def test_a_gap_stays_a_gap(modules: Page) -> None:
    """A pile of areas is empty where nothing is known, and a missing part of it counts for nothing elsewhere."""
    pile = modules.evaluate(
        """() => import('/static/js/chart_series.js').then(({pile}) =>
             pile([{values: [1, null, 3]}, {values: [4, null, null]}], 3))"""
    )
    assert pile == [[1, None, 3], [5, None, 3]]


def test_a_prometheus_that_stops_is_told_above_the_chart(visit: Visit, serf_name: str) -> None:
    """The page is told so by the topology document, which is rewritten here on its way."""

    def without_prometheus(route: Any) -> None:
        document = json.loads(route.fetch().text())
        document["prometheus"] |= {"state": "unreachable", "stale_since": 1_700_000_000, "message": "no answer"}
        route.fulfill(json=document)

    visit.page.route("**/api/events*", lambda route: route.abort())
    visit.page.route("**/api/topology", without_prometheus)
    page = visit.open(f"#node={serf_name}")
    expect(page.locator(".chart .notice")).to_contain_text("Prometheus does not answer")
    visit.complaints = [text for text in visit.complaints if "net::ERR_FAILED" not in text]
