"""What every command has in common: help, exit status, errors on stderr."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import click
import pytest

import serflab as package
from serflab.cli.main import serflab_command
from serflab.errors import Finding, InputError, SerflabError


def command_lines(command, names=()):
    """Yield the words of every command and group below a command."""
    yield names
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            yield from command_lines(command.get_command(context, name), (*names, name))


COMMANDS = sorted(command_lines(serflab_command))


def test_there_are_these_commands():
    assert {words for words in COMMANDS if len(words) == 1} == {
        ("up",),
        ("down",),
        ("restart",),
        ("status",),
        ("link",),
        ("logs",),
        ("kubectl",),
        ("kubeconfig",),
        ("tools",),
        ("trace",),
        ("offload",),
        ("rebalance",),
        ("image",),
        ("export",),
        ("version",),
    }
    assert {("tools", "list"), ("tools", "install"), ("trace", "generate"), ("trace", "check")} <= set(COMMANDS)


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_explains_itself(serflab, words):
    shown = serflab(*words, "--help")
    assert shown.status == 0
    assert shown.out.startswith(f"Usage: {' '.join(['serflab', *words])} ")
    assert "-h, --help" in shown.out
    assert shown.err == ""


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_option_is_explained(words):
    command = serflab_command
    for word in words:
        command = command.commands[word]
    unexplained = [item.opts[0] for item in command.params if isinstance(item, click.Option) and not item.help]
    assert unexplained == []


@pytest.mark.parametrize(
    "words", [("nonsense",), ("up", "--nonsense"), ("up", "--serfs=many"), ("logs",), ("kubeconfig",)]
)
def test_bad_usage_is_status_2_and_says_what_is_meant(serflab, words):
    refused = serflab(*words)
    assert refused.status == 2
    assert refused.out == ""
    assert "Usage: serflab" in refused.err
    assert "Error: " in refused.err


def test_without_a_command_the_help_is_shown(serflab):
    shown = serflab()
    assert shown.status == 2
    assert "Commands:" in shown.out + shown.err


def test_the_version_is_that_of_the_package(serflab):
    assert serflab("version").out == f"{package.__version__}\n"


@pytest.fixture
def probe(serflab, monkeypatch):
    """Run a command that only raises."""

    def run(error):
        def fail():
            raise error

        monkeypatch.setitem(serflab_command.commands, "probe", click.Command("probe", callback=fail))
        return serflab("probe")

    return run


def test_an_error_is_one_message_with_a_hint_on_stderr_and_no_traceback(probe):
    failed = probe(SerflabError("it broke", hint="mend it"))
    assert (failed.status, failed.out, failed.err) == (1, "", "error: it broke\n  hint: mend it\n")


def test_bad_input_is_status_2(probe):
    failed = probe(InputError([Finding("a.json", "$.x", "is 3"), Finding("a.json", "$.y", "is 4")]))
    assert failed.status == 2
    assert failed.err == "error: 2 problems found, nothing was changed:\na.json: $.x: is 3\na.json: $.y: is 4\n"


def test_an_interruption_says_what_to_do_next(probe):
    failed = probe(KeyboardInterrupt())
    assert failed.status == 130
    assert failed.err == "\ninterrupted; `serflab up` goes on, `serflab down` clears away\n"


def test_a_polite_request_to_end_is_an_interruption(serflab, monkeypatch):
    def end_me():
        os.kill(os.getpid(), signal.SIGTERM)

    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    monkeypatch.setitem(serflab_command.commands, "probe", click.Command("probe", callback=end_me))
    assert serflab("probe").status == 130


def test_the_command_is_installed():
    program = Path(sys.executable).with_name("serflab")
    done = subprocess.run([program, "version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"{package.__version__}\n"
