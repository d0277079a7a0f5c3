"""The image of a serf: which programs it holds, and its build context."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

import serflab
from serflab.lab.image import PYTHON, ImageBuilder, link_or_copy
from serflab.lab.serf_plan import Variant
from serflab.lab.tools.pinned import tools_named

if TYPE_CHECKING:
    from pathlib import Path

    from serflab.lab.progress import Progress
    from serflab.lab.tools.toolbox import Toolbox

REPOSITORY = "serflab/serf"
SHARED_PROGRAMS = ("kwok",)
UPSTREAM_PROGRAMS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl")


@dataclass(frozen=True, slots=True)
class SerfImage:
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


class SerfImageBuilder(ImageBuilder[SerfImage]):
    """Builds images of serfs from one checkout and the pinned programs."""

    def __init__(self, checkout: Path, toolbox: Toolbox, progress: Progress) -> None:
        super().__init__(checkout, "serf", progress)
        self._toolbox = toolbox

    def fill(self, context: Path, image: SerfImage) -> None:
        """Put the programs and what runs them there."""
        programs = self._toolbox.install(tools_named(image.programs), self._progress)
        for name in ("common", "upstream"):
            shutil.copytree(self._source / "bin" / name, context / "bin" / name)
        for name, source in programs.items():
            link_or_copy(source, context / "bin" / ("common" if name in SHARED_PROGRAMS else "upstream") / name)
        (context / "annotations").mkdir()
        for file in sorted((self._checkout / "annotations").iterdir()):
            if file.suffix in {".py", ".json"}:
                shutil.copy(file, context / "annotations")
