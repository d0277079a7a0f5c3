"""Building the image of the viewer, the offload manager and the discovery, for a lab that runs in Kubernetes."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

import serflab
from serflab.errors import SerflabError
from serflab.lab.image import PYTHON, ImageBuilder

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from serflab.lab.progress import Progress

REPOSITORY = "serflab/viewer"
# What of a checkout the three programs read; tools/ is how a checkout is known.
_FILES = (
    "annotations",
    "flask-app/app.py",
    "flask-app/config.yaml",
    "flask-app/static",
    "flask-app/scripts",
    "tools/cluster",
    "topology.yaml",
    "workload_templates",
)


@dataclass(frozen=True, slots=True)
class ViewerImage:
    """An image to build: the image it is made from (empty: the Dockerfile's), its tags, its Python."""

    base: str = ""
    tags: tuple[str, ...] = ()
    python: str = PYTHON

    @property
    def all_tags(self) -> tuple[str, ...]:
        """Return its tags: those asked for, else `latest` and serflab's version."""
        return self.tags or (f"{REPOSITORY}:latest", f"{REPOSITORY}:{serflab.__version__}")

    def command(self, context: Path) -> tuple[str, ...]:
        """Return the `docker build` that makes it from a build context."""
        return (
            "docker",
            "build",
            *((f"--build-arg=BASE_IMAGE={self.base}",) if self.base else ()),
            *(f"--tag={tag}" for tag in self.all_tags),
            f"--label=org.opencontainers.image.version={serflab.__version__}",
            str(context),
        )


class ViewerImageBuilder(ImageBuilder[ViewerImage]):
    """Builds it from one checkout; `packages` are the files of npm packages that the page needs."""

    def __init__(self, checkout: Path, progress: Progress, packages: Iterable[str]) -> None:
        super().__init__(checkout, "viewer", progress)
        self._packages = tuple(packages)

    def fill(self, context: Path, image: ViewerImage) -> None:  # noqa: ARG002 - the same for all of them
        """Put there what the programs read of the checkout."""
        self.copy_files(context / "checkout")

    def copy_files(self, target: Path) -> None:
        """Put there what the image has of the checkout; `SerflabError` when an npm package is not installed."""
        for name in (*_FILES, *(f"flask-app/node_modules/{file}" for file in self._packages)):
            source, place = self._checkout / name, target / name
            place.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, place, ignore=shutil.ignore_patterns("__pycache__"))
            elif source.is_file():
                shutil.copy(source, place)
            else:
                hint = "run ./setup_emulation.sh, or in flask-app: npm ci --omit=dev --ignore-scripts"
                raise SerflabError(f"{source} is not there", hint=hint)
