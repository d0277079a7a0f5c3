"""Peerings on the page of a running lab: connecting, what arrow and panel tell, removing, transfers on the graph."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest
from peerings import Peerings
from playwright.sync_api import Page, expect
from test_viewer_accessibility import PHONE, WIDE, findings_in_both_themes, settled
from visiting import Visit, place

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from playwright.sync_api import Locator

ARROWS = "window.serflab.graph.peerings()"
SVG = "{http://www.w3.org/2000/svg}"
# Transfers of the test's own on the graph of the page; the viewer's own feed would take them away again.
TRANSFERS = """async (transfers) => {
  const {GraphTransfers} = await import("/static/js/graph_transfers.js");
  const {serverNow} = await import("/static/js/server_clock.js");
  document.getElementById("transfers").remove();
  document.getElementById("transfer-voice").remove();
  window.transfers = new GraphTransfers(document.getElementById("graph")._cyreg.cy);
  const started = serverNow();
  window.transfers.update(transfers.map((transfer) => ({started, ...transfer})));
}"""


@pytest.fixture(scope="module")
def peerings(lab: Any) -> Iterator[Peerings]:
    found = Peerings(lab)
    found.disconnect()
    yield found
    found.disconnect()


@pytest.fixture
def unpeered(peerings: Peerings) -> Peerings:
    """A lab whose serfs are not peered."""
    peerings.disconnect()
    return peerings


@pytest.fixture
def peered(peerings: Peerings) -> Peerings:
    """A lab whose first serf is peered with the second, and nothing else."""
    if [item["to"] for item in peerings.all()] != [peerings.provider]:
        peerings.disconnect()
    peerings.connect()
    return peerings


def elsewhere(act: Callable[[], Any]) -> Any:
    """Return what `act` returns in a thread without Playwright's event loop."""
    with ThreadPoolExecutor(1) as other_thread:
        return other_thread.submit(act).result()


def arrow(page: Page, peerings: Peerings, condition: str) -> None:
    """Wait until the one arrow of the graph is that of the peering, in a condition."""
    page.wait_for_function(
        """([from, to, condition]) => {
          const arrows = window.serflab.graph.peerings();
          return arrows.length === 1 && arrows[0].from === from && arrows[0].to === to
            && arrows[0].classes.includes(condition);
        }""",
        arg=[peerings.consumer, peerings.provider, condition],
    )


def no_arrow(page: Page) -> None:
    """Wait until the page, whose news are about a second old, shows no peering."""
    page.wait_for_function("() => window.serflab && window.serflab.graph.peerings().length === 0")


def menu_by_mouse(page: Page, serf: str) -> Locator:
    page.evaluate("() => window.serflab.graph.resting()")
    where = place(page, serf)
    page.mouse.click(where["x"], where["y"], button="right")
    return page.get_by_role("menu", name=f"Actions for {serf}")


def menu_by_keyboard(page: Page, serf: str) -> Locator:
    """Go to a serf by the address, from there to the graph, and open its menu."""
    page.evaluate("name => { location.hash = `node=${name}`; }", serf)
    expect(page.locator("#panel h2")).to_have_text(serf)
    page.locator("#search").focus()
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.locator("#graph").evaluate("element => element === document.activeElement"):
            break
    expect(page.locator("#graph-voice")).to_contain_text(f"{serf}, serf")
    page.keyboard.press("Shift+F10")
    return page.get_by_role("menu", name=f"Actions for {serf}")


def classes(page: Page, serf: str) -> set[str]:
    found: list[str] = page.evaluate(
        "name => window.serflab.graph.drawn().find(node => node.name === name).classes", serf
    )
    return set(found)


def test_two_serfs_are_connected_with_the_mouse(coloured: Page, unpeered: Peerings) -> None:
    no_arrow(coloured)
    menu_by_mouse(coloured, unpeered.consumer).get_by_role("menuitem", name="Liqo Connect").click()
    expect(coloured.locator("#pick-banner")).to_contain_text(f"Choose the serf that {unpeered.consumer} connects to")
    lit = coloured.evaluate(
        "window.serflab.graph.drawn().filter(n => n.classes.includes('candidate')).map(n => n.name)"
    )
    assert lit == [unpeered.provider]
    # What is not up cannot be chosen.
    away = coloured.evaluate("window.serflab.graph.drawn().find(n => n.classes.includes('state-absent')).name")
    where = place(coloured, away)
    coloured.mouse.click(where["x"], where["y"])
    expect(coloured.locator("#pick-banner")).to_be_visible()
    where = place(coloured, unpeered.provider)
    coloured.mouse.click(where["x"], where["y"])
    form = coloured.get_by_role("dialog", name=f"Connect {unpeered.consumer} to {unpeered.provider}")
    form.get_by_label("Pods").fill("7")
    form.get_by_role("button", name="Connect").click()
    expect(coloured.get_by_role("region", name="Messages")).to_contain_text("is established")
    expect(form).to_have_count(0)
    arrow(coloured, unpeered, "healthy")
    assert unpeered.states() == [(unpeered.consumer, unpeered.provider, "Established")]
    assert elsewhere(unpeered.virtual_node)["status"]["capacity"]["pods"] == "7"
    expect(coloured.locator("#legend")).to_contain_text(re.compile(r"Peering\s*1"))


def test_two_serfs_are_connected_with_the_keyboard(coloured: Page, unpeered: Peerings) -> None:
    no_arrow(coloured)
    menu = menu_by_keyboard(coloured, unpeered.consumer)
    expect(menu.get_by_role("menuitem", name="Open")).to_be_focused()
    coloured.keyboard.press("ArrowDown")
    expect(menu.get_by_role("menuitem", name="Liqo Connect")).to_be_focused()
    coloured.keyboard.press("Enter")
    voice = coloured.locator("#graph-voice")
    expect(voice).to_contain_text(f"{unpeered.provider}, serf")
    coloured.keyboard.press("Enter")
    form = coloured.get_by_role("dialog", name=f"Connect {unpeered.consumer} to {unpeered.provider}")
    expect(form.get_by_label("CPU")).to_be_focused()
    coloured.keyboard.press("Enter")
    arrow(coloured, unpeered, "healthy")
    expect(coloured.locator("#graph")).to_be_focused()


def test_escape_leaves_the_menu_and_the_picking_and_changes_nothing(coloured: Page, unpeered: Peerings) -> None:
    no_arrow(coloured)
    menu = menu_by_keyboard(coloured, unpeered.consumer)
    expect(menu).to_be_visible()
    coloured.keyboard.press("Escape")
    expect(menu).to_have_count(0)
    expect(coloured.locator("#graph")).to_be_focused()
    coloured.keyboard.press("Shift+F10")
    coloured.keyboard.press("l")
    coloured.keyboard.press("Enter")
    cancel = coloured.locator("#pick-banner").get_by_role("button", name="Cancel")
    expect(cancel).to_be_visible()
    coloured.keyboard.press("Tab")
    expect(cancel).to_be_focused()
    coloured.keyboard.press("Escape")
    expect(cancel).to_have_count(0)
    assert "candidate" not in classes(coloured, unpeered.provider)
    # The panel, which Escape closes elsewhere, is still open.
    expect(coloured.locator("#panel")).to_be_visible()
    assert unpeered.all() == []


def test_what_cannot_be_done_says_why(coloured: Page, unpeered: Peerings) -> None:
    no_arrow(coloured)
    menu = menu_by_mouse(coloured, unpeered.consumer)
    create = menu.get_by_role("menuitem", name="Create Pod")
    expect(create).to_contain_text("It needs an established peering")
    # Forced: Playwright itself would wait until the entry can be chosen.
    create.click(force=True)
    expect(menu).to_be_visible()
    expect(menu.get_by_role("menuitem", name="Remove Liqo Links")).to_contain_text("It has none.")


def test_a_wrong_amount_is_refused_in_the_words_of_the_api(visit: Visit, unpeered: Peerings) -> None:
    page = visit.open(f"#view=table&node={unpeered.consumer}")
    no_arrow(page)
    page.get_by_role("button", name="Actions").click()
    page.get_by_role("menuitem", name="Liqo Connect").click()
    # Without the graph, the candidates are a list.
    chooser = page.get_by_role("dialog", name="Choose the serf")
    expect(chooser.get_by_label("Serf").locator("option")).to_have_text([unpeered.provider])
    page.keyboard.press("Enter")
    form = page.get_by_role("dialog", name=f"Connect {unpeered.consumer} to {unpeered.provider}")
    form.get_by_label("Memory").fill("plenty")
    page.keyboard.press("Enter")
    expect(form.get_by_role("alert")).to_contain_text("memory")
    visit.complaints = [text for text in visit.complaints if "400" not in text]
    form.get_by_label("Memory").fill("1Gi")
    page.keyboard.press("Enter")
    expect(form).to_have_count(0)
    expect(page.locator(f'#nodes tr[data-key="{unpeered.consumer}"]')).to_contain_text(f"to {unpeered.provider}")
    expect(page.locator(f'#nodes tr[data-key="{unpeered.provider}"]')).to_contain_text(f"from {unpeered.consumer}")


def test_a_cordoned_virtual_node_is_told_by_arrow_and_panel(visit: Visit, peered: Peerings) -> None:
    page = visit.open(f"#node={peered.consumer}&tab=peerings")
    card = page.locator(f'[data-peering="{peered.consumer} {peered.provider}"]')
    for module in ("Networking", "Authentication", "Offloading"):
        expect(card.locator(".modules > li", has_text=module)).to_contain_text("Established")
    arrow(page, peered, "healthy")
    card.get_by_role("button", name="Cordon").click()
    arrow(page, peered, "cordoned")
    assert page.evaluate(ARROWS)[0]["label"] == "cordoned"
    assert elsewhere(peered.virtual_node)["spec"]["unschedulable"] is True
    expect(card.locator(".badge").first).to_have_text("cordoned")
    card.get_by_role("button", name="Uncordon").click()
    arrow(page, peered, "healthy")
    assert not elsewhere(peered.virtual_node)["spec"].get("unschedulable")


def test_removing_lists_and_takes_what_goes_with_it(coloured: Page, peered: Peerings) -> None:
    peered.create_pod("going")
    menu_by_mouse(coloured, peered.provider).get_by_role("menuitem", name="Remove Liqo Links").click()
    form = coloured.get_by_role("dialog", name=f"Remove Liqo links of {peered.provider}")
    expect(form.locator(".cascade")).to_contain_text("Deleted (1)")
    expect(form.locator(".cascade")).to_contain_text("default/going")
    form.get_by_label(f"{peered.consumer} → {peered.provider}").uncheck()
    form.get_by_role("button", name="Remove").click()
    expect(form.get_by_role("alert")).to_contain_text("Choose at least one link")
    assert len(peered.virtual_pods()) == 1
    form.get_by_label(f"{peered.consumer} → {peered.provider}").check()
    form.get_by_role("button", name="Remove").click()
    expect(form).to_have_count(0)
    no_arrow(coloured)
    assert peered.all() == []
    assert peered.virtual_pods() == []
    expect(coloured.locator("#legend .legend-peering")).to_be_hidden()


def test_the_arrow_is_in_the_picture(coloured: Page, peered: Peerings, tmp_path: Path) -> None:
    arrow(coloured, peered, "healthy")
    with coloured.expect_download() as download:
        coloured.get_by_role("button", name="Save as SVG").click()
    download.value.save_as(tmp_path / "graph.svg")
    root = ET.parse(tmp_path / "graph.svg").getroot()
    drawn = [group.get("data-peering") for group in root.iter(f"{SVG}g") if group.get("data-peering")]
    assert drawn == [f"{peered.consumer} {peered.provider}"]
    assert "Peering, from consumer to provider" in {element.text for element in root.iter(f"{SVG}text")}


def test_the_past_has_no_arrows(coloured: Page, peered: Peerings) -> None:
    arrow(coloured, peered, "healthy")
    coloured.get_by_role("button", name="History", exact=True).click()
    expect(coloured.locator("#history")).to_have_attribute("aria-busy", "false")
    coloured.keyboard.press("ArrowLeft")
    expect(coloured.locator("#past")).to_be_visible()
    assert coloured.evaluate(ARROWS) == []
    coloured.get_by_role("button", name="Back to live").click()
    arrow(coloured, peered, "healthy")


def on_their_way(picture: dict[str, Any]) -> None:
    """Check that each pod is at its share of the way between the two ends."""
    one, other = picture["ends"]
    for pod in picture["pods"]:
        for axis in ("x", "y"):
            assert pod[axis] == pytest.approx(one[axis] + pod["share"] * (other[axis] - one[axis]), abs=1)


def test_a_transfer_moves_along_its_link_also_while_nodes_are_dragged(coloured: Page, peerings: Peerings) -> None:
    ends = {"from": peerings.consumer, "to": peerings.provider, "path": [peerings.consumer, peerings.provider]}
    transfer = {**ends, "id": "vp-001", "direction": "out", "pod": "ns1/web-0", "seconds": 600}
    coloured.evaluate(TRANSFERS, [transfer, {**transfer, "id": "vp-002", "pod": "ns1/web-1", "seconds": 1200}])
    frame = """names => new Promise(resolve => requestAnimationFrame(() => requestAnimationFrame(() => {
      const cy = document.getElementById("graph")._cyreg.cy;
      resolve({pods: window.transfers.drawn(), ends: names.map(name => cy.getElementById(name).renderedPosition())});
    })))"""
    names = [peerings.consumer, peerings.provider]
    before = coloured.evaluate(frame, names)
    on_their_way(before)
    assert before["pods"][0]["share"] > before["pods"][1]["share"]
    coloured.evaluate(
        "name => document.getElementById('graph')._cyreg.cy.getElementById(name).shift({x: 90, y: 50})", names[1]
    )
    after = coloured.evaluate(frame, names)
    assert after["ends"][1] != before["ends"][1]
    on_their_way(after)


def test_a_transfer_ends_when_its_time_is_over_and_is_read_aloud(coloured: Page, peerings: Peerings) -> None:
    ends = {"from": peerings.consumer, "to": peerings.provider, "path": [peerings.consumer, peerings.provider]}
    transfer = {**ends, "id": "vp-001", "direction": "home", "pod": "ns1/web-0", "seconds": 2}
    coloured.evaluate(TRANSFERS, [transfer])
    voice = coloured.locator("#transfer-voice")
    expect(voice).to_have_text(f"ns1/web-0 is on its way from {peerings.consumer} to {peerings.provider}, 2 seconds.")
    expect(coloured.locator(".transfer-pod.home")).to_have_count(1)
    expect(voice).to_have_text(f"ns1/web-0 has arrived at {peerings.provider}.")
    expect(coloured.locator("#transfers *")).to_have_count(0)


def test_who_wants_no_motion_gets_a_label_that_stands_still(coloured: Page, peerings: Peerings) -> None:
    coloured.emulate_media(reduced_motion="reduce")
    ends = {"from": peerings.consumer, "to": peerings.provider, "path": [peerings.consumer, peerings.provider]}
    transfer = {**ends, "id": "vp-001", "direction": "out", "pod": "ns1/web-0", "seconds": 30}
    coloured.evaluate(TRANSFERS, [transfer])
    label = coloured.locator(".transfer-pod.still .transfer-name")
    expect(label).to_have_text(re.compile(r"^ns1/web-0 \d+ %$"))
    start = label.bounding_box()
    first = label.text_content()
    expect(label).not_to_have_text(str(first))
    now = label.bounding_box()
    assert start
    assert now
    assert (now["x"] + now["width"] / 2, now["y"]) == pytest.approx(
        (start["x"] + start["width"] / 2, start["y"]), abs=1
    )


def menu(page: Page, peerings: Peerings) -> None:
    expect(menu_by_mouse(page, peerings.consumer)).to_be_visible()


def picking(page: Page, peerings: Peerings) -> None:
    menu_by_mouse(page, peerings.provider).get_by_role("menuitem", name="Liqo Connect").click()
    expect(page.locator("#pick-banner")).to_be_visible()


def connecting(page: Page, peerings: Peerings) -> None:
    picking(page, peerings)
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog", name=f"Connect {peerings.provider} to {peerings.consumer}")).to_be_visible()


def removing(page: Page, peerings: Peerings) -> None:
    menu_by_mouse(page, peerings.consumer).get_by_role("menuitem", name="Remove Liqo Links").click()
    expect(page.get_by_role("dialog").locator(".cascade")).to_contain_text("No virtual pods")


def tab(page: Page, peerings: Peerings) -> None:
    page.goto(f"{page.url.partition('#')[0]}#node={peerings.consumer}&tab=peerings")
    page.locator(".modules summary").first.click()


STATES = [menu, picking, connecting, removing, tab]


@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
@pytest.mark.parametrize("state", STATES, ids=lambda state: state.__name__)
def test_nothing_stands_in_the_way_of_anybody(
    visit: Visit,
    lab: Any,
    peered: Peerings,
    state: Callable[[Page, Peerings], None],
    size: dict[str, int],
) -> None:
    page = settled(visit, lab, size)
    arrow(page, peered, "healthy")
    state(page, peered)
    assert findings_in_both_themes(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), "it scrolls sideways"
