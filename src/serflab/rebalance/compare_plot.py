"""Plots of a comparison as SVG: migrations against spread, and the spread over time. No script, no style sheet."""

from __future__ import annotations

from dataclasses import dataclass
from math import floor, log10
from typing import TYPE_CHECKING, Final
from xml.sax.saxutils import escape, quoteattr

from serflab.rebalance.algorithms import ALGORITHMS
from serflab.rebalance.compare_figures import counted
from serflab.rebalance.compare_statistics import pareto_front

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from serflab.rebalance.compare import Comparison
    from serflab.rebalance.compare_statistics import Row

_WIDTH: Final = 760
_HEIGHT: Final = 420
_LEFT: Final = 56
_RIGHT: Final = 24
_TOP: Final = 44
_BOTTOM: Final = 52
_INK: Final = "#24292f"
_QUIET: Final = "#6e7781"
_GRID: Final = "#d8dee4"
_FRONT: Final = "#0550ae"
_LINES: Final = ("#0550ae", "#bc4c00", "#116329", "#8250df", "#a40e26")
# Where a label may stand beside its mark, the first free place is taken.
_PLACES: Final = ((9, 4), (-9, 4), (0, -9), (0, 18), (9, -7), (9, 15), (-9, -7), (-9, 15))


@dataclass(frozen=True, slots=True)
class _Axis:
    """A scale from 0 to `end` in `step`s, laid between two positions."""

    end: float
    step: float
    begin_at: float
    end_at: float

    @classmethod
    def over(cls, largest: float, begin_at: float, end_at: float) -> _Axis:
        """Return a scale that reaches `largest`, in about five round steps."""
        largest = largest if largest > 0 else 1.0
        unit = 10.0 ** floor(log10(largest / 5))
        step = next(unit * factor for factor in (1, 2, 5, 10) if unit * factor * 5 >= largest)
        count = -int(-largest * 1.02 // step)
        return cls(count * step, step, begin_at, end_at)

    def at(self, value: float) -> float:
        return self.begin_at + (self.end_at - self.begin_at) * value / self.end

    def ticks(self) -> list[float]:
        return [index * self.step for index in range(round(self.end / self.step) + 1)]


def pareto_plot(comparison: Comparison) -> str:
    """Return the plot of migrations against the spread at the end; each algorithm is a circle with its number.

    Filled circles, joined by a line, are the Pareto front: no other algorithm is better in both.
    """
    rows = comparison.rows
    front = pareto_front(rows)
    across = _Axis.over(max(row.mean("migrations") for row in rows), _LEFT, _WIDTH - _RIGHT)
    up = _Axis.over(max(row.spread for row in rows), _HEIGHT - _BOTTOM, _TOP)
    title = f"Migrations against spread: {comparison.scenario}, mean of {counted(comparison.seeds, 'draw')}"
    parts = _frame(title, across, up, "migrations", "spread of CPU and memory at the end (points)")
    line = " ".join(f"{across.at(row.mean('migrations')):.1f},{up.at(row.spread):.1f}" for row in front)
    parts.append(f'<polyline points="{line}" fill="none" stroke="{_FRONT}" stroke-dasharray="4 4"/>')
    labels: list[tuple[float, float]] = []
    for row in rows:
        parts += _mark(row, across.at(row.mean("migrations")), up.at(row.spread), labels, filled=row in front)
    return _svg(title, parts)


def time_plot(comparison: Comparison) -> str:
    """Return the plot of the spread of CPU over time: of the recommended algorithm, then of the front's least spreads.

    At most five are drawn.
    """
    front = [row.algorithm for row in reversed(pareto_front(comparison.rows))]
    drawn = [name for name in dict.fromkeys([comparison.recommendation.algorithm, *front]) if name][: len(_LINES)]
    settings = comparison.settings
    series = {name: comparison.sigma[name][0] for name in drawn}
    minutes = settings.interval / 60
    lines = {
        f"{ALGORITHMS[name].number} {name}": [(at * minutes, value) for at, value in enumerate(values)]
        for name, values in series.items()
    }
    title = f"Spread of CPU over time: {comparison.scenario}, mean of {counted(comparison.seeds, 'draw')}"
    return line_plot(title, lines, "minutes", "spread of CPU (points)", labels_at=_WIDTH - 350)


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that lasted from one x to another, and what it was."""

    begin: float
    end: float
    told: str


def line_plot(  # noqa: PLR0913 - what is drawn, and what is written on it
    title: str,
    lines: Mapping[str, Sequence[tuple[float, float | None]]],
    below: str,
    beside: str,
    *,
    labels_at: float = 560,
    marks: Sequence[Mark] = (),
) -> str:
    """Return the plot of up to five lines by their names, each of points (x, y) from 0 up, as SVG.

    A line has a gap where y is None. `below` and `beside` say what x and y are; the lines' names stand from `labels_at`
    on. `marks` are drawn behind the lines.
    """
    points = [point for line in lines.values() for point in line]
    across = _Axis.over(max(x for x, _ in points), _LEFT, _WIDTH - _RIGHT)
    up = _Axis.over(max(y or 0.0 for _, y in points), _HEIGHT - _BOTTOM, _TOP)
    parts = _frame(title, across, up, below, beside)
    for mark in marks:
        x, width = across.at(mark.begin), max(1.5, across.at(mark.end) - across.at(mark.begin))
        place = f'x="{x:.1f}" y="{_TOP}" width="{width:.1f}" height="{_HEIGHT - _BOTTOM - _TOP}"'
        parts.append(f'<rect {place} fill="{_LINES[3]}" fill-opacity="0.15"><title>{escape(mark.told)}</title></rect>')
    for index, (name, line) in enumerate(lines.items()):
        for piece in _pieces(line):
            path = " ".join(f"{across.at(x):.1f},{up.at(y):.1f}" for x, y in piece)
            parts.append(f'<polyline points="{path}" fill="none" stroke="{_LINES[index]}" stroke-width="2"/>')
        at = _TOP + 16 + 18 * index
        parts.append(f'<path d="M{labels_at:g} {at - 4}h22" stroke="{_LINES[index]}" stroke-width="3"/>')
        parts.append(_text(labels_at + 30, at, name, size=11))
    return _svg(title, parts)


def _pieces(line: Sequence[tuple[float, float | None]]) -> list[list[tuple[float, float]]]:
    """Return a line in pieces without gaps."""
    pieces: list[list[tuple[float, float]]] = [[]]
    for x, y in line:
        if y is not None:
            pieces[-1].append((x, y))
        elif pieces[-1]:
            pieces.append([])
    return [piece for piece in pieces if piece]


def _frame(title: str, across: _Axis, up: _Axis, below: str, beside: str) -> list[str]:
    parts = [
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#ffffff"/>',
        _text(_LEFT, 22, title, size=14, weight=600),
    ]
    for value in up.ticks():
        y = up.at(value)
        parts.append(f'<path d="M{_LEFT} {y:.1f}H{_WIDTH - _RIGHT}" stroke="{_GRID}"/>')
        parts.append(_text(_LEFT - 8, y + 4, f"{value:g}", anchor="end", colour=_QUIET))
    for value in across.ticks():
        x = across.at(value)
        parts.append(f'<path d="M{x:.1f} {_HEIGHT - _BOTTOM}v5" stroke="{_QUIET}"/>')
        parts.append(_text(x, _HEIGHT - _BOTTOM + 19, f"{value:g}", anchor="middle", colour=_QUIET))
    parts.append(_text((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 12, below, anchor="middle"))
    parts.append(_text(_LEFT, _TOP - 8, beside, size=11, colour=_QUIET))
    return parts


def _mark(row: Row, x: float, y: float, labels: list[tuple[float, float]], *, filled: bool) -> list[str]:
    number = ALGORITHMS[row.algorithm].number
    told = f"{number} {row.algorithm}: {row.mean('migrations'):.1f} migrations, spread {row.spread:.1f} points"
    fill = _FRONT if filled else "#ffffff"
    circle = f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="{fill}" stroke="{_FRONT}" stroke-width="1.5">'
    free = [place for place in _PLACES if not _taken(labels, x + place[0], y + place[1])]
    aside, down = free[0] if free else _PLACES[0]
    labels.append((x + aside, y + down))
    anchor = "start" if aside > 0 else "end" if aside < 0 else "middle"
    text = _text(x + aside, y + down, str(number), size=11, anchor=anchor)
    return [f"{circle}<title>{escape(told)}</title></circle>", text]


def _taken(labels: Sequence[tuple[float, float]], x: float, y: float) -> bool:
    return any(abs(x - other_x) < 15 and abs(y - other_y) < 11 for other_x, other_y in labels)


def _text(x: float, y: float, words: str, *, size: int = 12, anchor: str = "start", **look: str | int) -> str:
    colour, weight = look.get("colour", _INK), look.get("weight", 400)
    place = f'x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" font-weight="{weight}" fill="{colour}"'
    return f"<text {place}>{escape(words)}</text>"


def _svg(title: str, parts: Sequence[str]) -> str:
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img"'
    look = 'font-family="system-ui, sans-serif"'
    return "\n".join([f"{head} aria-label={quoteattr(title)} {look}>", *parts, "</svg>"]) + "\n"
