"""Building an image: the build context from the checkout and the locked packages, then `docker build`.

Everything that an image holds is fetched or built on this machine first, checked against the lock files, so that the
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
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Generic, Protocol, TypeVar

import serflab
from serflab.errors import SerflabError
from serflab.lab.health import last_lines

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from serflab.lab.progress import Progress

PYTHON = "3.11"
"""The Python of the default base image; wheels are made for one version."""
LOCK = "requirements.lock"

_ENGINES = {"docker": "Docker 20.10 or newer", "podman": "Podman 4 or newer"}
_PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input")


class Image(Protocol):
    """An image to build."""

    @property
    def python(self) -> str:
        """Return the version of its Python, such as 3.11."""

    @property
    def all_tags(self) -> tuple[str, ...]:
        """Return its tags."""

    def command(self, context: Path) -> tuple[str, ...]:
        """Return the `docker build` that makes it from a build context."""


@dataclass(frozen=True, slots=True)
class PythonImage:
    """An image of Python programs: the image it is made from (empty: the Dockerfile's), its tags, its Python.

    `engine` is the command that builds it, `docker` or one that takes the same options.
    """

    repository: ClassVar[str]

    base: str = ""
    tags: tuple[str, ...] = ()
    python: str = PYTHON
    engine: str = "docker"

    @property
    def all_tags(self) -> tuple[str, ...]:
        """Return its tags: those asked for, else `latest` and serflab's version."""
        return self.tags or (f"{self.repository}:latest", f"{self.repository}:{serflab.__version__}")

    def command(self, context: Path) -> tuple[str, ...]:
        """Return the command line that makes it from a build context."""
        return (
            self.engine,
            "build",
            *((f"--build-arg=BASE_IMAGE={self.base}",) if self.base else ()),
            *(f"--tag={tag}" for tag in self.all_tags),
            f"--label=org.opencontainers.image.version={serflab.__version__}",
            str(context),
        )


_Image = TypeVar("_Image", bound=Image)


class ImageBuilder(ABC, Generic[_Image]):
    """Builds images of one kind from one checkout: from `images/<kind>`, in `build/<kind>-image`."""

    def __init__(self, checkout: Path, kind: str, progress: Progress) -> None:
        self._checkout = checkout
        self._progress = progress
        self._directory = checkout / "build" / f"{kind}-image"
        self._source = checkout / "images" / kind
        self._pip_lock = checkout / "tools" / "requirements-pip.lock"

    @abstractmethod
    def fill(self, context: Path, image: _Image) -> None:
        """Put there what an image holds besides Python packages."""

    @property
    def context(self) -> Path:
        """Return the directory that is handed to the engine."""
        return self._directory / "context"

    def build(self, image: _Image) -> None:
        """Build the image with the engine that its command reaches.

        Raises `SerflabError` with the last lines of what pip or the engine said.
        """
        command = image.command(self.context)
        if shutil.which(command[0]) is None:
            hint = f"install {_ENGINES.get(command[0], command[0])}"
            raise SerflabError(f"there is no `{command[0]}` command on this machine", hint=hint)
        with self._locked():
            self.prepare(image)
            self._run(f"building {image.all_tags[0]}", command, "build.log")

    def prepare(self, image: _Image) -> Path:
        """Make the build context of an image and return it; what it was made of is kept for the next one."""
        self._directory.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(self.context, ignore_errors=True)
        self.context.mkdir()
        self.fill(self.context, image)
        shutil.copy(self._source / "Dockerfile", self.context)
        self._wheels(self.context / "wheels", image.python)
        return self.context

    def _wheels(self, target: Path, python: str) -> None:
        """Put pip's wheel, those of the lock file and our own there, with the lock file and what installs them."""
        shutil.copytree(self._downloaded(python), target, copy_function=link_or_copy)
        shutil.copy(self._source / LOCK, target)
        shutil.copy(self._source.parent / "install-wheels.sh", target)
        command = (*_PIP, "wheel", "--no-deps", "--no-index", "--no-build-isolation", f"--wheel-dir={target}", ".")
        self._run("packing serflab", command, "serflab.log")

    def _downloaded(self, python: str) -> Path:
        """Return a directory that holds the pinned wheels for that Python; it is kept for the next build."""
        text = (self._source / LOCK).read_text(encoding="utf-8")
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


def link_or_copy(source: str | Path, target: str | Path) -> None:
    """Put a file there as well, without a copy where the file system can."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy(source, target)


def copy_of_checkout(checkout: Path, target: Path, names: Iterable[str], *, hint: str = "") -> None:
    """Put files and folders of the checkout there under their names; `SerflabError` with the hint if one is missing."""
    for name in names:
        source, place = checkout / name, target / name
        place.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, place, ignore=shutil.ignore_patterns("__pycache__"))
        elif source.is_file():
            shutil.copy(source, place)
        else:
            raise SerflabError(f"{source} is not there", hint=hint)


def _platforms() -> list[str]:
    """Return pip's options for wheels that run on this machine's kind of processor and glibc 2.28 and newer."""
    machine = platform.machine()
    versions = ("manylinux_2_28", "manylinux_2_17", "manylinux2014", "manylinux_2_12", "manylinux2010", "manylinux1")
    return [f"--platform={version}_{machine}" for version in versions]
