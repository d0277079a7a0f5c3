"""The inventory of a lab that is up: written as a whole, read by everybody."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from serflab.errors import SerflabError
from serflab.lab.inventory import Inventory, Serf, load_inventory, state_directory, write_atomically


def serf(number):
    home = Path(f"/lab/serf{number}")
    return Serf(
        name=f"serf{number}",
        kubeconfig=home / "kubeconfig",
        server=f"https://127.0.0.1:{21000 + 10 * number}",
        exporter=f"http://127.0.0.1:{21006 + 10 * number}",
        config=Path("/checkout/größer.json"),
        logs=home / "logs",
        env={"SERFLAB_PHASE": "12"},
    )


INVENTORY = Inventory(
    name="emulation",
    runtime="local",
    topology=Path("/checkout/topology.yaml"),
    serfs=(serf(1), serf(2)),
    prometheus="http://127.0.0.1:9091",
    viewer="http://127.0.0.1:8080",
)


def test_what_is_saved_is_what_is_loaded(tmp_path):
    INVENTORY.save(tmp_path / "lab")
    assert load_inventory(tmp_path / "lab") == INVENTORY
    assert [file.name for file in (tmp_path / "lab").iterdir()] == ["lab.json"]


def test_a_serf_is_found_by_its_name_and_an_unknown_name_is_told_those_there_are():
    assert INVENTORY.serf("serf2") == serf(2)
    assert INVENTORY.serf("serf2").metrics_url == "http://127.0.0.1:21026/metrics"
    with pytest.raises(SerflabError) as caught:
        INVENTORY.serf("serf3")
    assert str(caught.value) == "there is no serf 'serf3' in this lab\n  hint: the serfs are: serf1, serf2"


def test_without_the_file_no_lab_is_up(tmp_path):
    with pytest.raises(SerflabError) as caught:
        load_inventory(tmp_path)
    expected = f"no lab is up: {tmp_path / 'lab.json'} is not there\n  hint: bring it up with `serflab up`"
    assert str(caught.value) == expected
    assert caught.value.exit_status == 1


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "cannot be read: Expecting value"),
        ("{", "cannot be read: Expecting property name"),
        ("\udcff", "cannot be read: 'utf-8' codec can't decode"),
        ("[]", "was written by another version of serflab "),
        ("{}", "was written by another version of serflab "),
        ('{"version": 1, "serfs": [{}]}', "was written by another version of serflab (KeyError('name'))"),
        ('{"version": 1, "serfs": 3}', "was written by another version of serflab "),
    ],
)
def test_a_file_that_is_no_inventory(tmp_path, text, problem):
    file = tmp_path / "lab.json"
    file.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(SerflabError) as caught:
        load_inventory(tmp_path)
    assert caught.value.message.startswith(f"{file} {problem}")
    assert caught.value.hint == "`serflab down` and `serflab up` write it anew"


def test_an_inventory_of_another_version_is_not_guessed_at(tmp_path):
    INVENTORY.save(tmp_path)
    file = tmp_path / "lab.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"version": 2}))
    with pytest.raises(SerflabError, match="its version is 2, this serflab knows 1"):
        load_inventory(tmp_path)


def test_the_state_directory_is_in_the_checkout_unless_the_environment_names_another(tmp_path, monkeypatch):
    assert state_directory(tmp_path) == tmp_path / ".serflab"
    monkeypatch.setenv("SERFLAB_STATE", "")
    assert state_directory(tmp_path) == tmp_path / ".serflab"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SERFLAB_STATE", "elsewhere")
    assert state_directory(tmp_path / "checkout") == tmp_path / "elsewhere"


def test_a_reader_never_sees_a_part_of_a_file(tmp_path):
    file = tmp_path / "file"
    texts = [letter * 300_000 for letter in "abc"]
    write_atomically(file, texts[0])
    seen, done = set(), threading.Event()

    def read():
        while not done.is_set():
            seen.add(file.read_text())

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(60):
        write_atomically(file, texts[number % 3])
    done.set()
    reader.join()
    assert seen <= set(texts)
    assert list(tmp_path.iterdir()) == [file]


def test_a_write_that_fails_leaves_the_old_file_and_nothing_beside_it(tmp_path):
    file = tmp_path / "file"
    write_atomically(file, "old")
    with pytest.raises(UnicodeEncodeError):
        write_atomically(file, "new \udcff")
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]
