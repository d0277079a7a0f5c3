"""Virtual pods on the page: their list, and what creates, offloads, brings back and deletes them, on two real serfs."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
import requests
from playwright.sync_api import Page, expect
from running_lab import until
from test_viewer_accessibility import PHONE, WIDE, findings_in_both_themes
from viewer_process import Viewer
from visiting import PATIENCE_MS, RESULTS, Visit, pods_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Locator

FOUR_CURVES = """() => {
  const lines = [...document.querySelectorAll(".preview .sparkline-line")];
  return lines.length === 4 && lines.every((line) => line.getAttribute("d"));
}"""
OTHER_CURVE = "old => document.querySelector('.preview .sparkline-line').getAttribute('d') !== old"
# The list with many made pods, in a box of its own on the page.
MANY_PODS = """async count => {
  const {VirtualTable} = await import("/static/js/virtual_table.js");
  const statuses = ["Running", "Running", "Pending", "Failed"];
  window.made = Array.from({length: count}, (_, at) => ({
    id: `vp-${at}`, origin: "created", source_node: "serf1", dest_node: at % 2 ? "serf2" : "serf3",
    namespace: "default", source_pod_name: `web-${at}`, dest_pod_name: `web-${at}`, dest_namespace: "default-serf1",
    workload_template: "burst",
    status: statuses[at % 4], ready: at % 4 < 2, reason: "", message: "", transfer: null, created_at: 1e9 - at}));
  window.deleted = null;
  const onDelete = (pods) => { window.deleted = pods.map((pod) => pod.id); };
  const table = new VirtualTable({onOpen: () => {}, onDelete});
  const box = document.createElement("div");
  box.id = "many";
  Object.assign(box.style, {
    position: "fixed", inset: "0", width: "460px", zIndex: "50", display: "flex", flexDirection: "column"});
  box.append(table.element);
  document.body.append(box);
  table.update(window.made);
  window.shrink = (left) => table.update(window.made.slice(0, left));
}"""


class Offloading:
    """A peering from the first serf to the second and its virtual pods, as the API tells them."""

    def __init__(self, lab: Any) -> None:
        self.source, self.dest = (serf.name for serf in lab.inventory.serfs[:2])
        self._url = f"{lab.viewer_url}/api"
        self._peering = {"from": self.source, "to": self.dest}

    def connect(self) -> None:
        """Peer the first serf with the second, and wait until pods can go."""
        answer = requests.post(f"{self._url}/liqo-connections", json=self._peering, timeout=30)
        assert answer.ok, answer.text
        until(lambda: any(item["state"] == "Established" for item in self.connections()))

    def disconnect(self) -> None:
        """End the peering with all that goes with it."""
        answer = requests.delete(f"{self._url}/liqo-connections", json=self._peering, timeout=30)
        assert answer.ok, answer.text
        until(lambda: self.connections() == [])

    def connections(self) -> list[dict[str, Any]]:
        """Return the peering, if it is there."""
        found: list[dict[str, Any]] = requests.get(f"{self._url}/liqo-connections", timeout=30).json()["connections"]
        return [item for item in found if item.items() >= self._peering.items()]

    def pods(self) -> list[dict[str, Any]]:
        """Return the virtual pods."""
        ends = {"source_node": self.source, "dest_node": self.dest}
        answer = requests.get(f"{self._url}/virtual-pods", params=ends, timeout=30)
        found: list[dict[str, Any]] = answer.json()["virtual_pods"]
        return found

    def create(self, name: str, template: str = "idle") -> str:
        """Create a virtual pod, wait until it runs, and return its id."""
        wanted = {"source_node": self.source, "dest_node": self.dest, "workload_template": template, "interval": 1}
        answer = requests.post(f"{self._url}/virtual-pods/create", json={**wanted, "name": name}, timeout=30)
        assert answer.ok, answer.text
        identity: str = answer.json()["virtual_pod"]["id"]
        until(lambda: any(pod["id"] == identity and pod["status"] == "Running" for pod in self.pods()))
        return identity

    def delete_all(self) -> None:
        """Delete every virtual pod."""
        for pod in self.pods():
            requests.delete(f"{self._url}/virtual-pods/{pod['id']}", timeout=30)
        until(lambda: self.pods() == [])


@pytest.fixture(scope="module")
def peered(lab: Any) -> Iterator[Offloading]:
    offloading = Offloading(lab)
    offloading.connect()
    yield offloading
    offloading.disconnect()


@pytest.fixture
def offloading(peered: Offloading) -> Iterator[Offloading]:
    """A peering from the first serf to the second, without virtual pods before and after the test."""
    peered.delete_all()
    yield peered
    peered.delete_all()


@contextmanager
def quiet(visit: Visit) -> Iterator[None]:
    """Let the browser complain of an answer that refuses: it does of each, whatever the page makes of it."""
    yield
    visit.complaints[:] = [text for text in visit.complaints if "Failed to load resource" not in text]


def sidebar(page: Page) -> Locator:
    return page.get_by_role("complementary", name="Virtual pods")


def row(page: Page, text: str) -> Locator:
    return sidebar(page).locator("tbody tr", has_text=text)


def dialog(page: Page, name: str) -> Locator:
    return page.get_by_role("dialog", name=name)


@pytest.mark.usefixtures("offloading")
def test_the_empty_list_says_how_to_begin(visit: Visit) -> None:
    page = visit.open("#virtual=all")
    expect(sidebar(page)).to_contain_text("No virtual pods yet")
    expect(sidebar(page).locator(".begin li")).to_have_text(
        [re.compile(r"^Connect two serfs: done"), re.compile("^Create Pod: "), re.compile("^Offload: ")]
    )


def test_a_pod_is_created_with_the_mouse(visit: Visit, offloading: Offloading, lab: Any) -> None:
    page = visit.open()
    page.get_by_role("button", name="Virtual pods").click()
    sidebar(page).get_by_role("button", name="Create Pod").click()
    form = dialog(page, "Create Pod")
    expect(form.get_by_label("From", exact=True)).to_have_value(offloading.source)
    expect(form.get_by_label("To", exact=True)).to_have_value(offloading.dest)
    form.get_by_role("radio", name="burst").click()
    page.wait_for_function(FOUR_CURVES)
    before = page.locator(".preview .sparkline-line").first.get_attribute("d")
    form.get_by_role("radio", name="ml-training").click()
    page.wait_for_function(OTHER_CURVE, arg=before)
    form.get_by_label("Interval").fill("2")
    expect(form.locator("figcaption")).to_contain_text(re.compile(r"points . 2 s = 4 min"))
    form.get_by_label("Name", exact=True).fill("by-mouse")
    RESULTS.mkdir(exist_ok=True)
    page.screenshot(path=RESULTS / "viewer-create-pod.png")
    form.get_by_role("button", name="Create").click()
    expect(form).to_contain_text(f"default/by-mouse runs on {offloading.dest}.")
    form.get_by_role("button", name="Close").click()
    expect(row(page, "by-mouse")).to_contain_text("Running")
    (pod,) = offloading.pods()
    assert (pod["workload_template"], pod["interval"], pod["loop"]) == ("ml-training", 2, True)
    assert "default/by-mouse" in pods_of(lab, offloading.source)
    assert f"{pod['dest_namespace']}/{pod['dest_pod_name']}" in pods_of(lab, offloading.dest)


def test_a_pod_is_created_by_the_keyboard_alone(visit: Visit, offloading: Offloading) -> None:
    page = visit.open()
    expect(page.locator("#live")).to_have_text("Live")
    page.keyboard.press("v")
    expect(sidebar(page)).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    form = dialog(page, "Create Pod")
    expect(form.get_by_label("From", exact=True)).to_be_focused()
    expect(form.get_by_role("radio", name="batch")).to_be_checked()
    for _ in range(3):  # To, the kind of load, the templates
        page.keyboard.press("Tab")
    expect(form.get_by_role("radio", name="batch")).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(form.get_by_role("radio", name="burst")).to_be_checked()
    page.keyboard.press("Enter")
    expect(form).to_contain_text(f"runs on {offloading.dest}.")
    expect(form.get_by_role("button", name="Details")).to_be_focused()
    page.keyboard.press("Enter")
    (pod,) = offloading.pods()
    expect(sidebar(page).locator(".virtual-details h3")).to_have_text(f"default/{pod['source_pod_name']}")
    expect(sidebar(page)).to_contain_text("burst")
    expect(row(page, pod["id"])).to_have_count(1)
    page.keyboard.press("Escape")
    expect(row(page, pod["id"])).to_be_focused()
    page.keyboard.press("Escape")
    expect(sidebar(page)).to_be_hidden()


def test_a_pod_plays_the_series_of_another(visit: Visit, offloading: Offloading, lab: Any) -> None:
    model = min(pods_of(lab, offloading.source))
    page = visit.open("#virtual=all")
    sidebar(page).get_by_role("button", name="Create Pod").click()
    form = dialog(page, "Create Pod")
    form.get_by_role("radio", name="A pod's own series").click()
    form.get_by_label("Pod", exact=True).fill(model)
    form.get_by_label("Pod", exact=True).press("Tab")
    expect(form.locator("figcaption")).to_contain_text("15 minutes")
    page.wait_for_function(FOUR_CURVES)
    form.get_by_label("Name", exact=True).fill("like-another")
    form.get_by_role("button", name="Create").click()
    expect(form).to_contain_text(f"default/like-another runs on {offloading.dest}.")


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        pytest.param("Namespace", "nowhere", "nowhere", id="unknown namespace"),
        pytest.param("Name", "Not_A_Name", "Not_A_Name", id="refused name"),
        pytest.param("Name", "taken", "taken", id="taken name"),
        pytest.param("Interval", "0", "above 0", id="no interval"),
    ],
)
def test_what_is_refused_stands_beside_its_field(
    visit: Visit, offloading: Offloading, field: str, value: str, words: str
) -> None:
    offloading.create("taken")
    page = visit.open("#virtual=all")
    sidebar(page).get_by_role("button", name="Create Pod").click()
    form = dialog(page, "Create Pod")
    expect(form.get_by_role("radio", name="batch")).to_be_checked()
    control = form.get_by_label(field, exact=True)
    # The browser's own check would speak first, in its own words.
    form.locator("form").evaluate("form => form.noValidate = true")
    control.fill(value)
    with quiet(visit):
        control.press("Enter")
        expect(control).to_have_attribute("aria-invalid", "true")
    identifier = str(control.get_attribute("id"))
    expect(form.locator(f"#{identifier}-problem")).to_contain_text(words)
    expect(control).to_be_focused()
    assert len(offloading.pods()) == 1
    control.fill("")
    expect(form.locator(f"#{identifier}-problem")).to_be_empty()


def test_a_running_pod_is_offloaded_and_brought_back(visit: Visit, offloading: Offloading, lab: Any) -> None:
    name = min(pod for pod in pods_of(lab, offloading.source) if pod.startswith("ns1/"))
    page = visit.open(f"#node={offloading.source}&tab=pods&pod={name}")
    actions = page.get_by_role("group", name="Actions for the pod")
    actions.get_by_role("button", name="Offload").click()
    form = dialog(page, f"Offload {name}")
    expect(form.get_by_role("radio", name=offloading.dest)).to_be_focused()
    page.keyboard.press("Enter")
    expect(form).to_contain_text(f"{name} runs on {offloading.dest}.")
    form.get_by_role("button", name="Close").click()

    (pod,) = offloading.pods()
    assert (pod["origin"], pod["status"]) == ("offloaded", "Running")
    assert f"{pod['dest_namespace']}/{pod['dest_pod_name']}" in pods_of(lab, offloading.dest)
    # It has no load here any more: by load it is the last of all.
    page.get_by_label("Filter pods").fill(name.split("/")[1])
    mark = page.locator(f'.pods tr[data-key="{name}"]').get_by_role("button", name=pod["id"])
    expect(mark).to_have_text(f"⇢ {pod['id']}")
    mark.click()
    expect(sidebar(page).locator(".virtual-details h3")).to_have_text(name)
    expect(sidebar(page)).to_contain_text("Offloaded: it ran on the source before")

    # Its details are asked for once more when it is gone.
    with quiet(visit):
        actions.get_by_role("button", name="Bring back").click()
        expect(page.get_by_role("region", name="Messages")).to_contain_text(f"{name} is back on {offloading.source}.")
        assert offloading.pods() == []
        expect(actions.get_by_role("button", name="Offload")).to_be_visible()
        expect(sidebar(page)).to_contain_text(f"{pod['id']} is gone")
    assert name in pods_of(lab, offloading.source)


def test_who_closes_the_dialog_gets_the_end_as_a_message(visit: Visit, offloading: Offloading) -> None:
    page = visit.open("#virtual=all")
    sidebar(page).get_by_role("button", name="Create Pod").click()
    form = dialog(page, "Create Pod")
    form.get_by_label("Name", exact=True).fill("unseen")
    form.get_by_role("button", name="Create").click()
    page.keyboard.press("Escape")
    # It may have run before the key was pressed; then the dialog has said so.
    until(lambda: any(pod["status"] == "Running" for pod in offloading.pods()))
    expect(row(page, "unseen")).to_contain_text("Running")
    expect(form).to_have_count(0)


def test_several_pods_are_deleted_at_once(visit: Visit, offloading: Offloading, lab: Any) -> None:
    keep, *doomed = (offloading.create(name) for name in ("stays", "goes-1", "goes-2"))
    page = visit.open("#virtual=all")
    for identity in doomed:
        sidebar(page).get_by_role("checkbox", name=f"Select {identity}").check()
    expect(sidebar(page).get_by_role("group", name="Selected virtual pods")).to_contain_text("2 selected")
    sidebar(page).get_by_role("button", name="Delete").click()
    question = dialog(page, "Delete 2 virtual pods?")
    expect(question.locator("li")).to_have_count(2)
    question.get_by_role("button", name="Cancel").click()
    assert len(offloading.pods()) == 3
    sidebar(page).get_by_role("button", name="Delete").click()
    question.get_by_role("button", name="Delete").click()
    expect(sidebar(page).locator("tbody tr")).to_have_count(1)
    assert [pod["id"] for pod in offloading.pods()] == [keep]
    left = pods_of(lab, offloading.source) | pods_of(lab, offloading.dest)
    assert not [pod for pod in left if "goes-" in pod]


def test_one_pod_is_deleted_from_its_details(visit: Visit, offloading: Offloading) -> None:
    identity = offloading.create("goes")
    page = visit.open(f"#virtual={identity}")
    sidebar(page).get_by_role("button", name="Delete").click()
    dialog(page, f"Delete {identity}?").get_by_role("button", name="Delete").click()
    expect(page.get_by_role("region", name="Messages")).to_contain_text(f"default/goes ({identity}) is deleted.")
    with quiet(visit):
        expect(sidebar(page)).to_contain_text(f"{identity} is gone")
    assert offloading.pods() == []


def test_details_lead_to_both_serfs_and_both_pods(visit: Visit, offloading: Offloading) -> None:
    identity = offloading.create("seen")
    (pod,) = offloading.pods()
    page = visit.open(f"#virtual={identity}")
    panel = page.locator("#panel")
    sidebar(page).get_by_role("button", name=offloading.dest, exact=True).click()
    expect(panel.locator("h2")).to_have_text(offloading.dest)
    sidebar(page).get_by_role("button", name=f"{pod['dest_namespace']}/{pod['dest_pod_name']}").click()
    expect(panel.locator(".chart h3")).to_have_text(f"{pod['dest_namespace']}/{pod['dest_pod_name']}")
    guest = panel.get_by_role("group", name="Actions for the pod")
    expect(guest).to_contain_text(f"{identity}: {offloading.source} → {offloading.dest}")
    sidebar(page).get_by_role("button", name="default/seen").click()
    expect(panel.locator("h2")).to_have_text(offloading.source)
    panel.get_by_role("tab", name="Cluster").click()
    expect(panel.locator(f'.kube-nodes li[data-node="{offloading.dest}"]')).to_contain_text("Virtual")


def test_the_list_is_filtered_and_searched(visit: Visit) -> None:
    page = visit.open()
    page.evaluate(MANY_PODS, 40)
    many = page.locator("#many")
    table = many.locator("table")
    expect(table).to_have_attribute("aria-rowcount", "41")
    many.get_by_label("Status").select_option("Pending")
    expect(table).to_have_attribute("aria-rowcount", "11")
    expect(many.get_by_text("10 of 40 virtual pods")).to_be_visible()
    many.get_by_label("Serf").select_option("serf2")
    expect(many.get_by_text("No virtual pod matches the filters.")).to_be_visible()
    many.get_by_role("button", name="Clear").click()
    many.get_by_label("Search virtual pods").fill("web-7 failed")
    expect(many.locator("tbody tr")).to_have_count(1)
    expect(many.locator("tbody tr")).to_contain_text("web-7")


def test_ten_thousand_virtual_pods_keep_few_rows_in_the_document(visit: Visit) -> None:
    page = visit.open()
    page.evaluate(MANY_PODS, 10_000)
    many = page.locator("#many")
    expect(many.locator("table")).to_have_attribute("aria-rowcount", "10001")
    assert 0 < many.locator("tbody tr").count() < 200
    many.get_by_label("Status").select_option("Failed")
    many.locator("tbody tr").first.focus()
    page.keyboard.press("Space")
    many.get_by_role("button", name="Select all shown").click()
    expect(many.get_by_text("2,500 selected")).to_be_visible()
    many.get_by_role("button", name="Delete").click()
    assert len(page.evaluate("window.deleted")) == 2500
    # Those that are gone are selected no more.
    page.evaluate("window.shrink(8)")
    expect(many.get_by_text("2 selected", exact=True)).to_be_visible()


def test_messages_of_failures_stay_until_they_are_closed(visit: Visit) -> None:
    page = visit.open()
    page.evaluate(
        """async () => {
          const {toast} = await import("/static/js/toasts.js");
          for (let at = 0; at < 6; at += 1) toast({kind: "error", text: `failure ${at}`, hint: "try again"});
        }"""
    )
    messages = page.get_by_role("region", name="Messages")
    assert messages.get_attribute("aria-live") == "polite"
    expect(messages.locator(".toast")).to_have_count(4)
    expect(messages.locator(".toast").first).to_contain_text("Failure 2.")
    messages.get_by_role("button", name="Close this message").first.click()
    expect(messages.locator(".toast")).to_have_count(3)


def test_a_transfer_is_shown_as_far_as_it_is_by_the_viewers_clock(visit: Visit) -> None:
    page = visit.open()
    # All in one go: the lab's next document brings the real time back.
    told = page.evaluate(
        """async () => {
          const {setServerTime} = await import("/static/js/server_clock.js");
          const {transferBar} = await import("/static/js/operation_progress.js");
          const {element, show} = transferBar();
          document.body.prepend(element);
          // An hour ahead of this browser.
          const now = Date.now() / 1000 + 3600;
          setServerTime(now);
          show({started: now - 5000, seconds: 10000});
          const bar = element.querySelector("[role=progressbar]");
          return [element.checkVisibility(), bar.getAttribute("aria-valuenow"), element.innerText];
        }"""
    )
    assert told[:2] == [True, "50"]
    assert re.fullmatch("50 %, 8[23] min left", told[2].strip())


def test_without_a_manager_the_list_says_so(browser: Browser, lab: Any, tmp_path: Path) -> None:
    viewer = Viewer(lab.port_base + 253, tmp_path)
    try:
        viewer.start()
        page = Visit(browser.new_context(), viewer.url).open("#virtual=all")
        expect(sidebar(page).get_by_role("status").filter(has_text="cannot be changed now")).to_be_visible()
        page.context.close()
    finally:
        viewer.clear()


def the_list(page: Page, _: str) -> None:
    page.get_by_role("button", name="Virtual pods").click()
    expect(sidebar(page).locator("tbody tr")).to_have_count(1)
    sidebar(page).locator("tbody input").check()


def the_details(page: Page, identity: str) -> None:
    page.goto(f"{page.url.partition('#')[0]}#virtual={identity}")
    expect(sidebar(page).locator(".virtual-details h3")).to_be_visible()


def the_question(page: Page, identity: str) -> None:
    the_details(page, identity)
    sidebar(page).get_by_role("button", name="Delete").click()
    expect(dialog(page, f"Delete {identity}?")).to_be_visible()


def the_form(page: Page, _: str) -> None:
    page.get_by_role("button", name="Virtual pods").click()
    sidebar(page).get_by_role("button", name="Create Pod").click()
    page.wait_for_function(FOUR_CURVES)


def the_pods(page: Page, _: str) -> None:
    page.goto(f"{page.url.partition('#')[0]}#node=serf1&tab=pods")
    expect(page.locator(".pods .row-action").first).to_be_visible()


def the_messages(page: Page, _: str) -> None:
    page.evaluate(
        """async () => {
          const {toast} = await import("/static/js/toasts.js");
          const actions = [{text: "Details", act: () => {}}];
          const kinds = ["good", "info", "error"];
          for (const kind of kinds) toast({kind, text: `a message: ${kind}`, hint: "a hint", actions});
        }"""
    )


@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
def test_axe_finds_nothing(visit: Visit, offloading: Offloading, size: Any) -> None:
    identity = offloading.create("looked-at")
    visit.page.emulate_media(reduced_motion="reduce")
    visit.page.set_viewport_size(size)
    states: list[Callable[[Page, str], None]] = [
        the_list, the_details, the_question, the_form, the_pods, the_messages,
    ]  # fmt: skip
    for state in states:
        page = visit.open()
        page.reload()
        expect(page.locator("#virtual-count")).to_have_text("1", timeout=PATIENCE_MS)
        state(page, identity)
        assert findings_in_both_themes(page) == [], state.__name__
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), f"{state.__name__} scrolls"
