"""The panel of a node: its tabs tell what the real cluster, exporter and replay say, and its tables stay quick."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from playwright.sync_api import Page, expect
from visiting import RESULTS, Visit, click_node, pods_of

if TYPE_CHECKING:
    from collections.abc import Callable

TABS = ["overview", "pods", "peerings", "cluster", "events", "health", "config"]
# A table of many made rows in a box of its own on the page.
MANY_ROWS = """async count => {
  const {Table} = await import("/static/js/table.js");
  const {h} = await import("/static/js/dom.js");
  const scroller = h("div", {id: "many"});
  scroller.style.height = "400px";
  scroller.style.overflow = "auto";
  document.body.prepend(scroller);
  window.opened = [];
  window.many = new Table({
    label: "Many", key: row => row.name, sort: {id: "name", down: false}, scroller, rowHeight: 30,
    onOpen: row => window.opened.push(row.name),
    columns: [{id: "name", title: "Name", header: true, value: row => row.name, text: row => row.name},
              {id: "value", title: "Value", numeric: true, value: row => row.value, text: row => String(row.value)}],
  });
  scroller.append(window.many.element);
  window.made = Array.from({length: count}, (_, at) => ({name: `row-${at}`, value: (at * 7919) % count}));
  window.many.update(window.made);
}"""


@pytest.fixture
def cluster(visit: Visit, serf_name: str) -> Callable[[str], Any]:
    """What the API answers about the serf, by the last part of the address."""

    def ask(part: str) -> Any:
        response = requests.get(f"{visit.url}/api/node/{serf_name}/{part}", timeout=15)
        assert response.status_code == 200, response.text
        return response.json()

    return ask


def test_a_click_on_a_serf_shows_its_load_and_the_pods_that_use_most(coloured: Page, lab: Any, serf_name: str) -> None:
    click_node(coloured, serf_name)
    panel = coloured.locator("#panel")
    expect(panel.get_by_role("heading", level=2)).to_have_text(serf_name)
    expect(panel.locator(".tile dd")).to_have_text([re.compile(r"\d.*%")] * 3 + [re.compile(r"\d.*W")])
    top = panel.locator(".top-pods button")
    expect(top).to_have_count(5)
    assert {str(pod.get_attribute("data-key")) for pod in top.all()} <= pods_of(lab, serf_name)
    RESULTS.mkdir(exist_ok=True)
    coloured.screenshot(path=RESULTS / "viewer.png")
    top.first.click()
    expect(panel.get_by_role("tab", name="Pods")).to_have_attribute("aria-selected", "true")
    expect(panel.locator(".chart h3")).to_have_text(re.compile("/"))
    assert panel.locator(".chart h3").inner_text() in pods_of(lab, serf_name)


@pytest.mark.parametrize("tab", TABS)
def test_each_tab_is_reached_by_its_address(visit: Visit, serf_name: str, tab: str) -> None:
    page = visit.open(f"#node={serf_name}&tab={tab}")
    expect(page.get_by_role("tabpanel")).to_have_count(1)
    expect(page.locator(f"#tab-{tab}")).to_have_attribute("aria-selected", "true")
    expect(page.get_by_role("tabpanel").locator(".skeleton:visible")).to_have_count(0)
    expect(page.get_by_role("tabpanel").locator(".notice.error:visible")).to_have_count(0)


def test_arrow_keys_go_from_tab_to_tab(visit: Visit, serf_name: str) -> None:
    page = visit.open(f"#node={serf_name}")
    page.get_by_role("tab", name="Overview").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("tab", name="Pods")).to_be_focused()
    assert parse_qs(urlsplit(page.url).fragment)["tab"] == ["pods"]
    page.keyboard.press("End")
    expect(page.get_by_role("tab", name="Config")).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("tab", name="Overview")).to_have_attribute("aria-selected", "true")
    page.go_back()
    expect(page.get_by_role("tab", name="Config")).to_have_attribute("aria-selected", "true")


def shown_pods(page: Page) -> list[str]:
    return [str(row.get_attribute("data-key")) for row in page.locator(".pods tbody tr").all()]


def test_pods_are_sorted_and_filtered(visit: Visit, lab: Any, serf_name: str) -> None:
    page = visit.open(f"#node={serf_name}&tab=pods")
    real = pods_of(lab, serf_name)
    expect(page.locator(".pods h3")).to_have_text(f"Pods {len(real)}")
    expect(page.locator(".pods table")).to_have_attribute("aria-rowcount", str(len(real) + 1))
    page.locator(".pods thead button", has_text="Pod").click()
    keys = shown_pods(page)
    namespaces = [key.split("/")[0] for key in keys]
    assert len(keys) > 1
    assert namespaces == sorted(namespaces)
    namespace = namespaces[0]
    wanted = {pod for pod in real if pod.startswith(f"{namespace}/")}
    page.locator(".pods").get_by_label("Namespace", exact=True).select_option(namespace)
    expect(page.locator(".pods h3")).to_have_text(f"Pods {len(wanted)} of {len(real)}")
    assert set(shown_pods(page)) <= wanted
    pod = max(wanted)
    page.get_by_label("Filter pods").fill(pod.split("/")[1])
    expect(page.locator(".pods tbody tr")).to_have_count(1)
    assert shown_pods(page) == [pod]
    page.get_by_role("button", name="Clear", exact=True).click()
    expect(page.locator(".pods h3")).to_have_text(f"Pods {len(real)}")


def test_the_filtered_pods_are_saved_as_csv(visit: Visit, lab: Any, serf_name: str) -> None:
    page = visit.open(f"#node={serf_name}&tab=pods")
    namespace = min(pods_of(lab, serf_name)).split("/")[0]
    expect(page.locator(".pods tbody tr").first).to_be_visible()
    page.locator(".pods").get_by_label("Namespace", exact=True).select_option(namespace)
    with page.expect_download() as download:
        page.locator(".pods").get_by_role("button", name="CSV").click()
    rows = list(csv.DictReader(io.StringIO(Path(download.value.path()).read_text(encoding="utf-8"))))
    wanted = {pod for pod in pods_of(lab, serf_name) if pod.startswith(f"{namespace}/")}
    assert {f"{row['namespace']}/{row['name']}" for row in rows} == wanted
    assert all(float(row["cpu_millicores"]) >= 0 for row in rows)


def test_columns_are_chosen_and_remembered(visit: Visit, serf_name: str) -> None:
    page = visit.open(f"#node={serf_name}&tab=pods")
    expect(page.locator(".pods .column-power")).to_be_visible()
    page.get_by_role("button", name="Columns").click()
    page.get_by_role("checkbox", name="Power W").uncheck()
    expect(page.locator(".pods .column-power")).to_have_count(0)
    page.reload()
    expect(page.locator(".pods .column-cpu")).to_be_visible()
    expect(page.locator(".pods .column-power")).to_have_count(0)


def test_the_cluster_tab_shows_the_real_nodes_and_leads_to_their_pods(
    visit: Visit, cluster: Callable[[str], Any], serf_name: str
) -> None:
    info = cluster("cluster-info")
    page = visit.open(f"#node={serf_name}&tab=cluster")
    expect(page.locator(".facts").first).to_contain_text(info["cluster"]["version"])
    for node in info["nodes"]:
        entry = page.locator(f'.kube-nodes li[data-node="{node["name"]}"]')
        expect(entry).to_contain_text("Ready")
        expect(entry).to_contain_text(f"{node['requested']['pods']} of {node['capacity']['pods']}")
    namespace = next(item for item in info["namespaces"] if item["pods"])
    page.locator(".chips button", has_text=namespace["name"]).click()
    expect(page.locator(".pods h3")).to_have_text(f"Pods {namespace['pods']} of {len(info['pods'])}")


def test_the_events_tab_shows_the_clusters_events_newest_first(
    visit: Visit, cluster: Callable[[str], Any], serf_name: str
) -> None:
    page = visit.open(f"#node={serf_name}&tab=events")
    events = cluster("events")["events"]
    assert events
    expect(page.locator(".events li").first).to_contain_text(events[0]["message"])
    expect(page.locator(".events li").first).to_contain_text(events[0]["reason"])
    scheduled = [event for event in events if event["reason"] == "Scheduled"]
    page.get_by_label("Filter events").fill("scheduled pod")
    expect(page.locator(".events li strong")).to_have_text(["Scheduled"] * min(200, len(scheduled)))
    page.get_by_label("Filter events").fill("")
    page.get_by_role("group", name="Type").get_by_role("button", name="Warnings").click()
    expect(page.locator('.events li:not([data-type="Warning"])')).to_have_count(0)


def test_the_health_tab_says_in_words_how_the_serf_is_doing(
    visit: Visit, cluster: Callable[[str], Any], serf_name: str
) -> None:
    health = cluster("health")
    page = visit.open(f"#node={serf_name}&tab=health")
    expect(page.locator('[data-part="API server"]')).to_contain_text(health["api_server"]["version"])
    expect(page.locator('[data-part="Exporter"] .badge')).to_have_text("Up")
    expect(page.locator('[data-part="Exporter"]')).to_contain_text(health["exporter"]["url"])
    replay = page.locator('[data-part="Replay"]')
    expect(replay.locator(".badge")).to_have_text(re.compile("Playing|Late"))
    expect(replay).to_contain_text(re.compile(rf"Point of the trace\d+ of {health['replay']['points']}"))


@pytest.mark.parametrize(
    ("changes", "state", "words"),
    [
        pytest.param({"replay": {"state": "stopped"}}, "Stopped", "values stand still", id="replay stopped"),
        pytest.param({"replay": {"state": "late", "lag_seconds": 12.0}}, "Late", "12 s behind", id="replay late"),
        pytest.param(
            {"replay": {"state": "playing", "patch_failures_total": 7}},
            "Playing",
            "7 patches have failed",
            id="failed patches",
        ),
        pytest.param({"exporter": {"up": False}}, "Down", "cannot scrape", id="exporter down"),
        pytest.param({"exporter": {"up": None}}, "Unknown", "does not say", id="nothing known"),
        pytest.param({"api_server": {"state": "unreachable"}}, "Unreachable", "from before", id="API server gone"),
    ],
)
def test_what_is_wrong_is_told_with_what_to_do(
    modules: Page, cluster: Callable[[str], Any], changes: dict[str, dict[str, Any]], state: str, words: str
) -> None:
    """The words follow from the answer of the API alone: a real one, changed in one place."""
    answer = cluster("health")
    ((part, change),) = changes.items()
    answer[part] |= change
    function = {"replay": "replay", "exporter": "exporter", "api_server": "apiServer"}[part]
    told = modules.evaluate(
        f"answer => import('/static/js/panel_health.js').then(health => health.{function}(answer))", answer
    )
    assert told["state"] == state
    assert words in told["words"]
    assert told["grade"] != "good"


def test_the_config_tab_shows_facts_and_the_document(
    visit: Visit, cluster: Callable[[str], Any], serf_name: str
) -> None:
    config = cluster("emulation-config")
    page = visit.open(f"#node={serf_name}&tab=config")
    expect(page.locator(".facts").first).to_contain_text(f"Pods{len(config['pods'])}")
    document = json.loads(page.locator(".raw").inner_text())
    assert document["pods"] == config["pods"]
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("tabpanel").get_by_role("button", name="Copy", exact=True).click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert json.loads(page.evaluate("navigator.clipboard.readText()")) == document


def test_links_lead_to_the_neighbours(visit: Visit, serf_name: str) -> None:
    topology = requests.get(f"{visit.url}/api/topology", timeout=15).json()
    ends = [link["endpoints"] for link in topology["links"]]
    own = [pair for pair in ends if serf_name in {end["node"] for end in pair}]
    page = visit.open(f"#node={serf_name}")
    expect(page.locator(".links tbody tr")).to_have_count(len(own))
    neighbour = next(end["node"] for end in own[0] if end["node"] != serf_name)
    page.locator(".links").get_by_role("button", name=neighbour, exact=True).first.click()
    expect(page.locator("#panel h2")).to_have_text(neighbour)


def test_a_node_without_a_cluster_has_a_panel_without_tabs(visit: Visit) -> None:
    page = visit.open("#node=prometheus")
    panel = page.locator("#panel")
    expect(panel.locator("h2")).to_have_text("prometheus")
    expect(panel.locator(".facts").first).to_contain_text("Roleprometheus")
    expect(panel.get_by_role("tab")).to_have_count(0)


def test_the_panel_is_made_wider_by_hand_and_by_keyboard_and_stays_so(visit: Visit, serf_name: str) -> None:
    page = visit.open(f"#node={serf_name}")
    panel, handle = page.locator("#panel"), page.get_by_role("separator", name="Width of the panel")
    width: Callable[[], float] = lambda: panel.bounding_box()["width"]  # type: ignore[index]  # noqa: E731
    before = width()
    handle.focus()
    page.keyboard.press("ArrowLeft")
    assert width() == pytest.approx(before + 24, abs=1)
    box = handle.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 12, 500)
    page.mouse.down()
    page.mouse.move(box["x"] - 88, 500, steps=4)
    page.mouse.up()
    assert width() == pytest.approx(before + 124, abs=2)
    page.reload()
    expect(panel.locator("h2")).to_be_visible()
    assert width() == pytest.approx(before + 124, abs=2)


def test_ten_thousand_rows_keep_few_in_the_document(visit: Visit) -> None:
    page = visit.open()
    page.evaluate(MANY_ROWS, 10_000)
    rows = page.locator("#many tbody tr")
    assert 0 < rows.count() < 200
    expect(page.locator("#many table")).to_have_attribute("aria-rowcount", "10001")
    page.evaluate("const many = document.getElementById('many'); many.scrollTop = many.scrollHeight / 2")
    expect(page.locator('#many tr[data-key="row-5000"]')).to_have_attribute("aria-rowindex", "5002")
    assert rows.count() < 200
    page.locator("#many thead button", has_text="Value").click()
    page.evaluate("document.getElementById('many').scrollTop = 0")
    expect(rows.first.locator("td")).to_have_text("9999")
    page.evaluate("window.many.update(window.made.filter(row => row.value < 50))")
    expect(rows.first.locator("td")).to_have_text("49")
    expect(page.locator("#many table")).to_have_attribute("aria-rowcount", "51")


def test_the_keyboard_walks_through_ten_thousand_rows(visit: Visit) -> None:
    page = visit.open()
    page.evaluate(MANY_ROWS, 10_000)
    focused = "document.activeElement.dataset.key"
    page.locator("#many tbody tr").first.focus()
    page.keyboard.press("ArrowDown")
    assert page.evaluate(focused) == "row-1"
    page.keyboard.press("End")
    assert page.evaluate(focused) == "row-9999"
    expect(page.locator('#many tr[data-key="row-9999"]')).to_be_in_viewport()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    assert page.evaluate("window.opened") == ["row-9998"]
    # Rows that leave the document take no focus with them: the next key goes on from there.
    page.evaluate("document.getElementById('many').scrollTop = 0")
    expect(page.locator('#many tr[data-key="row-9998"]')).to_have_count(0)
    page.keyboard.press("ArrowUp")
    assert page.evaluate(focused) == "row-9997"
