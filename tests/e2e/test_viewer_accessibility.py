"""No main state of the page has a serious finding of axe (WCAG 2.2 AA, best practices): both themes, phone too."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import Page, expect
from visiting import COLOURED, PATIENCE_MS, Visit

if TYPE_CHECKING:
    from collections.abc import Callable

AXE = Path(__file__).parents[2] / "flask-app" / "node_modules" / "axe-core" / "axe.min.js"
WIDE, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}
GRAVE = {"serious", "critical"}
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


def graph(page: Page) -> None:
    expect(page.locator("#graph canvas").first).to_be_visible()


def table(page: Page) -> None:
    page.get_by_role("button", name="Table").click()
    expect(page.locator("#nodes tbody tr").first).to_be_visible()


def filtered(page: Page) -> None:
    page.locator("#search").fill("serf")
    page.locator("#filter").click()
    page.locator("#filter-menu .chip").first.click()
    expect(page.locator("#filters .chip").first).to_be_visible()


def nothing_found(page: Page) -> None:
    page.locator("#search").fill("nothing of that name")
    expect(page.locator("#placeholder")).to_contain_text("No node matches")


def history(page: Page) -> None:
    page.get_by_role("button", name="History", exact=True).click()
    expect(page.locator("#history")).to_have_attribute("aria-busy", "false")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#past")).to_be_visible()


def keyboard_help(page: Page) -> None:
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard")).to_be_visible()


def token(page: Page) -> None:
    page.evaluate("() => void import('/static/js/token.js').then((token) => token.askForToken({refused: 'wrong'}))")
    expect(page.get_by_role("dialog", name="This viewer asks for a token")).to_be_visible()


def panel(page: Page) -> None:
    page.goto(f"{page.url.partition('#')[0]}#node=serf1")
    expect(page.locator("#panel h2")).to_have_text("serf1")
    expect(page.locator("#panel canvas").first).to_be_visible()


def pod(page: Page) -> None:
    page.goto(f"{page.url.partition('#')[0]}#node=serf1&tab=pods")
    page.locator("#panel .pods tbody tr").first.click()
    page.wait_for_function("() => location.hash.includes('pod=')")
    expect(page.locator("#panel canvas").first).to_be_visible()


STATES = [graph, table, filtered, nothing_found, history, keyboard_help, token, panel, pod]


def findings(page: Page) -> list[str]:
    """Return what axe finds, each with where."""
    # Evaluated by the debugger, whose code no content security policy refuses.
    page.evaluate(AXE.read_text(encoding="utf-8"))
    violations: list[dict[str, Any]] = page.evaluate(
        "async tags => (await axe.run(document, {runOnly: tags, resultTypes: ['violations']})).violations", TAGS
    )
    return [
        f"{item['impact']} {item['id']}: {node['html']} {node['failureSummary']}"
        for item in violations
        if item["impact"] in GRAVE
        for node in item["nodes"]
    ]


def findings_in_both_themes(page: Page) -> list[str]:
    """Return what axe finds in the light theme and then in the dark one, in which the page stays."""
    found: list[str] = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        found += [f"{scheme}: {finding}" for finding in findings(page)]
    return found


def settled(visit: Visit, lab: Any, size: dict[str, int]) -> Page:
    visit.page.emulate_media(reduced_motion="reduce")
    visit.page.set_viewport_size(size)  # type: ignore[arg-type]
    page = visit.open()
    page.wait_for_function(COLOURED, arg=[serf.name for serf in lab.inventory.serfs], timeout=PATIENCE_MS)
    return page


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.__name__)
def test_a_wide_page(visit: Visit, lab: Any, state: Callable[[Page], None]) -> None:
    page = settled(visit, lab, WIDE)
    state(page)
    assert findings_in_both_themes(page) == []


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.__name__)
def test_a_phone(visit: Visit, lab: Any, state: Callable[[Page], None]) -> None:
    page = settled(visit, lab, PHONE)
    state(page)
    assert findings(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), "it scrolls sideways"


def test_notices(visit: Visit, lab: Any) -> None:
    page = settled(visit, lab, WIDE)
    page.evaluate(
        """async () => {
          const { showNotices } = await import("/static/js/summary.js");
          const kinds = ["error", "warning", "info"];
          showNotices(kinds.map(kind => ({kind, text: `A notice: ${kind}`, findings: ["one", "two"]})));
          // The page takes them away with the next news of the lab; their copy stays.
          const copy = document.getElementById("notices").cloneNode(true);
          copy.id = "copied-notices";
          document.getElementById("notices").after(copy);
        }"""
    )
    expect(page.locator("#copied-notices .notice")).to_have_count(3)
    assert findings_in_both_themes(page) == []


def test_the_check_finds_what_is_wrong(coloured: Page) -> None:
    coloured.evaluate("() => document.body.append(document.createElement('button'))")
    assert any("button-name" in finding for finding in findings(coloured))
