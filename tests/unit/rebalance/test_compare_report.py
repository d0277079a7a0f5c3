"""The report of a comparison: a page that needs nothing else, plots that are XML, tables that are told to a reader."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from serflab.rebalance.algorithms import ALGORITHMS
from serflab.rebalance.compare import Comparison, compare
from serflab.rebalance.compare_figures import FIGURES, SHORT
from serflab.rebalance.compare_plot import pareto_plot, time_plot
from serflab.rebalance.compare_report import html, markdown
from serflab.rebalance.compare_statistics import Estimate, pareto_front
from serflab.rebalance.emulator_settings import Settings
from serflab.rebalance.names import SAMPLES
from serflab.rebalance.scenario_check import load_scenario

CHECKOUT = Path(__file__).resolve().parents[3]
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    hot = load_scenario(f"{CHECKOUT / SAMPLES}:hot-node")
    hot.name = 'hot <node> & "co"'
    return compare(hot, list(ALGORITHMS), Settings(cycles=5), seeds=3, processes=1)


class Page(HTMLParser):
    """Collects tags, and that every one is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in {"meta", "br"}:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def all(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.tags if tag == name]


def test_the_page_loads_nothing_and_its_policy_knows_its_style(comparison):
    text = html(comparison)
    page = Page(text)
    assert page.open == []
    assert not page.all("script") + page.all("link") + page.all("img") + page.all("iframe")
    assert not [attributes for _, attributes in page.tags if attributes.keys() & {"style", "src", "href", "onclick"}]
    style = re.search(r"<style>(.*)</style>", text, re.DOTALL)[1]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = next(meta["content"] for meta in page.all("meta") if meta.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith(f"default-src 'none'; style-src 'sha256-{digest}'")
    assert "url(" not in style
    assert "@import" not in style


def test_a_table_that_a_screen_reader_can_tell(comparison):
    page = Page(html(comparison))
    heads = [attributes.get("scope") for attributes in page.all("th")]
    assert heads.count("row") == 19
    assert heads.count("col") == 3 + len(FIGURES)
    assert None not in heads
    assert len(page.all("caption")) == len(page.all("table")) == 1
    assert {"role": "region", "aria-label": "All figures", "tabindex": "0"}.items() <= page.all("div")[0].items()
    assert page.all("html") == [{"lang": "en"}]


def test_names_are_escaped(comparison):
    assert "<node>" not in html(comparison)
    assert "hot &lt;node&gt; &amp; &quot;co&quot;" in html(comparison)


def test_the_plot_has_every_algorithm_at_its_place_and_joins_the_front(comparison):
    plot = ET.fromstring(pareto_plot(comparison))
    circles = plot.findall(f"{SVG}circle")
    assert len(circles) == 19
    assert all(0 < float(circle.get("cx")) < 760 and 0 < float(circle.get("cy")) < 420 for circle in circles)
    by_row = dict(zip((row.algorithm for row in comparison.rows), circles, strict=True))
    front = [row.algorithm for row in pareto_front(comparison.rows)]
    points = [tuple(point.split(",")) for point in plot.find(f"{SVG}polyline").get("points").split()]
    assert points == [(by_row[name].get("cx"), by_row[name].get("cy")) for name in front]
    assert {name for name, circle in by_row.items() if circle.get("fill") != "#ffffff"} == set(front)
    assert circles[0].find(f"{SVG}title").text.startswith("1 weighted_average: ")
    more, fewer = max(comparison.rows, key=lambda row: row.mean("migrations")), front[0]
    assert float(by_row[more.algorithm].get("cx")) > float(by_row[fewer].get("cx"))


def test_the_plot_over_time_draws_the_recommended_algorithm_and_at_most_four_others(comparison):
    plot = ET.fromstring(time_plot(comparison))
    lines = plot.findall(f"{SVG}polyline")
    named = [text.text.split()[1] for text in plot.findall(f"{SVG}text") if text.text.split()[-1] in ALGORITHMS]
    assert 1 <= len(lines) == len(named) <= 5
    assert named[0] == comparison.recommendation.algorithm
    assert all(len(line.get("points").split()) == 5 for line in lines)


def test_markdown_marks_the_front(comparison):
    lines = markdown(comparison).splitlines()
    assert len(lines) == 2 + 19
    assert len({line.count("|") for line in lines}) == 1
    bold = re.findall(r"\*\*`([^`]*)`\*\*", "\n".join(lines))
    assert set(bold) == {row.algorithm for row in pareto_front(comparison.rows)}
    assert lines[0].count("|") == 3 + len(SHORT)


def test_what_never_happened_is_called_so():
    assert FIGURES["time_to_balance"].text(Estimate(None, None, 0)) == "never"
    assert FIGURES["ping_pong"].text(Estimate(0.25, 0.011, 5)) == "25.0 ± 1.1"


@pytest.mark.parametrize("scenario", ["hot-node", "memory-heavy", "bursty", "large"])
def test_the_tables_of_the_documentation_are_what_the_program_writes(scenario):
    found = compare(load_scenario(f"{CHECKOUT / SAMPLES}:{scenario}"), ["max_metric"], Settings(), processes=1)
    row = markdown(found).splitlines()[-1].replace("**", "").partition("`")[2]
    assert row.startswith("max_metric")
    assert row in (CHECKOUT / "docs" / "rebalancing" / "comparison.md").read_text().replace("**", "")
