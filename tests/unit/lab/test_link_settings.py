"""What links are set to: kept in the state directory, in the place of labels, and taken by routes and transfers."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serflab.errors import InputError, SerflabError
from serflab.lab.impairments import NETEM, Impairment, LinkSettings, Setting, impairment_of, with_settings
from serflab.lab.link_values import (
    go_duration,
    loss_text,
    parse_delay,
    parse_loss,
    parse_rate,
    rate_text,
    time_text,
)
from serflab.lab.netem import Netem, NetemError, arguments, read_shown, refusal
from serflab.lab.routes import Route, route
from serflab.lab.topology import Endpoint, Link, Node, Topology, load_topology

LINKS = (
    Link(Endpoint("a", "eth1"), Endpoint("b", "eth1"), {}, 8e6),
    Link(Endpoint("b", "eth2"), Endpoint("c", "eth1")),
)
LAB = Topology(Path("t.yaml"), "lab", tuple(Node(name, "linux", "serf") for name in "abc"), LINKS)


def test_what_is_set_stays_for_the_next_reader_until_it_is_cleared(tmp_path):
    setting = Setting(Impairment(0.02, 0.005, 1.0, 1e8))
    LinkSettings(tmp_path).put(LINKS[0].id, setting)
    LinkSettings(tmp_path).put(LINKS[1].id, Setting(Impairment(), NETEM))
    assert LinkSettings(tmp_path).load() == {"a:eth1--b:eth1": setting, "b:eth2--c:eth1": Setting(Impairment(), NETEM)}
    LinkSettings(tmp_path).clear(LINKS[0].id)
    LinkSettings(tmp_path).clear("another")
    assert list(LinkSettings(tmp_path).load()) == ["b:eth2--c:eth1"]


@pytest.mark.parametrize("text", ["", "[]", '{"links": 7}', '{"links": {"x": {"delay": 1}}}', "\x00"])
def test_a_file_that_holds_something_else_counts_for_nothing_and_is_told(tmp_path, caplog, text):
    settings = LinkSettings(tmp_path)
    settings.file.write_text(text)
    with caplog.at_level(logging.WARNING):
        assert settings.load() == {}
    assert "links.json holds no settings" in caplog.text
    settings.put("x", Setting(Impairment(delay=1.0)))
    assert settings.load()["x"].impairment.delay == 1.0


def test_settings_that_cannot_be_written_are_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SerflabError, match="cannot be written"):
        LinkSettings(tmp_path / "file").put("x", Setting(Impairment()))


def test_a_setting_takes_the_place_of_all_labels_of_its_link_and_of_no_other():
    found = with_settings(LAB, {LINKS[0].id: Setting(Impairment(delay=0.5)), "unknown": Setting(Impairment())})
    assert impairment_of(found.links[0]) == Impairment(delay=0.5)
    assert (found.links[0].source, found.links[1].source) == ("set", "none")
    assert found.links[1] == LINKS[1]
    assert with_settings(LAB, {}) == LAB


def test_a_transfer_takes_longer_over_a_link_that_loses_since_what_is_lost_is_sent_again():
    lossy = with_settings(LAB, {link.id: Setting(Impairment(0.1, 0.0, 50.0, 8e6)) for link in LINKS})
    way = route(lossy, "a", "c")
    assert (way.rate, way.delay, way.loss) == (8e6, 0.2, 0.75)
    assert way.seconds(1_000_000) == pytest.approx(4.2)
    assert Route(("a", "b"), None, 0.1, 0.9).seconds(1e9) == 0.1


def test_no_way_leads_over_a_link_that_loses_everything():
    cut = with_settings(LAB, {LINKS[1].id: Setting(Impairment(loss=100.0))})
    assert route(cut, "a", "b") is not None
    assert route(cut, "a", "c") is None


def test_labels_of_a_link_say_its_jitter_and_loss_too(tmp_path):
    file = tmp_path / "t.yaml"
    labels = "serflab.jitter: 2ms, serflab.loss: 0.5%, serflab.delay: 10ms, serflab.rate: 1gbit"
    text = f"name: l\ntopology: {{nodes: {{a: , b: }}, links: [{{endpoints: [a:e1, b:e1], labels: {{{labels}}}}}]}}\n"
    file.write_text(text)
    [link] = load_topology(file).links
    assert (impairment_of(link), link.source) == (Impairment(0.01, 0.002, 0.5, 1e9), "label")
    file.write_text(text.replace("0.5%", "100%"))
    with pytest.raises(InputError) as error:
        load_topology(file)
    assert [item.path for item in error.value.findings] == ["$.topology.links[0].labels.serflab.loss"]


@pytest.mark.parametrize("text", ["100%", "-1%", "1%%", "nan", "1ms", "", "%"])
def test_what_is_no_loss_is_refused(text):
    with pytest.raises(ValueError, match="percents from 0 to below 100"):
        parse_loss(text)


@given(st.floats(1e-6, 1e4), st.floats(1, 1e13), st.floats(0, 99.9))
def test_values_are_written_as_they_are_read(seconds, rate, loss):
    assert parse_delay(time_text(seconds)) == pytest.approx(seconds, rel=1e-5)
    assert parse_rate(rate_text(rate)) == pytest.approx(rate, rel=1e-5)
    assert parse_loss(loss_text(loss)) == pytest.approx(loss, rel=1e-5, abs=1e-9)


def test_durations_of_go():
    expected = {"": 0.0, "0s": 0.0, "20ms": 0.02, "1m30.5s": 90.5, "250µs": 250e-6, "1h0m0s": 3600.0, "15ns": 15e-9}
    assert {text: pytest.approx(go_duration(text)) for text in expected} == expected
    with pytest.raises(ValueError, match="1m30s"):
        go_duration("20 ms")


def test_the_worse_of_two_ends_is_in_force_in_each_value():
    one, other = Impairment(0.1, 0.0, 1.0, None), Impairment(0.0, 0.2, 0.5, 1e6)
    assert one.worse(other) == other.worse(one) == Impairment(0.1, 0.2, 1.0, 1e6)


def test_netem_is_asked_in_its_own_units():
    assert arguments(Impairment(0.0205, 0.0, 0.5, 1.5e6)) == [
        "--delay=20500us",
        "--jitter=0us",
        "--loss=0.5",
        "--rate=1500",
    ]
    assert arguments(Impairment(rate=1.0))[-1] == "--rate=1"
    assert len(arguments(Impairment())) == 3


def test_what_netem_shows_is_read_as_containerlab_documents_it():
    # https://containerlab.dev/cmd/tools/netem/show/; and null, which a container without netem gave (0.79).
    item = {"interface": "eth1", "delay": "1s", "jitter": "5ms", "packet_loss": 0.1, "rate": 64, "corruption": 0.2}
    text = f'{{"c": [{str(item).replace(chr(39), chr(34))}]}}'
    assert read_shown(text, "c") == {"eth1": Impairment(1.0, 0.005, 0.1, 64e3)}
    assert list(read_shown(text.replace("eth1", "mgmt0-0 (mgmt0.0)"), "c")) == ["mgmt0.0"]
    assert list(read_shown(text.replace("eth1", "eth1 (host)"), "c")) == ["eth1"]
    assert read_shown('{"c": null}', "c") == {}
    with pytest.raises(NetemError, match="no list of impairments"):
        read_shown("{}", "c")


def test_a_kernel_without_netem_is_told_as_that_and_anything_else_in_containerlabs_words():
    # Recorded of containerlab 0.79 on such a kernel.
    stderr = (
        "15:12:07 WARN failed to load sch_netem kernel module\n          \n   ERROR  \n          \n  Netlink receive: "
        'no such file or directory, offset: 0, message: "Specified qdisc kind is unknown".   \n'
    )
    error = refusal(("set",), stderr)
    assert error.message.startswith("this machine's kernel has no netem")
    assert "modprobe sch_netem" in error.hint
    assert refusal(("set", "-n", "x"), "\x1b[31m ERROR \x1b[0m\n no container x\n").message.endswith(
        "set -n x`: no container x"
    )


@pytest.mark.parametrize(
    "stderr",
    [
        "this containerlab command requires root privileges or root via SUID to run, effective UID: 1000 SUID: 1000",
        "sudo: a password is required\n",
        "Sorry, user me is not allowed to execute '/usr/bin/containerlab' as root on here.\n",
        "sudo: sorry, you are not allowed to set the following environment variables: CLAB_VERSION_CHECK\n",
        "\n   ERROR\n\n  Permission denied while trying to connect to the Docker daemon socket.\n",
        "\x1b[31m ERROR \x1b[0m\n failed to open netns: operation not permitted\n",
    ],
)
def test_what_lacks_rights_is_told_with_how_to_give_them(stderr):
    assert "sudo" in refusal(("set",), stderr).hint


@pytest.mark.parametrize("node", ["rootdns", "password-store"])
def test_a_name_is_no_lack_of_rights(node):
    error = refusal(("set", "--node", node), f"\n   ERROR\n\n  No container {node} found.\n")
    assert error.hint == ""
    assert error.message.endswith(f"--node {node}`: No container {node} found.")


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """A stand-in of containerlab 0.79 that keeps netem's values in files, and refuses an interface named eth9."""
    program = tmp_path / "bin" / "containerlab"
    program.parent.mkdir()
    program.write_text(
        """#!/usr/bin/env python3
import json, pathlib, sys
home = pathlib.Path(__file__).parent
words = sys.argv[1:]
if words[0] == "version":
    sys.exit(print('{"version": "0.79.0"}'))
assert words[:2] == ["tools", "netem"]
options = dict(zip(words[3::2], words[4::2])) if "=" not in "".join(words) else {}
node = words[words.index("--node") + 1]
file = home / f"{node}.json"
kept = json.loads(file.read_text()) if file.exists() else {}
if words[2] == "show":
    print(json.dumps({node: list(kept.values()) or None}))
    sys.exit(0)
interface = words[words.index("--interface") + 1]
with (home / "log").open("a") as log:
    print(words[2], node, interface, file=log)
if interface == "eth9":
    sys.exit("no such interface")
if words[2] == "reset":
    if interface not in kept:
        sys.exit("Netlink receive: invalid argument.")
    del kept[interface]
else:
    given = dict(word.removeprefix("--").split("=") for word in words if "=" in word)
    kept[interface] = {"interface": interface, "delay": given["delay"], "jitter": given["jitter"],
                       "packet_loss": float(given["loss"]), "rate": int(given.get("rate", 0))}
file.write_text(json.dumps(kept))
""",
        encoding="utf-8",
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    return program.parent


@pytest.mark.usefixtures("stand_in")
def test_both_ends_are_set_and_reset():
    ends = [("c1", "eth1"), ("c2", "eth2")]
    Netem().set(ends, Impairment(0.02, 0.001, 1.5, 1e6))
    assert Netem().show("c1") == {"eth1": Impairment(0.02, 0.001, 1.5, 1e6)}
    assert Netem().show("c2") == {"eth2": Impairment(0.02, 0.001, 1.5, 1e6)}
    Netem().reset(ends)
    Netem().reset(ends)
    assert Netem().show("c1") == Netem().show("c2") == {}


@pytest.mark.usefixtures("stand_in")
def test_an_end_that_refuses_leaves_the_other_as_it_was():
    with pytest.raises(NetemError, match="no such interface"):
        Netem().set([("c1", "eth1"), ("c2", "eth9")], Impairment(0.02))
    assert Netem().show("c1") == {}
    Netem().set([("c1", "eth1")], Impairment(0.5))
    with pytest.raises(NetemError, match="no such interface"):
        Netem().set([("c1", "eth1"), ("c2", "eth9")], Impairment(0.02))
    assert Netem().show("c1") == {"eth1": Impairment(0.5)}


def test_without_containerlab_it_says_so(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(NetemError, match="containerlab is not installed"):
        Netem().show("c")
