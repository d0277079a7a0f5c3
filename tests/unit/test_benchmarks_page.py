"""A partial run of the benchmarks renews its own sections of docs/benchmarks.md and leaves the others as they are."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from types import ModuleType

CHECKOUT = Path(__file__).parents[2]
PAGE = (CHECKOUT / "docs" / "benchmarks.md").read_text(encoding="utf-8")


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(CHECKOUT)
    return importlib.import_module("benchmarks.__main__")


def sections(page: str) -> dict[str, str]:
    parts = re.split(r"^## (.+)$", page, flags=re.MULTILINE)
    return dict(zip(parts[1::2], (part.strip() for part in parts[2::2]), strict=True))


def result(**figures: Any) -> Any:
    comparison = importlib.import_module("benchmarks.comparison").Comparison
    told = {"name": "a figure", "unit": "ms", "ours": 1.0, "peer_name": "a peer", "peer": 4.0, "ratio": 0.25}
    more = {"spread": "0.2-0.3", "aim": "at most 1", "met": True, "runs": 3, "note": "how it was measured"}
    return comparison(**told | more | figures)


def test_without_a_run_the_page_stays_as_it_is(program: ModuleType) -> None:
    assert program.page(PAGE, {}) == PAGE


def test_a_run_renews_its_section_alone(program: ModuleType) -> None:
    before, after = sections(PAGE), sections(program.page(PAGE, {"scrape": result()}))
    assert list(after) == list(before)
    assert {name: text for name, text in after.items() if name != "scrape"} == {
        name: text for name, text in before.items() if name != "scrape"
    }
    assert (
        "| a figure | 1 ms | 4 ms (a peer) | 0.25\N{MULTIPLICATION SIGN} | 0.2-0.3 | at most 1 | yes | 3 |"
        in after["scrape"]
    )
    assert "- How it was measured." in after["scrape"]


def test_a_new_benchmark_gets_its_section_in_the_order_of_the_program(program: ModuleType) -> None:
    page = program.page("", {name: result(name=name) for name in reversed(program.MEASURES)})
    assert list(sections(page)) == list(program.MEASURES)
    assert page.startswith("# Benchmarks\n")


def test_a_benchmark_of_several_figures_has_a_row_for_each_in_one_section(program: ModuleType) -> None:
    rows = (result(name="ten", note=""), result(name="a hundred", note="said once"))
    told = sections(program.page("", {"offload": rows}))["offload"]
    assert [line.split(" | ")[0] for line in told.splitlines() if line.startswith("| ")] == [
        "| what",
        "| ten",
        "| a hundred",
    ]
    assert told.count("- Said once.") == 1


@pytest.mark.usefixtures("program")
def test_turns_can_alternate_so_that_none_always_goes_first() -> None:
    comparison = importlib.import_module("benchmarks.comparison")
    order: list[str] = []

    def timed(name: str, value: float) -> float:
        order.append(name)
        return value

    found = comparison.compare(
        "a figure",
        "s",
        lambda: timed("ours", 3.0),
        ("a peer", lambda: timed("peer", 2.0)),
        comparison.Aim(2.5, at_most=True),
        runs=3,
        alternate=True,
    )
    assert order == ["ours", "peer", "peer", "ours", "ours", "peer"]
    assert (found.ours, found.peer, found.ratio, found.met) == (3.0, 2.0, 1.5, True)
