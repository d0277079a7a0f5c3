"""Building the image of a serf: the build context from the checkout and the pinned programs, then `docker build`.

Everything that the image holds is fetched or built on this machine first, checked against the lock files, so that the
build itself needs a network only where the base image lacks packages.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import serflab
from serflab.errors import SerflabError
from serflab.lab.health import last_lines
from serflab.lab.serf_plan import Variant
from serflab.lab.tools.pinned import tools_named

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from serflab.lab.progress import Progress
    from serflab.lab.tools.toolbox import Toolbox

REPOSITORY = "serflab/serf"
SHARED_PROGRAMS = ("kwok",)
UPSTREAM_PROGRAMS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl")
PYTHON = "3.11"
"""The Python of the default base image; wheels are made for one version."""

_PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input")


@dataclass(frozen=True, slots=True)
class Image:
    """An image to build: its variant, the images it is made from (empty: the Dockerfile's), its tags, its Python."""

    variant: Variant
    base: str = ""
    k3s_image: str = ""
    tags: tuple[str, ...] = ()
    python: str = PYTHON

    @property
    def programs(self) -> tuple[str, ...]:
        """Return the pinned programs that go into it."""
        return SHARED_PROGRAMS if self.variant is Variant.K3S else (*SHARED_PROGRAMS, *UPSTREAM_PROGRAMS)

    @property
    def all_tags(self) -> tuple[str, ...]:
        """Return its tags: those asked for, else the variant's name, alone and with serflab's version."""
        return self.tags or (
            f"{REPOSITORY}:{self.variant}",
            f"{REPOSITORY}:{self.variant}-{serflab.__version__}",
        )

    def command(self, context: Path) -> tuple[str, ...]:
        """Return the `docker build` that makes it from a build context."""
        arguments = {"BASE_IMAGE": self.base, "K3S_IMAGE": self.k3s_image}
        return (
            "docker",
            "build",
            f"--target=serf-{self.variant}",
            *(f"--build-arg={name}={value}" for name, value in arguments.items() if value),
            *(f"--tag={tag}" for tag in self.all_tags),
            f"--label=org.opencontainers.image.version={serflab.__version__}",
            str(context),
        )


class ImageBuilder:
    """Builds images of serfs from one checkout."""

    def __init__(self, checkout: Path, toolbox: Toolbox, progress: Progress) -> None:
        self._checkout = checkout
        self._toolbox = toolbox
        self._progress = progress
        self._directory = checkout / "build" / "serf-image"
        self._lock = checkout / "images" / "serf" / "requirements.lock"
        self._pip_lock = checkout / "tools" / "requirements-pip.lock"

    @property
    def context(self) -> Path:
        """Return the directory that is handed to the engine."""
        return self._directory / "context"

    def build(self, image: Image) -> None:
        """Build the image with the engine that the `docker` command reaches.

        Raises `SerflabError` with the last lines of what pip or the engine said.
        """
        if shutil.which("docker") is None:
            raise SerflabError("there is no `docker` command on this machine", hint="install Docker 20.10 or newer")
        with self._locked():
            self.prepare(image)
            self._run(f"building {image.all_tags[0]}", image.command(self.context), "build.log")

    def prepare(self, image: Image) -> Path:
        """Make the build context of an image and return it; what it was made of is kept for the next one."""
        self._directory.mkdir(parents=True, exist_ok=True)
        programs = self._toolbox.install(tools_named(image.programs), self._progress)
        context = self.context
        shutil.rmtree(context, ignore_errors=True)
        for name in ("common", "upstream"):
            shutil.copytree(self._checkout / "images" / "serf" / "bin" / name, context / "bin" / name)
        for name, source in programs.items():
            _link(source, context / "bin" / ("common" if name in SHARED_PROGRAMS else "upstream") / name)
        (context / "annotations").mkdir()
        for file in sorted((self._checkout / "annotations").iterdir()):
            if file.suffix in {".py", ".json"}:
                shutil.copy(file, context / "annotations")
        shutil.copy(self._checkout / "images" / "serf" / "Dockerfile", context)
        self._wheels(context / "wheels", image.python)
        return context

    def _wheels(self, target: Path, python: str) -> None:
        """Put pip's wheel, those of the lock file and our own there, and the lock file beside them."""
        shutil.copytree(self._downloaded(python), target, copy_function=_link)
        shutil.copy(self._lock, target)
        command = (*_PIP, "wheel", "--no-deps", "--no-index", "--no-build-isolation", f"--wheel-dir={target}", ".")
        self._run("packing serflab", command, "serflab.log")

    def _downloaded(self, python: str) -> Path:
        """Return a directory that holds the pinned wheels for that Python; it is kept for the next build."""
        text = self._lock.read_text(encoding="utf-8")
        digest = hashlib.sha256(text.encode() + self._pip_lock.read_bytes()).hexdigest()[:8]
        kept = self._directory / f"wheels-{python}-{digest}"
        if kept.exists():
            return kept
        # The markers are about the Python that installs, which is not the one that downloads.
        unmarked = self._directory / "requirements.txt"
        unmarked.write_text(re.sub(r" ; [^\\\n]*", " ", text), encoding="utf-8")
        with tempfile.TemporaryDirectory(dir=self._directory, prefix=".wheels-") as staging:
            wheels = Path(staging) / "wheels"
            command = [*_PIP, "download", "--no-deps", "--require-hashes", "--only-binary=:all:", f"--dest={wheels}"]
            command += ["--implementation=cp", f"--python-version={python}", *_platforms()]
            command += [f"--requirement={unmarked}", f"--requirement={self._pip_lock}"]
            self._run("getting the Python packages", command, "wheels.log")
            wheels.rename(kept)
        return kept

    def _run(self, task: str, command: Sequence[str], log_name: str) -> None:
        log = self._directory / log_name
        self._progress.start(task)
        with log.open("wb") as output:
            done = subprocess.run(command, cwd=self._checkout, stdout=output, stderr=subprocess.STDOUT, check=False)
        if done.returncode != 0:
            raise SerflabError(f"{task} failed", hint=f"its log is {log}{last_lines(log)}")
        self._progress.finish(task)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold the build directory for one serflab at a time."""
        self._directory.mkdir(parents=True, exist_ok=True)
        with (self._directory / "lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _link(source: str | Path, target: str | Path) -> None:
    """Put a file there as well, without a copy where the file system can."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy(source, target)


def _platforms() -> list[str]:
    """Return pip's options for wheels that run on this machine's kind of processor and glibc 2.28 and newer."""
    machine = platform.machine()
    versions = ("manylinux_2_28", "manylinux_2_17", "manylinux2014", "manylinux_2_12", "manylinux2010", "manylinux1")
    return [f"--platform={version}_{machine}" for version in versions]
