"""The report of a comparison: one HTML file that needs nothing else, and the same table as Markdown."""

from __future__ import annotations

import base64
import hashlib
from html import escape
from typing import TYPE_CHECKING, Final

from serflab.rebalance.algorithms import ALGORITHMS
from serflab.rebalance.compare_figures import FIGURES, SHORT, counted
from serflab.rebalance.compare_plot import pareto_plot, time_plot
from serflab.rebalance.compare_statistics import pareto_front

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from serflab.rebalance.compare import Comparison
    from serflab.rebalance.compare_statistics import Row

_STYLE: Final = """
body { margin: 2rem auto; max-width: 76rem; padding: 0 1rem; font: 1rem/1.5 system-ui, sans-serif; }
body { color: #24292f; background: #fff; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
.advice { border-left: .25rem solid #0550ae; padding: .25rem 1rem; background: #f6f8fa; }
.scroll { overflow-x: auto; } svg { max-width: 100%; height: auto; }
table { border-collapse: collapse; font-size: .85rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; padding: .5rem 0; color: #57606a; }
th, td { padding: .3rem .6rem; border-bottom: 1px solid #d8dee4; text-align: right; white-space: nowrap; }
th[scope=row], th.word, td.word { text-align: left; } thead th { vertical-align: bottom; border-bottom-width: 2px; }
tr.front th { font-weight: 700; } tr:not(.front) th[scope=row] { font-weight: 400; }
.scroll:focus-visible { outline: 2px solid #0550ae; }
dt { font-weight: 600; } dd { margin: 0 0 .4rem 1.5rem; } code { font-size: .9em; }
"""


def html(comparison: Comparison) -> str:
    """Return the report as a page that loads nothing and runs no script; its own policy forbids both."""
    name = escape(comparison.scenario)
    digest = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    advice = comparison.recommendation
    heading = f"Recommended: {escape(advice.algorithm)}" if advice.algorithm else "Nothing is recommended"
    front = [row.algorithm for row in pareto_front(comparison.rows)]
    body = [
        f"<h1>Rebalancing algorithms on <em>{name}</em></h1>",
        f"<p>{_size(comparison)}, {_settings(comparison)}.</p>",
        f'<section class="advice"><h2>{heading}</h2><p>{escape(advice.reason)}</p></section>',
        "<h2>Migrations against spread</h2>",
        "<p>Down and to the left is better. Filled circles are the Pareto front; the table has the numbers.</p>",
        pareto_plot(comparison),
        "<h2>Spread over time</h2>",
        time_plot(comparison),
        "<h2>All figures</h2>",
        _table(comparison.rows, front),
        "<h2>What they mean</h2>",
        "<dl>",
        *(f"<dt>{escape(_heading(key))}</dt><dd>{escape(figure.meaning)}</dd>" for key, figure in FIGURES.items()),
        "</dl>",
    ]
    head = [
        '<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
        '<meta name="viewport" content="width=device-width">',
        f"<title>Rebalancing algorithms on {name}</title>",
        f"<style>{_STYLE}</style>",
    ]
    return "\n".join(['<!doctype html>\n<html lang="en">\n<head>', *head, "</head>\n<body>\n<main>", *body, _END])


_END: Final = "</main>\n</body>\n</html>\n"


def markdown(comparison: Comparison, figures: Sequence[str] = SHORT) -> str:
    """Return a table with some of the figures, as documentation shows it; the Pareto front is bold."""
    front = pareto_front(comparison.rows)
    lines = [
        f"| # | algorithm | {' | '.join(_heading(key) for key in figures)} |",
        f"|---:|---|{'---:|' * len(figures)}",
    ]
    for row in comparison.rows:
        word = f"**`{row.algorithm}`**" if row in front else f"`{row.algorithm}`"
        lines.append(f"| {ALGORITHMS[row.algorithm].number} | {word} | {' | '.join(cells(row, figures))} |")
    return "\n".join(lines) + "\n"


def cells(row: Row, figures: Iterable[str]) -> list[str]:
    """Return some of a row's figures as text."""
    return [FIGURES[key].text(row.figures[key]) for key in figures]


def _heading(key: str) -> str:
    figure = FIGURES[key]
    return f"{figure.heading} ({figure.unit})" if figure.unit else figure.heading


def _size(comparison: Comparison) -> str:
    sizes = ((comparison.nodes, "node"), (comparison.vms, "VM"), (comparison.seeds, "draw"))
    return ", ".join(counted(*each) for each in sizes)


def _settings(comparison: Comparison) -> str:
    settings = comparison.settings
    ways = [
        f"{counted(settings.cycles, 'cycle')} of {settings.interval:g} s",
        f"thresholds {settings.low:g} below and {settings.high:g} above the average"
        if len({row.threshold for row in comparison.rows}) == 1
        else "each algorithm with its recommended threshold",
        f"at most {settings.max_total} VMs on their way, {settings.max_per_node} out of a node",
        f"balanced within {settings.balanced_within:g} points",
        f"requests {settings.requests}",
        "target pod first" if settings.create_first else "source pod deleted first",
        "source node excluded" if settings.exclude_source else "source node allowed",
    ]
    return ", ".join(ways)


def _table(rows: Sequence[Row], front: Sequence[str]) -> str:
    heads = "".join(f'<th scope="col">{escape(_heading(key))}</th>' for key in FIGURES)
    lines = [
        '<div class="scroll" role="region" aria-label="All figures" tabindex="0">',
        "<table><caption>Means over the draws with 95 % confidence intervals; the Pareto front is bold.</caption>",
        '<thead><tr><th scope="col">#</th><th scope="col" class="word">algorithm</th>',
        f'<th scope="col">threshold</th>{heads}</tr></thead><tbody>',
    ]
    for row in rows:
        of_front = ' class="front"' if row.algorithm in front else ""
        told = "".join(f"<td>{escape(cell)}</td>" for cell in cells(row, FIGURES))
        number = ALGORITHMS[row.algorithm].number
        lines.append(
            f'<tr{of_front}><td>{number}</td><th scope="row">{escape(row.algorithm)}</th>'
            f"<td>{row.threshold:g}</td>{told}</tr>"
        )
    return "\n".join([*lines, "</tbody></table></div>"])
