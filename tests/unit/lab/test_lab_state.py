"""The state directory: made for a lab, never on top of somebody's files, removed as a whole or with its data kept."""

from __future__ import annotations

import collections
import stat

import pytest

from serflab.errors import SerflabError
from serflab.lab import state


def files(directory):
    return sorted(str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file())


@pytest.fixture
def foreign(tmp_path):
    """A directory with a file of the user's."""
    directory = tmp_path / "home"
    directory.mkdir()
    (directory / "thesis.txt").write_text("years of work")
    return directory


def test_a_new_directory_is_made_for_the_user_only_and_left_out_of_backups(tmp_path):
    state.prepare(tmp_path / "a" / "lab", 1)
    assert stat.S_IMODE((tmp_path / "a" / "lab").stat().st_mode) == 0o700
    tag = (tmp_path / "a" / "lab" / "CACHEDIR.TAG").read_text()
    assert tag.startswith("Signature: 8a477f597d28d172789f06886806bc55\n")


def test_an_empty_directory_and_one_of_ours_are_taken(tmp_path):
    state.prepare(tmp_path, 1)
    (tmp_path / "serf1").mkdir()
    state.prepare(tmp_path, 1)
    assert (tmp_path / "serf1").is_dir()


def test_a_directory_with_files_of_somebody_else_is_refused(foreign):
    with pytest.raises(SerflabError) as caught:
        state.prepare(foreign, 1)
    hint = "name an empty or new directory in SERFLAB_STATE"
    assert str(caught.value) == f"{foreign} holds files that are not serflab's\n  hint: {hint}"
    assert files(foreign) == ["thesis.txt"]


def test_a_file_in_the_place_of_the_directory_is_refused(foreign):
    for place in (foreign / "thesis.txt", foreign / "thesis.txt" / "lab"):
        with pytest.raises(SerflabError, match=rf"{place} cannot be written: (File exists|Not a directory)"):
            state.prepare(place, 1)
    assert (foreign / "thesis.txt").read_text() == "years of work"


def test_a_disk_that_is_too_full_for_that_many_serfs(tmp_path, monkeypatch):
    usage = collections.namedtuple("usage", "total used free")  # noqa: PYI024 - what shutil gives
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage(10 << 30, 8 << 30, 2 << 30))
    state.prepare(tmp_path / "small", 6)
    with pytest.raises(SerflabError) as caught:
        state.prepare(tmp_path / "large", 11)
    assert caught.value.message == f"11 serfs need about 3.3 GiB below {tmp_path / 'large'}, 2.0 GiB are free"
    assert "--serfs" in caught.value.hint


@pytest.fixture
def used(tmp_path):
    """The state of a lab that was up."""
    directory = tmp_path / "lab"
    state.prepare(directory, 1)
    for name in (
        "lab.json",
        "serf1/etcd/wal",
        "serf1/pki/ca.crt",
        "serf1/logs/etcd.log",
        "supervisor/supervisord.conf",
        "offload/manager.pid",
    ):
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    return directory


def test_removing_takes_the_whole_directory(used):
    state.remove(used, keep_data=False)
    assert not used.exists()
    state.remove(used, keep_data=False)


def test_kept_data_lacks_only_what_says_that_a_lab_is_up(used):
    state.remove(used, keep_data=True)
    assert files(used) == ["CACHEDIR.TAG", "serf1/etcd/wal", "serf1/logs/etcd.log", "serf1/pki/ca.crt"]
    state.prepare(used, 1)
    state.remove(used, keep_data=True)


def test_a_state_directory_within_stays_with_what_holds_it(used):
    state.prepare(used / "rebalance", 0)
    (used / "rebalance" / "loop.json").write_text("{}")
    state.remove(used, keep_data=False)
    assert files(used) == ["CACHEDIR.TAG", "rebalance/CACHEDIR.TAG", "rebalance/loop.json"]
    assert not state.is_bare(used)
    state.prepare(used, 1)
    state.remove(used / "rebalance", keep_data=False)
    assert state.is_bare(used)
    state.remove(used, keep_data=False)
    assert not used.exists()


@pytest.mark.parametrize("keep_data", [True, False])
def test_nothing_is_removed_from_a_directory_of_somebody_else(foreign, keep_data):
    (foreign / "lab.json").write_text("{}")
    with pytest.raises(SerflabError, match="is not a state directory of serflab; nothing in it was removed"):
        state.remove(foreign, keep_data=keep_data)
    assert files(foreign) == ["lab.json", "thesis.txt"]
