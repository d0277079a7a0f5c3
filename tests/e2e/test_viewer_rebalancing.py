"""The page of a loop of rebalancing that runs for real: nodes, VMs that move, spread, evictions, another algorithm."""

from __future__ import annotations

import asyncio
import itertools
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests
from playwright.sync_api import Locator, Page, expect
from test_viewer_accessibility import PHONE, WIDE, findings, findings_in_both_themes
from viewer_process import Viewer
from visiting import INK, Visit

from bare_serfs import CHECKOUT, port_block
from serflab.lab.inventory import STATE_ENV
from serflab.lab.processes import lab_processes
from serflab.rebalance.bodies import migration_body
from serflab.rebalance.loop_settings import NAMESPACE, load_loop, loop_directory
from serflab.rebalance.names import migration_path, vm_path
from serflab.rebalance.questions import api

if TYPE_CHECKING:
    from collections.abc import Iterator

TAB = "#node=rebalance&tab=rebalancing"
NODES = [f"kwok-node-{number}" for number in range(1, 6)]
MOVED = """([vm, source]) =>
  document.querySelector(`[data-vm="${vm}"]`).closest("[data-node]").dataset.node !== source"""
FLIGHTS = """() => {
  window.flights = [];
  const animate = Element.prototype.animate;
  Element.prototype.animate = function (...how) {
    window.flights.push(this.dataset.vm);
    return animate.apply(this, how);
  };
}"""


class LoopOnPage:
    """A loop with a serf of its own and a viewer that finds it; there is no lab."""

    def __init__(self, directory: Path) -> None:
        base = port_block(2) + 60
        self.viewer = Viewer(base + 30, directory)
        self.viewer_url = self.viewer.url
        self._base = base
        self._numbers = itertools.count()

    def up(self) -> None:
        self.serflab("up", "--interval=16", f"--port-base={self._base}", f"--exporter-port={self._base + 29}")
        self.viewer.start()

    def serflab(self, *arguments: str) -> None:
        """Run `serflab rebalance` on this loop."""
        command = [Path(sys.executable).with_name("serflab"), "rebalance", *arguments]
        environment = {**os.environ, STATE_ENV: str(self.viewer.state_dir)}
        done = subprocess.run(command, cwd=CHECKOUT, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    def clear(self) -> None:
        self.viewer.clear()
        self.serflab("down")
        assert not list(lab_processes(loop_directory(self.viewer.state_dir)))

    def document(self) -> dict[str, Any]:
        """Return the loop as the API tells it."""
        [loop] = requests.get(f"{self.viewer_url}/api/rebalance", timeout=30).json()["loops"]
        return dict(loop)

    def largest_vm(self) -> str:
        """Return the VM whose migration lasts longest, several looks of the page, of those that do not move now."""
        resting = [vm for vm in self.document()["vms"] if vm["migration"] is None]
        return str(max(resting, key=lambda vm: float(vm["memory"]))["name"])

    def migrate(self, vm: str) -> None:
        """Have a VM migrate, wherever the scheduler puts it."""

        async def make() -> None:
            async with api(load_loop(self.viewer.state_dir)) as client:
                found = await client.get(vm_path(NAMESPACE, vm))
                await client.create(migration_path(NAMESPACE), migration_body(found, f"by-hand-{next(self._numbers)}"))

        with ThreadPoolExecutor(1) as other_thread:
            other_thread.submit(asyncio.run, make()).result()


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoopOnPage]:
    loop = LoopOnPage(tmp_path_factory.mktemp("loop-page"))
    try:
        loop.up()
        yield loop
    finally:
        loop.clear()


@pytest.fixture
def tab(visit: Visit) -> Page:
    """The tab of the loop, once it shows the VMs."""
    page = visit.open(TAB)
    expect(page.locator(".loop-vm").first).to_be_visible()
    return page


def home_of(page: Page, vm: str) -> str:
    """Return the node in whose bar the box of a VM is."""
    name: str = page.locator(f'[data-vm="{vm}"]').evaluate("box => box.closest('[data-node]').dataset.node")
    return name


def section(page: Page, title: str) -> Locator:
    return page.locator("#panel section", has=page.get_by_role("heading", name=title, exact=True))


def test_the_button_leads_to_the_nodes_with_their_vms_and_classes(visit: Visit, lab: LoopOnPage) -> None:
    page = visit.open()
    page.get_by_role("button", name="Rebalancing", exact=True).click()
    expect(page.locator("#panel h2")).to_have_text("rebalance")
    assert page.get_by_role("tab").all_inner_texts() == ["Rebalancing"]
    expect(page.locator(".loop-node")).to_have_count(5)
    assert page.locator(".loop-node").evaluate_all("nodes => nodes.map(node => node.dataset.node)") == NODES
    now = lab.document()
    expect(page.locator("[data-vm]")).to_have_count(len(now["vms"]))
    assert set(page.locator(".loop-class").all_inner_texts()) <= {"▼ under", "● fits", "▲ over"}
    assert "tab=rebalancing" in page.url


def test_only_the_panel_scrolls_however_many_vms_there_are(tab: Page) -> None:
    assert tab.evaluate("document.querySelector('.panel-body').scrollHeight > innerHeight")
    assert tab.evaluate("document.scrollingElement.scrollHeight <= innerHeight")


def test_a_vm_that_migrates_is_seen_to_leave_to_come_and_to_fly(tab: Page, lab: LoopOnPage) -> None:
    tab.evaluate(FLIGHTS)
    vm = lab.largest_vm()
    source = home_of(tab, vm)
    lab.migrate(vm)
    tab.wait_for_function('vm => document.querySelector(`[data-vm="${vm}"].leaving`)', arg=vm)
    tab.wait_for_function(MOVED, arg=[vm, source])
    assert vm in tab.evaluate("window.flights")
    row = section(tab, "Migrations").locator("tbody tr", has=tab.get_by_role("rowheader", name=vm, exact=True)).first
    expect(row).to_contain_text("Succeeded")
    expect(row).to_contain_text(source)


def test_who_asks_for_less_motion_sees_no_flight(tab: Page, lab: LoopOnPage) -> None:
    tab.emulate_media(reduced_motion="reduce")
    tab.evaluate(FLIGHTS)
    vm = lab.largest_vm()
    source = home_of(tab, vm)
    lab.migrate(vm)
    tab.wait_for_function(MOVED, arg=[vm, source])
    assert tab.evaluate("window.flights") == []


def test_evictions_cycles_and_the_spread_are_told(tab: Page) -> None:
    expect(section(tab, "Evictions").locator("tbody tr").first).to_contain_text("kwok-node-")
    expect(section(tab, "Cycles of the descheduler").locator("tbody tr").first).to_be_visible()
    canvas = tab.locator(".loop-spread canvas")
    expect(canvas).to_be_visible()
    assert canvas.evaluate(INK)
    expect(tab.locator('.loop-spread [data-series="cpu"] td').first).to_contain_text("points")
    expect(tab.locator(".loop-spread")).to_contain_text("migrations in this time")


def test_another_algorithm_is_chosen_by_the_keyboard(tab: Page, lab: LoopOnPage) -> None:
    before = lab.document()["algorithm"]
    select = tab.get_by_role("combobox", name="Algorithm")
    expect(select).to_have_value(before)
    switch = tab.get_by_role("button", name="Switch", exact=True)
    expect(switch).to_be_disabled()
    select.focus()
    tab.keyboard.type("18")
    expect(select).to_have_value("cpu_focused")
    expect(tab.locator(".loop-switch")).to_contain_text(f"by cpu_focused instead of {before}")
    tab.keyboard.press("Tab")
    expect(switch).to_be_focused()
    tab.keyboard.press("Enter")
    expect(tab.locator(".toast")).to_contain_text("Nodes are scored by cpu_focused")
    expect(tab.locator(".loop-switch")).to_contain_text("In force: cpu_focused")
    kept = load_loop(lab.viewer.state_dir)
    assert kept.algorithm == "cpu_focused"
    assert "descheduler:node:cpu_focused:avg1m" in kept.policy.read_text()
    tab.wait_for_function(
        """async since => (await (await fetch("/api/rebalance")).json()).loops[0].cycles.some(
          cycle => cycle.started > since && cycle.problems.length === 0)""",
        arg=kept.since,
    )


@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
def test_nothing_serious_for_axe(visit: Visit, size: dict[str, int]) -> None:
    visit.page.emulate_media(reduced_motion="reduce")
    visit.page.set_viewport_size(size)  # type: ignore[arg-type]
    page = visit.open(TAB)
    expect(page.locator(".loop-spread canvas")).to_be_visible()
    page.locator("#panel summary").evaluate_all("all => all.forEach(summary => summary.click())")
    expect(page.locator(".loop-all tbody tr").first).to_be_visible()
    assert findings_in_both_themes(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), "it scrolls sideways"


def test_many_nodes_have_a_window_of_their_own_so_that_the_spread_stays_near(tab: Page, lab: LoopOnPage) -> None:
    lab.serflab("up", "--nodes=14")
    expect(tab.locator(".loop-node")).to_have_count(14)
    stage = tab.get_by_role("region", name="Nodes", exact=True)
    assert stage.evaluate("stage => stage.clientHeight < innerHeight && stage.scrollHeight > stage.clientHeight")
    stage.focus()
    tab.keyboard.press("End")
    tab.wait_for_function("() => document.querySelector('.loop-stage').scrollTop > 0")
    assert findings(tab) == []


def test_a_loop_that_is_gone_is_told_and_its_button_goes(tab: Page, visit: Visit, lab: LoopOnPage) -> None:
    lab.serflab("down")
    expect(tab.locator("#panel")).to_contain_text("No loop of rebalancing runs on rebalance")
    expect(tab.locator("#loop-open")).to_be_hidden()
    # The browser itself tells of what the chart was refused while the loop went.
    assert all(complaint.startswith("Failed to load resource") for complaint in visit.complaints)
    visit.complaints.clear()
