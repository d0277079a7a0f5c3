"""Building pinned programs from their Go modules."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from serflab.errors import SerflabError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from serflab.lab.tools.pinned import Pins, Tool

_LOG_LINES_IN_ERROR = 12


@dataclass(frozen=True, slots=True)
class Build:
    """One run of `go install` for tools of one module; what Go prints goes to `log`, the programs into `staging`."""

    go: Path
    pins: Pins
    tools: Sequence[Tool]
    staging: Path
    log: Path

    def run(self, progress: Callable[[int, int], None]) -> None:
        """Build the tools, each under the name that Go gives it.

        `progress` is called with (compiled packages, packages in all). Raises `SerflabError` with the last lines of the
        log when Go fails; Ctrl-C ends Go too.
        """
        total, done = self._count_packages(), 0
        command = [str(self.go), "install", "-v", "-trimpath", "-ldflags", self.pins.ldflags(self._module)]
        command += ["-tags", self.pins.tags(self._module), *self._packages]
        with (
            self.log.open("a", encoding="utf-8") as record,
            subprocess.Popen(
                command,
                cwd=self._directory,
                env=self._environment(),
                text=True,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            ) as process,
        ):
            try:
                for line in process.stdout or ():
                    record.write(line)
                    done = min(done + (not line.startswith("go: ")), total)
                    progress(done, total)
            except BaseException:
                process.terminate()
                raise
        if process.returncode != 0:
            raise self._failure()
        progress(total, total)

    @property
    def _module(self) -> str:
        return self.tools[0].module

    @property
    def _directory(self) -> Path:
        return self.pins.directory / self._module

    @property
    def _packages(self) -> list[str]:
        return [tool.package for tool in self.tools]

    def _environment(self) -> dict[str, str]:
        settings = {"CGO_ENABLED": "0", "GOFLAGS": "-buildvcs=false", "GOTOOLCHAIN": "local", "GOWORK": "off"}
        return {**os.environ, **settings, "GOBIN": str(self.staging)}

    def _count_packages(self) -> int:
        command = [str(self.go), "list", "-deps", "-tags", self.pins.tags(self._module), *self._packages]
        with self.log.open("ab") as record:
            done = subprocess.run(
                command,
                cwd=self._directory,
                env=self._environment(),
                stdout=subprocess.PIPE,
                stderr=record,
                check=False,
            )
        if done.returncode != 0:
            raise self._failure()
        return done.stdout.count(b"\n")

    def _failure(self) -> SerflabError:
        tail = self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-_LOG_LINES_IN_ERROR:]
        names, lines = ", ".join(tool.name for tool in self.tools), "\n".join(f"    {line}" for line in tail)
        return SerflabError(
            f"building {names} failed; the last lines of {self.log}:\n{lines}",
            hint="a full disk or a blocked way to the Go module proxy are the usual causes (GOPROXY names another one)",
        )
