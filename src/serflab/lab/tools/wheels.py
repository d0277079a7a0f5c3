"""Programs that come as Python wheels (Go, Node.js), kept in the cache for all checkouts."""

from __future__ import annotations

import fcntl
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from serflab.errors import SerflabError


def unpack_wheel(lock_file: Path, cache: Path) -> Path:
    """Return the directory that holds the packages of a hash-pinned lock file; install them when they are not there.

    Raises `SerflabError` with pip's own words when they cannot be had.
    """
    pinned = re.search(r"^([\w-]+)==(\S+)", lock_file.read_text(encoding="utf-8"), re.MULTILINE)
    if pinned is None:
        raise SerflabError(f"{lock_file} pins no package")
    home = cache / f"{pinned[1]}-{pinned[2]}"
    if home.exists():
        return home
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / f"{home.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for leftover in cache.glob(f".{home.name}-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        if not home.exists():
            with tempfile.TemporaryDirectory(dir=cache, prefix=f".{home.name}-") as staging:
                _install(lock_file, Path(staging) / "packages").rename(home)
    return home


def _install(lock_file: Path, target: Path) -> Path:
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--require-hashes", "--target", str(target), "--requirement", str(lock_file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SerflabError(
            f"{lock_file.name} could not be installed:\n{done.stderr.strip()}",
            hint="check this machine's way to the Python package index",
        )
    return target
