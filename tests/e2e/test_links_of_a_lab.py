"""Links of a running lab: set by command and on the page, and what that does to the transfer of a virtual pod."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import requests
from peerings import Peerings
from playwright.sync_api import Page, expect
from running_lab import until
from test_viewer_accessibility import PHONE, WIDE, findings_in_both_themes, settled

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Locator
    from visiting import Visit

LINK = "serf1:eth1--serf2:eth2"
MEBIBYTE = 2**20 * 8


@pytest.fixture(autouse=True)
def cleared(lab: Any) -> Iterator[None]:
    """Nothing is set before a test, nor after it."""
    lab.serflab("link", "clear", "serf1", "serf2")
    yield
    lab.serflab("link", "clear", "serf1", "serf2")


def link(lab: Any) -> dict[str, Any]:
    """Return the link of the two serfs that are up, as the command lists it."""
    found = json.loads(lab.serflab("link", "list", "-o", "json").stdout)
    return next(item for item in found if item["id"] == LINK)


def values(lab: Any) -> tuple[float, float, float, float | None, str]:
    found = link(lab)
    return found["delay"], found["jitter"], found["loss"], found["rate"], found["source"]


def seconds(peerings: Peerings, name: str) -> float:
    """Send a pod with an image of one MiB and return how long its transfer lasts, as its record says."""
    wanted = {"source_node": "serf1", "dest_node": "serf2", "workload_template": "idle", "name": name, "image_mib": 1}
    answer = requests.post(f"{peerings._url}/virtual-pods/create", json=wanted, timeout=60)
    assert answer.ok, answer.text

    def transfers() -> list[dict[str, Any]]:
        return [
            pod["transfer"] for pod in peerings.virtual_pods() if pod["source_pod_name"] == name and pod["transfer"]
        ]

    until(lambda: bool(transfers()))
    found: float = transfers()[0]["seconds"]
    return found


def test_a_transfer_lasts_as_long_as_the_link_that_is_set_needs(lab: Any) -> None:
    peerings = Peerings(lab)
    peerings.disconnect()
    try:
        peerings.connect()
        lab.serflab("link", "set", "serf1", "serf2", "--rate=1mbit", "--delay=90s")
        until(lambda: peerings.all()[0]["rate"] == 1e6)
        assert seconds(peerings, "first") == pytest.approx(90 + MEBIBYTE / 1e6)
        # The manager that is running takes another value for the next pod.
        lab.serflab("link", "set", "serf2", "serf1", "--loss=50%", "--delay=80s")
        until(lambda: peerings.all()[0]["delay"] == 80.0)
        assert seconds(peerings, "second") == pytest.approx(80 + 2 * MEBIBYTE / 1e6)
    finally:
        peerings.disconnect()


def test_the_command_changes_what_is_given_and_says_what_is_in_force(lab: Any) -> None:
    assert values(lab) == (0.0, 0.0, 0.0, None, "none")
    planned = lab.serflab("link", "set", "serf1", "serf2", "--delay=20ms", "--dry-run").stdout
    assert planned == f"would set {LINK.replace('--', ' — ')}: delay 20ms (now no delay, no loss, no limit)\n"
    assert values(lab)[4] == "none"
    lab.serflab("link", "set", "serf1", "serf2", "--delay=20ms", "--rate=100mbit")
    said = lab.serflab("link", "set", "serf2", "serf1", "--interface=eth2", "--loss=1%", "--rate=none").stdout
    assert said == f"{LINK.replace('--', ' — ')}: delay 20ms, loss 1%\n"
    assert values(lab) == (0.02, 0.0, 1.0, None, "set")
    row = next(line for line in lab.serflab("link", "list").stdout.splitlines() if line.startswith("serf1:eth1"))
    assert row.split()[3:6] == ["20ms", "1%", "set"]
    for wrong in (("serf1", "serf5"), ("serf1", "serf22"), ("serf1", "serf2", "--interface=eth9")):
        refused = lab.serflab("link", "set", *wrong, "--delay=1ms", check=False)
        assert refused.returncode == 2
        assert "hint:" in refused.stderr


def form(page: Page) -> Locator:
    return page.get_by_role("dialog", name="Link serf1 — serf2")


def force(page: Page) -> str:
    """Return what is written on the link in the graph."""
    drawn: list[dict[str, Any]] = page.evaluate("window.serflab.graph.links()")
    return next(item["force"] or "" for item in drawn if item["id"] == LINK)


def test_a_click_on_a_link_opens_its_form_and_what_is_set_is_written_on_it(lab: Any, coloured: Page) -> None:
    at = coloured.evaluate("id => window.serflab.graph.middle(id)", LINK)
    coloured.mouse.click(at["x"], at["y"])
    expect(form(coloured)).to_contain_text("No delay, no loss, no limit")
    # What somebody else sets meanwhile is told; what is typed here stays.
    lab.serflab("link", "set", "serf1", "serf2", "--loss=2%")
    expect(form(coloured)).to_contain_text("2 % loss")
    form(coloured).get_by_label("Delay, one way").fill("20ms")
    form(coloured).get_by_label("Rate").fill("100mbit")
    form(coloured).get_by_role("button", name="Set", exact=True).click()
    expect(form(coloured)).to_have_count(0)
    until(lambda: force(coloured) == "20 ms · 100 Mbit/s")
    assert values(lab) == (0.02, 0.0, 0.0, 1e8, "set")


def test_the_panel_leads_to_the_form_by_keyboard_and_a_wrong_value_is_told_at_its_field(
    lab: Any, visit: Visit, coloured: Page
) -> None:
    lab.serflab("link", "set", "serf1", "serf2", "--loss=1%")
    visit.open("#node=serf1")
    button = coloured.get_by_role("button", name="Link to serf2: 1 % loss. Change")
    button.focus()
    coloured.keyboard.press("Enter")
    delay = form(coloured).get_by_label("Delay, one way")
    expect(delay).to_be_focused()
    coloured.keyboard.type("20")
    coloured.keyboard.press("Enter")
    expect(form(coloured).get_by_text("expected a time with its unit")).to_be_visible()
    expect(delay).to_have_attribute("aria-invalid", "true")
    expect(delay).to_be_focused()
    # The browser's own word on the answer.
    assert all("400" in complaint for complaint in visit.complaints)
    visit.complaints.clear()
    coloured.keyboard.press("Escape")
    expect(form(coloured)).to_have_count(0)
    expect(button).to_be_focused()
    coloured.keyboard.press("Enter")
    form(coloured).get_by_role("button", name="Clear what was set").click()
    expect(form(coloured)).to_have_count(0)
    until(lambda: values(lab)[4] == "none")


@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
def test_the_form_has_no_serious_finding_of_axe(lab: Any, visit: Visit, size: dict[str, int]) -> None:
    lab.serflab("link", "set", "serf1", "serf2", "--delay=20ms", "--jitter=2ms", "--loss=1%", "--rate=1gbit")
    page = settled(visit, lab, size)
    visit.open("#node=serf1")
    until(lambda: bool(force(page)))
    page.get_by_role("button", name="Link to serf2").click()
    expect(form(page)).to_contain_text("set for this lab")
    assert findings_in_both_themes(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), "it scrolls sideways"
