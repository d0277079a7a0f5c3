"""Which of the page's packages are installed: those that it needs, and for tests those of the tests as well."""

import subprocess
import sys

import pytest

from serflab.errors import SerflabError
from serflab.lab.tools.npm import install_page_packages, main


@pytest.fixture
def asked(tmp_path, monkeypatch):
    """A checkout, and an npm of the machine that only notes what it is asked for."""
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "node").write_text("#!/bin/sh\n")
    (programs / "npm").write_text(f'#!/bin/sh\n[ "$1" = --version ] && echo 10.9.2 || echo "$@" > {tmp_path}/asked\n')
    for program in programs.iterdir():
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    (tmp_path / "flask-app").mkdir()
    monkeypatch.chdir(tmp_path)
    return lambda: (tmp_path / "asked").read_text().split()


def test_whoever_runs_a_lab_gets_no_packages_of_the_tests(tmp_path, asked):
    install_page_packages(tmp_path, tmp_path)
    assert asked()[0] == "ci"
    assert "--omit=dev" in asked()
    assert "--ignore-scripts" in asked()


def test_whoever_runs_the_tests_gets_them(asked, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["npm", "--dev"])
    main()
    assert asked()[0] == "ci"
    assert "--omit=dev" not in asked()


def test_the_setup_asks_for_them_by_the_same_variable_as_for_the_python_packages(pytestconfig):
    script = (pytestconfig.rootpath / "setup_emulation.sh").read_text(encoding="utf-8")
    at = script.index("packages=()")
    part = script[at : script.index("|| exit", at)].replace(".venv/bin/python -m serflab.lab.tools.npm", "echo")
    for lock, words in (("requirements.lock", []), ("requirements-dev.lock", ["--dev"])):
        done = subprocess.run(["bash", "-euc", f"lock={lock}\n{part}"], capture_output=True, text=True, check=True)
        assert done.stdout.split() == words


@pytest.mark.usefixtures("asked")
def test_what_npm_says_is_told(tmp_path):
    (tmp_path / "bin" / "npm").write_text(
        '#!/bin/sh\n[ "$1" = --version ] && echo 10.9.2 || { echo no network >&2; exit 1; }\n'
    )
    with pytest.raises(SerflabError, match="no network"):
        install_page_packages(tmp_path, tmp_path)
