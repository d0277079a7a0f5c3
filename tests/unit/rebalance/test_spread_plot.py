"""The plot of a running loop: lines with gaps, when VMs migrated, its forms, and what is said without values."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner

from serflab.cli import rebalance_plot
from serflab.cli.main import serflab_command
from serflab.errors import SerflabError
from serflab.lab.prometheus_query import Grid
from serflab.rebalance.followed_loop import MigrationRow
from serflab.rebalance.spread import Spread
from serflab.rebalance.spread_plot import spread_plot

LOOP = SimpleNamespace(serf="", algorithm="cpu_focused")
SVG = "{http://www.w3.org/2000/svg}"


def found(**values):
    return Spread(Grid(1000, 1300, 60), {name: values.get(name, [None] * 6) for name in ("cpu", "memory", "psi")})


def move(started, ended, phase="Succeeded"):
    return MigrationRow("m", "vm-1", phase, "a", "b", "pod", 0.0, started, ended, "")


def test_lines_begin_with_the_first_value_and_have_gaps():
    cpu = [None, 26.0, 20.0, None, 4.0, 4.0]
    drawn = ET.fromstring(spread_plot(LOOP, found(cpu=cpu, memory=[None, 12.0, 9.0, 6.0, 2.0, 2.0]), []))
    lines = [line.get("points") for line in drawn.iter(f"{SVG}polyline")]
    assert [len(line.split()) for line in lines] == [2, 2, 5]
    assert lines[0].startswith("56.0,")
    assert {"CPU", "memory", "pressure"} <= {text.text for text in drawn.iter(f"{SVG}text")}


def test_each_migration_is_marked_for_the_time_that_it_took():
    moves = [move(1120.0, 1180.0), move(1240.0, None, "Running"), move(None, None, "Pending"), move(500.0, 600.0)]
    drawn = ET.fromstring(spread_plot(LOOP, found(cpu=[10.0] * 6), moves, now=1290.0))
    marks = [rect for rect in drawn.iter(f"{SVG}rect") if rect.find(f"{SVG}title") is not None]
    assert [mark[0].text for mark in marks] == ["vm-1: a to b, Succeeded", "vm-1: a to b, Running"]
    first, second = (float(mark.get("width")) for mark in marks)
    assert second == pytest.approx(first * 50 / 60, abs=0.1)
    assert drawn.get("aria-label").endswith("2 migrations")


def test_without_any_value_there_is_a_hint():
    with pytest.raises(SerflabError, match="no spread of the nodes") as caught:
        spread_plot(LOOP, found(), [])
    assert "first scrapes" in caught.value.hint


@pytest.fixture
def plot(monkeypatch):
    monkeypatch.setattr(rebalance_plot, "load_loop", lambda _: LOOP)
    monkeypatch.setattr(rebalance_plot, "spread", lambda *_: found(cpu=[10.0] * 6))
    monkeypatch.setattr(rebalance_plot, "migrations", lambda _: [])
    return lambda *arguments: CliRunner().invoke(serflab_command, ["rebalance", "plot", *map(str, arguments)])


def test_it_is_written_as_svg_or_as_a_page_that_loads_nothing(plot, tmp_path):
    assert plot("-o", tmp_path / "a.svg").exit_code == 0
    svg = (tmp_path / "a.svg").read_text()
    assert plot().stdout == svg
    assert plot("-o", tmp_path / "a.html").exit_code == 0
    page = (tmp_path / "a.html").read_text()
    assert svg.strip() in page
    assert "default-src 'none'" in page
    assert not re.search(r"<script|<link|src=|style=", page)


def test_a_png_needs_a_program_that_draws_it(plot, tmp_path, monkeypatch):
    monkeypatch.setattr(rebalance_plot.shutil, "which", lambda _name: None)
    done = plot("-o", tmp_path / "a.png")
    assert "no program here that draws a PNG" in str(done.exception)
    program = tmp_path / "rsvg-convert"
    program.write_text('#!/bin/sh\ncp "$2" "${1#--output=}"\n')
    program.chmod(0o755)
    monkeypatch.setattr(rebalance_plot.shutil, "which", {"rsvg-convert": str(program)}.get)
    assert plot("-o", tmp_path / "a.png").exit_code == 0
    assert Path(tmp_path / "a.png").read_text() == plot().stdout
    program.write_text("#!/bin/sh\necho no font >&2; exit 3\n")
    assert "a.png was not drawn: no font" in str(plot("-o", tmp_path / "a.png").exception)


def test_other_files_are_refused(plot, tmp_path):
    done = plot("-o", tmp_path / "a.pdf")
    assert done.exit_code == 2
    assert ".svg, .html, .png" in done.stderr
