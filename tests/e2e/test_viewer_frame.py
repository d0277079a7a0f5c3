"""The frame of the page: measures and legend, filters that combine, shortcuts, and the token that a change may need."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
import requests
from playwright.sync_api import Browser, Page, expect
from visiting import DRAWN, Visit

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TOKEN = "a-token-for-the-tests"
MEASURES = {"cpu": "%", "memory": "%", "psi": "%", "power": "W"}


def level_of(value: float, thresholds: list[float]) -> str:
    if value < thresholds[0]:
        return "green"
    return "amber" if value <= thresholds[1] else "red"


@pytest.mark.parametrize("measure", MEASURES)
def test_every_measure_has_its_own_colours_numbers_and_legend(coloured: Page, lab: Any, measure: str) -> None:
    coloured.locator("#measure").select_option(measure)
    bounds = requests.get(f"{lab.viewer_url}/api/topology", timeout=10).json()["thresholds"][measure]
    expect(coloured.locator("#legend .level-green")).to_contain_text(f"under {bounds[0]:g} {MEASURES[measure]}")
    expect(coloured.locator("#legend .level-red")).to_contain_text(f"over {bounds[1]:g} {MEASURES[measure]}")
    drawn = {node["name"]: node for node in coloured.evaluate(DRAWN)}
    for serf in lab.inventory.serfs:
        number, unit = re.fullmatch(rf"{serf.name}\n(?:~ )?([\d.,]+) (\S)", drawn[serf.name]["label"]).groups()  # type: ignore[union-attr]
        value = float(number.replace(",", ""))
        assert unit == MEASURES[measure]
        assert f"level-{level_of(value, bounds)}" in drawn[serf.name]["classes"]
        share = 100 * value / bounds[1] if measure == "power" else value
        assert drawn[serf.name]["ring"] == pytest.approx(min(100, share), abs=1.1)
    coloured.reload()
    expect(coloured.locator("#measure")).to_have_value(measure)


def test_the_legend_counts_the_serfs_of_each_level(coloured: Page, lab: Any) -> None:
    counts = coloured.locator("#legend .count").all_text_contents()
    assert sum(map(int, counts)) == sum(
        node["role"] == "serf" for node in requests.get(f"{lab.viewer_url}/api/topology", timeout=10).json()["nodes"]
    )


def test_filters_combine_count_and_are_cleared(coloured: Page, lab: Any) -> None:
    coloured.get_by_role("button", name="Table").click()
    rows = coloured.locator("#nodes tbody tr")
    up = len(lab.inventory.serfs)
    coloured.get_by_role("button", name="Filter").click()
    menu = coloured.get_by_role("group", name="Filters")
    menu.get_by_role("group", name="State").get_by_role("button", name=re.compile("^Ready")).click()
    # The chips of another facet say how many nodes they would leave.
    serf_chip = menu.get_by_role("group", name="Role").get_by_role("button", name=re.compile("^serf"))
    expect(serf_chip).to_have_text(f"serf{up}")
    serf_chip.click()
    expect(rows).to_have_count(up)
    assert "role=serf&state=ready" in coloured.url
    coloured.keyboard.press("Escape")
    expect(menu).to_be_hidden()
    expect(coloured.locator("#filters")).to_contain_text(f"{up} of ")
    coloured.reload()
    expect(rows).to_have_count(up)
    coloured.get_by_role("button", name="Remove the filter State: Ready").click()
    expect(rows).not_to_have_count(up)
    coloured.get_by_role("button", name="Clear", exact=True).click()
    expect(coloured.locator("#filters")).to_be_hidden()
    assert "role=" not in coloured.url


def test_serfs_are_found_by_a_namespace_of_their_cluster(coloured: Page, lab: Any, serf_name: str) -> None:
    nodes = requests.get(f"{lab.viewer_url}/api/topology", timeout=10).json()["nodes"]
    info = requests.get(f"{lab.viewer_url}/api/node/{serf_name}/cluster-info", timeout=10).json()
    own = next(node for node in nodes if node["name"] == serf_name)["namespaces"]
    assert own == sorted(namespace["name"] for namespace in info["namespaces"])
    wanted = own[-1]
    coloured.goto(f"{lab.viewer_url}/#view=table&namespace={wanted}")
    coloured.reload()
    names = [node["name"] for node in nodes if wanted in node["namespaces"]]
    expect(coloured.locator("#nodes tbody th")).to_have_text(names)


def test_a_search_that_finds_nothing_says_so_and_is_cleared(coloured: Page) -> None:
    coloured.locator("#search").fill("nothing of that name")
    coloured.get_by_role("button", name="Clear search and filters").click()
    expect(coloured.locator("#search")).to_have_value("")
    expect(coloured.locator("#placeholder")).to_be_hidden()


def test_single_keys_act_but_not_while_one_types(coloured: Page) -> None:
    coloured.keyboard.press("t")
    expect(coloured.locator("#nodes")).to_be_visible()
    coloured.keyboard.press("4")
    expect(coloured.locator("#measure")).to_have_value("power")
    coloured.keyboard.press("/")
    coloured.keyboard.type("g1h")
    expect(coloured.locator("#search")).to_have_value("g1h")
    expect(coloured.locator("#nodes")).to_be_visible()
    expect(coloured.locator("#measure")).to_have_value("power")
    expect(coloured.locator("#history")).to_be_hidden()


def test_single_keys_can_be_switched_off(coloured: Page) -> None:
    coloured.keyboard.press("?")
    dialog = coloured.get_by_role("dialog", name="Keyboard")
    dialog.get_by_label("Use these single keys").uncheck()
    coloured.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    coloured.reload()
    coloured.keyboard.press("t")
    coloured.wait_for_timeout(300)
    expect(coloured.locator("#nodes")).to_be_hidden()


def test_the_back_button_undoes_a_choice(coloured: Page) -> None:
    coloured.locator("#measure").select_option("memory")
    coloured.get_by_role("button", name="Table").click()
    coloured.go_back()
    expect(coloured.locator("#nodes")).to_be_hidden()
    expect(coloured.locator("#measure")).to_have_value("memory")
    coloured.go_back()
    expect(coloured.locator("#measure")).to_have_value("cpu")


@pytest.fixture
def guarded(tmp_path: Path, lab: Any) -> Iterator[str]:
    """A viewer that other machines reach, so that a change needs its token."""
    port = lab.viewer_port + 40
    program = ["flask-app/app.py", "--host=0.0.0.0", f"--port={port}", "--log-level=error"]
    places = {"SERFLAB_VIEWER_TOKEN": TOKEN, "SERFLAB_POSITIONS": str(tmp_path / "positions")}
    with subprocess.Popen(
        [sys.executable, *program], env=lab.environment | places, stderr=subprocess.DEVNULL
    ) as viewer:
        url = f"http://127.0.0.1:{port}"
        for _ in range(300):
            if answers(url):
                break
            assert viewer.poll() is None
            time.sleep(0.2)
        yield url
        viewer.terminate()


def answers(url: str) -> bool:
    try:
        return requests.get(f"{url}/api/topology", timeout=2).ok
    except requests.RequestException:
        return False


SAVE = """() => {
  window.outcome = null;
  import("/static/js/api.js").then(({ put }) => put("/api/positions", {positions: {serf1: {x: 1, y: 2}}}))
    .then((answer) => { window.outcome = answer.positions.serf1.x; }, (error) => { window.outcome = error.code; });
}"""


def test_a_change_asks_for_the_token_until_it_is_right(browser: Browser, guarded: str) -> None:
    context = browser.new_context()
    page = Visit(context, guarded).open()
    page.wait_for_function("() => window.serflab !== undefined")
    page.evaluate(SAVE)
    dialog = page.get_by_role("dialog", name="This viewer asks for a token")
    dialog.get_by_label("Token").fill("not this one")
    dialog.get_by_role("button", name="Use this token").click()
    expect(dialog.get_by_text("did not accept that token")).to_be_visible()
    dialog.get_by_label("Token").fill(TOKEN)
    dialog.get_by_role("button", name="Use this token").click()
    page.wait_for_function("() => window.outcome === 1")
    # Kept for this tab: the next change asks no more.
    page.evaluate(SAVE)
    page.wait_for_function("() => window.outcome === 1")
    expect(dialog).to_be_hidden()
    context.close()


def test_who_gives_no_token_is_told_and_changes_nothing(browser: Browser, guarded: str) -> None:
    context = browser.new_context()
    page = Visit(context, guarded).open()
    page.wait_for_function("() => window.serflab !== undefined")
    page.evaluate(SAVE)
    page.get_by_role("button", name="Go on without saving").click()
    page.wait_for_function("() => window.outcome === 'token_required'")
    assert requests.get(f"{guarded}/api/positions", timeout=10).json()["positions"] == {}
    context.close()
