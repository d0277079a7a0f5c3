"""The graph of the page on a running lab: what is inside of a serf, where nodes are, files, full screen, keyboard."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest
import requests
from playwright.sync_api import Page, expect
from visiting import COLOURED, DRAWN, PATIENCE_MS, click_node, drag, place, pods_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser

SVG = "{http://www.w3.org/2000/svg}"
LAYOUTS = ["auto", "ring", "grid", "tiers", "concentric", "force"]
PNG_START = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(autouse=True)
def nothing_saved(lab: Any) -> Iterator[None]:
    yield
    requests.delete(f"{lab.viewer_url}/api/positions", timeout=20)


def inside(page: Page, kind: str) -> list[dict[str, Any]]:
    boxes: list[dict[str, Any]] = page.evaluate("window.serflab ? window.serflab.graph.inside() : []")
    return [box for box in boxes if box["kind"] == kind]


def resting(page: Page, name: str) -> dict[str, float]:
    """Return where a node is once all have stopped moving."""
    page.evaluate("() => window.serflab.graph.resting()")
    return place(page, name)


def expand(page: Page, serf: str) -> None:
    where = place(page, serf)
    page.mouse.dblclick(where["x"], where["y"])
    page.wait_for_function("() => window.serflab.graph.inside().some(box => box.kind === 'pod')", timeout=PATIENCE_MS)


def test_an_expanded_serf_shows_the_nodes_and_pods_of_its_cluster(coloured: Page, lab: Any, serf_name: str) -> None:
    expand(coloured, serf_name)
    pods = inside(coloured, "pod")
    prefix = re.compile(rf"^{serf_name}/node/[^/]+/")
    assert {prefix.sub("", pod["id"]) for pod in pods} == pods_of(lab, serf_name)
    assert {tuple(set(pod["classes"]) & {"phase-running", "phase-pending", "phase-failed"}) for pod in pods} == {
        ("phase-running",)
    }
    count = Counter(pod["id"].split("/")[2] for pod in pods)
    assert {box["label"] for box in inside(coloured, "kube")} == {f"{node} · {n} pods" for node, n in count.items()}


def test_collapsing_brings_the_picture_back(coloured: Page, lab: Any, serf_name: str) -> None:
    names = [serf.name for serf in lab.inventory.serfs]
    before = {name: resting(coloured, name) for name in names}
    expand(coloured, serf_name)
    coloured.get_by_role("button", name="Collapse all").click()
    coloured.wait_for_function("() => window.serflab.graph.inside().length === 0")
    after = {name: resting(coloured, name) for name in names}
    for name in names:
        assert after[name] == pytest.approx(before[name], abs=1)


def test_no_other_node_lies_on_an_expanded_serf(coloured: Page, lab: Any) -> None:
    serfs = [serf.name for serf in lab.inventory.serfs]
    coloured.get_by_role("button", name="Expand all").click()
    coloured.wait_for_function(
        """count => {
          const pods = window.serflab.graph.inside().filter(box => box.kind === "pod");
          return new Set(pods.map(pod => pod.serf)).size === count;
        }""",
        arg=len(serfs),
    )
    resting(coloured, serfs[0])
    boxes = coloured.evaluate(
        """() => {
          const cy = document.getElementById("graph")._cyreg.cy;
          const own = {includeLabels: false, includeUnderlays: false};
          return cy.nodes(".serf, .other").map(node => node.boundingBox(own));
        }"""
    )
    for number, one in enumerate(boxes):
        for other in boxes[:number]:
            apart = (
                one["x2"] < other["x1"] or other["x2"] < one["x1"] or one["y2"] < other["y1"] or other["y2"] < one["y1"]
            )
            assert apart


def test_a_click_on_a_pod_opens_its_chart(coloured: Page, serf_name: str) -> None:
    expand(coloured, serf_name)
    box = inside(coloured, "pod")[0]
    resting(coloured, box["id"])
    click_node(coloured, box["id"])
    expect(coloured.locator("#panel .chart h3")).to_have_text("/".join(box["id"].split("/")[-2:]))


def test_the_shade_of_pods_follows_the_measure(coloured: Page, serf_name: str) -> None:
    expand(coloured, serf_name)
    shades = """() => {
      const {cy} = document.getElementById("graph")._cyreg;
      return JSON.stringify(cy.nodes(".pod").map(pod => pod.data("shade")));
    }"""
    expect(coloured.locator(".shades")).to_contain_text("CPU as a share of the serf's largest pod")
    by_cpu = coloured.evaluate(shades)
    coloured.locator("#legend select").select_option("memory")
    expect(coloured.locator(".shades")).to_contain_text("Memory as a share")
    assert coloured.evaluate(shades) != by_cpu


def test_a_cluster_that_cannot_be_asked_says_so_in_its_box(coloured: Page, visit: Any, serf_name: str) -> None:
    answer = {
        "error": {"status": 503, "code": "cluster_unreachable", "message": "nobody home", "hint": "", "details": {}}
    }
    coloured.route("**/cluster-info", lambda route: route.fulfill(status=503, json=answer))
    where = place(coloured, serf_name)
    coloured.mouse.dblclick(where["x"], where["y"])
    coloured.wait_for_function("() => window.serflab.graph.inside().some(box => box.label === 'nobody home')")
    coloured.unroute("**/cluster-info")
    coloured.wait_for_function("() => window.serflab.graph.inside().some(box => box.kind === 'pod')")
    visit.complaints = [text for text in visit.complaints if "503" not in text]


def test_a_dragged_node_stays_for_a_reload_and_for_others(
    coloured: Page, browser: Browser, lab: Any, serf_name: str
) -> None:
    start = resting(coloured, serf_name)
    with coloured.expect_response(
        lambda answer: answer.url.endswith("/api/positions") and answer.request.method == "PUT"
    ) as saved:
        drag(coloured, serf_name, (90, 60))
    assert saved.value.ok
    assert place(coloured, serf_name) == pytest.approx({"x": start["x"] + 90, "y": start["y"] + 60}, abs=2)
    positions = requests.get(f"{lab.viewer_url}/api/positions", timeout=20).json()["positions"]

    coloured.reload()
    coloured.wait_for_function(COLOURED, arg=[serf_name])
    other = browser.new_context(viewport={"width": 900, "height": 700})
    second = other.new_page()
    second.goto(lab.viewer_url)
    second.wait_for_function(COLOURED, arg=[serf_name], timeout=PATIENCE_MS)
    model = """name => document.getElementById("graph")._cyreg.cy.getElementById(name).position()"""
    for page in (coloured, second):
        assert page.evaluate(model, serf_name) == pytest.approx(positions[serf_name], abs=0.01)
    other.close()

    coloured.get_by_role("button", name="Reset positions").click()
    expect(coloured.get_by_role("button", name="Reset positions")).to_be_hidden()
    assert requests.get(f"{lab.viewer_url}/api/positions", timeout=20).json()["positions"] == {}
    resting(coloured, serf_name)
    assert coloured.evaluate(model, serf_name) != pytest.approx(positions[serf_name], abs=1)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_each_layout_shows_all_nodes_apart_and_a_link_reopens_it(coloured: Page, layout: str) -> None:
    if layout != "auto":
        coloured.locator("#layout").select_option(layout)
        assert f"layout={layout}" in coloured.url
    coloured.reload()
    expect(coloured.locator("#layout")).to_have_value(layout)
    coloured.wait_for_function("() => window.serflab && window.serflab.graph.drawn().length > 0")
    names = [node["name"] for node in coloured.evaluate(DRAWN)]
    places = [resting(coloured, name) for name in names]
    area = coloured.locator("#graph").bounding_box()
    assert area
    for number, one in enumerate(places):
        assert area["x"] < one["x"] < area["x"] + area["width"]
        assert area["y"] < one["y"] < area["y"] + area["height"]
        assert all(abs(one["x"] - other["x"]) + abs(one["y"] - other["y"]) > 60 for other in places[:number])


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("count", [1, 2, 11, 60, 300])
def test_layouts_keep_any_number_of_nodes_apart_and_never_change(modules: Page, layout: str, count: int) -> None:
    arranged = modules.evaluate(
        """async ([layout, count]) => {
          const {place} = await import("/static/js/layouts.js");
          const roles = ["serf", "serf", "serf", "router", "host"];
          const nodes = [...Array(count).keys()].map(at => ({name: `n${at}`, role: roles[at % 5], kind: "linux"}));
          const link = (a, b) => ({endpoints: [{node: `n${a}`}, {node: `n${b}`}]});
          const links = nodes.slice(1).flatMap((_, at) => [link(at, at + 1), link(at + 1, Math.floor(at / 3))]);
          const once = () => [...place(layout, nodes, links, 1.6)];
          return [once(), once()];
        }""",
        [layout, count],
    )
    assert arranged[0] == arranged[1]
    places = [(at["x"], at["y"]) for _, at in arranged[0]]
    assert len(places) == count
    # A serf is 92 wide.
    for number, (x, y) in enumerate(places):
        assert all((x - a) ** 2 + (y - b) ** 2 > 92**2 for a, b in places[:number])


def test_an_svg_of_the_graph_has_its_serfs_links_and_legend_as_text(coloured: Page, lab: Any, tmp_path: Path) -> None:
    with coloured.expect_download() as download:
        coloured.get_by_role("button", name="Save as SVG").click()
    assert re.fullmatch(rf"{lab.inventory.name}-\d{{8}}-\d{{6}}\.svg", download.value.suggested_filename)
    download.value.save_as(tmp_path / "graph.svg")
    root = ET.parse(tmp_path / "graph.svg").getroot()
    assert root.tag == f"{SVG}svg"
    texts = {element.text for element in root.iter(f"{SVG}text")}
    assert {serf.name for serf in lab.inventory.serfs} <= texts
    assert {"CPU", "under 20 %", "eth1"} <= texts
    assert any(re.fullmatch(r"[\d.]+ %", text or "") for text in texts)
    links = requests.get(f"{lab.viewer_url}/api/topology", timeout=20).json()["links"]
    assert {path.get("data-link") for path in root.iter(f"{SVG}path")} - {None} == {link["id"] for link in links}


def test_a_png_of_the_graph_is_twice_its_size(coloured: Page, lab: Any, tmp_path: Path) -> None:
    size = coloured.evaluate(
        """async () => {
          const {svgDocument} = await import("/static/js/picture.js");
          const svg = svgDocument(document.getElementById("graph")._cyreg.cy, "");
          return [svg.getAttribute("width"), svg.getAttribute("height")].map(Number);
        }"""
    )
    with coloured.expect_download() as download:
        coloured.get_by_role("button", name="Save as PNG").click()
    assert download.value.suggested_filename.startswith(f"{lab.inventory.name}-")
    download.value.save_as(tmp_path / "graph.png")
    picture = (tmp_path / "graph.png").read_bytes()
    assert picture.startswith(PNG_START)
    width, height = (int.from_bytes(picture[at : at + 4], "big") for at in (16, 20))
    assert [width, height] == pytest.approx([2 * side for side in size], abs=2)
    # A picture of nothing would compress to a few hundred bytes.
    assert len(picture) > 10_000


def test_the_map_alone_fills_the_screen_and_comes_back(coloured: Page) -> None:
    coloured.get_by_role("button", name="Full screen").click()
    coloured.wait_for_function("() => document.fullscreenElement?.id === 'map'")
    coloured.get_by_role("button", name="Leave full screen").click()
    coloured.wait_for_function("() => document.fullscreenElement === null")
    expect(coloured.get_by_role("button", name="Full screen", exact=True)).to_be_visible()


def arrows(start: dict[str, float], end: dict[str, float]) -> tuple[str, str]:
    """Return the keys that lead from a place to another, and back."""
    dx, dy = end["x"] - start["x"], end["y"] - start["y"]
    if abs(dx) >= abs(dy):
        return "ArrowRight", "ArrowLeft"
    return ("ArrowDown", "ArrowUp") if dy > 0 else ("ArrowUp", "ArrowDown")


def test_the_keyboard_goes_from_node_to_node_opens_and_expands(coloured: Page, lab: Any) -> None:
    names = [serf.name for serf in lab.inventory.serfs]
    places = {name: resting(coloured, name) for name in names}
    left, right = sorted(names, key=lambda name: places[name]["x"])[:2]
    there, back = arrows(places[left], places[right])
    coloured.locator("#graph").focus()
    coloured.keyboard.press("Home")
    region = coloured.locator("#graph-voice")
    expect(region).to_contain_text(re.compile(r"serf\d+, serf, .*Ready"))
    if not (region.text_content() or "").startswith(f"{left},"):
        coloured.keyboard.press(back)
    expect(region).to_contain_text(f"{left}, serf")
    coloured.keyboard.press(there)
    expect(region).to_contain_text(f"{right}, serf")
    coloured.keyboard.press("e")
    coloured.wait_for_function("() => window.serflab.graph.inside().some(box => box.kind === 'pod')")
    assert {box["serf"] for box in inside(coloured, "pod")} == {right}
    coloured.keyboard.press("Enter")
    expect(coloured.locator("#panel h2")).to_have_text(right)


def test_keys_zoom_and_fit(coloured: Page) -> None:
    zoom = "() => window.serflab.graph.viewport().zoom"
    coloured.locator("#graph").focus()
    start = coloured.evaluate(zoom)
    coloured.keyboard.press("+")
    coloured.keyboard.press("+")
    assert coloured.evaluate(zoom) == pytest.approx(start * 1.25**2)
    coloured.keyboard.press("-")
    assert coloured.evaluate(zoom) == pytest.approx(start * 1.25)
    coloured.keyboard.press("0")
    assert coloured.evaluate(zoom) == pytest.approx(start, rel=0.01)


def test_interfaces_are_named_when_near_or_pointed_at(coloured: Page, lab: Any) -> None:
    link = requests.get(f"{lab.viewer_url}/api/topology", timeout=20).json()["links"][0]
    middle = """id => {
      const box = document.getElementById("graph").getBoundingClientRect();
      const {x, y} = document.getElementById("graph")._cyreg.cy.getElementById(id).renderedMidpoint();
      return {x: box.left + x, y: box.top + y};
    }"""
    resting(coloured, link["endpoints"][0]["node"])
    where = coloured.evaluate(middle, link["id"])
    coloured.mouse.move(where["x"], where["y"])
    for end in link["endpoints"]:
        expect(coloured.locator("#tooltip")).to_contain_text(f"{end['node']}:{end['interface']}")
    expect(coloured.locator("#tooltip")).to_contain_text("Up")


def test_a_thousand_nodes_take_their_colours_from_the_document(coloured: Page, lab: Any) -> None:
    """Above a size nodes are plain; what they say must stay the same."""
    document = requests.get(f"{lab.viewer_url}/api/topology", timeout=20).json()
    serf = next(node for node in document["nodes"] if node["role"] == "serf")
    loads = [5.0, 40.0, 90.0]
    nodes = [serf | {"name": f"serf{at}", "load": serf["load"] | {"cpu": loads[at % 3]}} for at in range(1000)]
    links = [
        {
            "id": f"link{at}",
            "endpoints": [{"node": f"serf{end % 1000}", "interface": "eth1"} for end in (at, 7 * at + 1)],
            "state": "up",
            "labels": {},
        }
        for at in range(3000)
    ]
    drawn = coloured.evaluate(
        "document => { window.serflab.graph.update(document); return window.serflab.graph.drawn(); }",
        document | {"name": "thousand", "nodes": nodes, "links": links},
    )
    levels = ["level-green", "level-amber", "level-red"]
    assert [levels[at % 3] in node["classes"] for at, node in enumerate(drawn)] == [True] * 1000
    assert drawn[2]["label"] == "serf2\n90 %"
