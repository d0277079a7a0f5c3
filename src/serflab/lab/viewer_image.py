"""Building the image of the viewer, the offload manager and the discovery, for a lab that runs in Kubernetes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from serflab.lab.image import ImageBuilder, PythonImage, copy_of_checkout

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from serflab.lab.progress import Progress

_HINT = "run ./setup_emulation.sh, or in flask-app: npm ci --omit=dev --ignore-scripts"
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


class ViewerImage(PythonImage):
    """The image of the viewer."""

    __slots__ = ()
    repository = "serflab/viewer"


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
        names = (*_FILES, *(f"flask-app/node_modules/{file}" for file in self._packages))
        copy_of_checkout(self._checkout, target, names, hint=_HINT)
