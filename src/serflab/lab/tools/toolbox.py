"""Getting the pinned programs: already cached, on PATH, downloaded, or built, in this order.

The cache belongs to the user and serves all checkouts. A program enters it by one rename, so an interrupted download or
build leaves nothing that is ever used.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import os
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from serflab.errors import SerflabError
from serflab.lab.tools import golang
from serflab.lab.tools.build import Build
from serflab.lab.tools.pinned import TOOLS, Pins, Tool
from serflab.lab.tools.sources import Downloads, find_on_path

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from serflab.lab.progress import Progress

CACHE_ENV = "SERFLAB_CACHE"
_BUILD_SPACE_GIB = 6.0


@dataclass(frozen=True, slots=True)
class Located:
    """Where a tool is: `source` is `cache` or `PATH`, or `missing` with no path."""

    tool: Tool
    version: str
    source: str
    path: Path | None


class Toolbox:
    """The pinned tools of one checkout on this machine."""

    def __init__(self, checkout: Path, cache: Path | None = None) -> None:
        self.pins = Pins(checkout / "tools")
        self.cache = cache or cache_directory()
        self._downloads = Downloads()

    def locate(self, tool: Tool) -> Located:
        """Find a tool without getting it."""
        version = self.pins.version(tool)
        cached = self._cached(tool)
        if cached.exists():
            return Located(tool, version, "cache", cached)
        on_path = find_on_path(tool, self.pins)
        return Located(tool, version, "PATH" if on_path else "missing", on_path)

    def expected_path(self, tool: Tool) -> Path:
        """Return where the tool is, or where it will be once it is installed."""
        return self.locate(tool).path or self._cached(tool)

    def path(self, name: str) -> Path:
        """Return the path of a tool that is there; `SerflabError` when it is not."""
        tool = next(tool for tool in TOOLS if tool.name == name)
        path = self.locate(tool).path
        if path is None:
            raise SerflabError(f"{name} is not installed", hint=f"get it with `serflab tools install {name}`")
        return path

    def install(self, tools: Sequence[Tool], progress: Progress) -> dict[str, Path]:
        """Get the tools that are missing and return where all of them are.

        Raises `SerflabError` when one can neither be downloaded nor built.
        """
        if any(self.locate(tool).path is None for tool in tools):
            with self._locked(progress):
                self._get([tool for tool in tools if self.locate(tool).path is None], progress)
        return {tool.name: self.path(tool.name) for tool in tools}

    def _cached(self, tool: Tool) -> Path:
        return self.cache / "tools" / self.pins.key(tool)

    def _get(self, missing: Sequence[Tool], progress: Progress) -> None:
        with tempfile.TemporaryDirectory(dir=self.cache, prefix=".staging-") as name:
            staging = Path(name)
            left = self._download(missing, staging, progress)
            for module in dict.fromkeys(tool.module for tool in left):
                self._build([tool for tool in left if tool.module == module], staging, progress)

    def _download(self, missing: Sequence[Tool], staging: Path, progress: Progress) -> list[Tool]:
        reachable = self._downloads.reachable() if missing else set()
        left = []
        for tool in missing:
            if not self._downloads.offers(tool, reachable):
                left.append(tool)
                continue
            task = f"downloading {tool.name} {self.pins.version(tool)}"
            progress.start(task)
            advance = functools.partial(progress.advance, task, unit="bytes")
            try:
                target = staging / tool.name
                self._downloads.fetch(tool, self.pins, target, advance)
                self._keep(tool, target)
            except SerflabError as error:
                progress.say(f"{error.message}; it will be built instead")
                left.append(tool)
            progress.finish(task)
        return left

    def _build(self, tools: Sequence[Tool], staging: Path, progress: Progress) -> None:
        module, names = tools[0].module, ", ".join(tool.name for tool in tools)
        log = self.cache / "logs" / f"build-{module}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text("", encoding="utf-8")
        self._check_space(names)
        lock_file = self.pins.directory / "requirements-go.lock"
        go = golang.find_go(self.pins.go_version(module), self.cache, lock_file)
        task = f"building {names}"
        progress.start(task)
        advance = functools.partial(progress.advance, task, unit="packages")
        Build(go, self.pins, tools, staging, log).run(advance)
        for tool in tools:
            self._keep(tool, staging / tool.go_binary)
        progress.finish(task)

    def _keep(self, tool: Tool, built: Path) -> None:
        target = self._cached(tool)
        target.parent.mkdir(parents=True, exist_ok=True)
        built.replace(target)

    def _check_space(self, names: str) -> None:
        free = shutil.disk_usage(self.cache).free / 2**30
        if free < _BUILD_SPACE_GIB:
            raise SerflabError(
                f"building {names} needs about {_BUILD_SPACE_GIB:.0f} GiB below {self.cache}, {free:.1f} GiB are free",
                hint=f"free some, or name another place in {CACHE_ENV}, GOCACHE and GOMODCACHE",
            )

    @contextlib.contextmanager
    def _locked(self, progress: Progress) -> Iterator[None]:
        """Hold the cache for one serflab at a time, and clear what an interrupted one left in it."""
        self.cache.mkdir(parents=True, exist_ok=True)
        with (self.cache / "lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                progress.say("another serflab is getting the tools; waiting for it")
                while True:
                    time.sleep(0.5)
                    with contextlib.suppress(BlockingIOError):
                        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                        break
            for leftover in self.cache.glob(".staging-*"):
                shutil.rmtree(leftover, ignore_errors=True)
            yield


def cache_directory() -> Path:
    """Return the cache of this user: `$SERFLAB_CACHE`, else `serflab` in `$XDG_CACHE_HOME` or `~/.cache`."""
    if override := os.environ.get(CACHE_ENV):
        return Path(override).absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "serflab"
