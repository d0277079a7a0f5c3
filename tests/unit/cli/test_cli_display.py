"""How long work is told: plain lines on stderr where it is no terminal, a live display where it is one."""

from __future__ import annotations

import os
import re

import pytest

from serflab.cli import display as module
from serflab.cli.display import Display
from serflab.cli.table import print_table


@pytest.fixture
def clock(monkeypatch):
    """A clock that the test moves on."""

    class Clock:
        now = 1000.0

        def monotonic(self):
            return self.now

    made = Clock()
    monkeypatch.setattr(module, "time", made)
    return made


def work(progress, clock):
    """Build something for 100 s, telling every second."""
    progress.say("tools: [2] of them")
    progress.start("building kwok")
    for done in range(1, 101):
        clock.now += 1
        progress.advance("building kwok", done, 200, "packages")
    progress.finish("building kwok")


def test_without_a_terminal_there_are_plain_lines_on_stderr_now_and_then(clock, capsys):
    with Display() as progress:
        work(progress, clock)
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.splitlines() == [
        "tools: [2] of them",
        "building kwok …",
        "building kwok: 20 of 200 packages after 20.0 s, about 3:00 min left",
        "building kwok: 40 of 200 packages after 40.0 s, about 2:40 min left",
        "building kwok: 60 of 200 packages after 1:00 min, about 2:20 min left",
        "building kwok: 80 of 200 packages after 1:20 min, about 2:00 min left",
        "building kwok: 100 of 200 packages after 1:40 min, about 1:40 min left",
        "building kwok: done in 1:40 min",
    ]


def test_where_nobody_knows_the_total_nothing_is_said_of_what_is_left(clock, capsys):
    with Display() as progress:
        progress.start("downloading")
        clock.now += 30
        progress.advance("downloading", 7, 0, "bytes")
    assert capsys.readouterr().err.splitlines()[1:] == ["downloading: 7 bytes after 30.0 s"]


def test_a_long_line_is_not_broken(clock, capsys):
    text = "word " * 100 + f"{clock.now}"
    with Display() as progress:
        progress.say(text)
    assert capsys.readouterr().err == f"{text}\n"


def test_what_fails_does_not_lose_what_was_said(capsys):
    display = Display()

    def fail():
        with display as progress:
            progress.say("about to fail")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert capsys.readouterr().err == "about to fail\n"


def test_on_a_terminal_it_is_live_and_what_was_said_stays(clock, monkeypatch, capsys):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "150")
    with Display() as progress:
        work(progress, clock)
        progress.start("unknown length")
    plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", capsys.readouterr().err)
    assert "tools: [2] of them" in plain
    assert re.search(r"building kwok: done in \d", plain)
    assert "unknown length" in plain


def test_a_table_shows_words_as_they_are(capsys):
    rows = [("serf1", "Ready", "[ssl:default] [/etc/hosts] :smile: [red]no[/red]"), ("serf10", "Stopped", "")]
    print_table(("SERF", "STATE", ""), rows)
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        "SERF    STATE",
        "serf1   Ready    [ssl:default] [/etc/hosts] :smile: [red]no[/red]",
        "serf10  Stopped",
    ]


def test_a_table_that_is_read_by_a_program_is_never_cut(capsys):
    path = os.sep + "deep/" * 200
    print_table(("SERF", "CONFIG"), [("serf1", path)])
    assert capsys.readouterr().out.splitlines()[1].split() == ["serf1", path]


def test_states_are_coloured_on_a_terminal(monkeypatch, capsys):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    print_table(("STATE",), [("Ready",), ("Stopped",)])
    printed = capsys.readouterr().out
    assert "\x1b[32mReady" in printed
    assert "\x1b[31mStopped" in printed
