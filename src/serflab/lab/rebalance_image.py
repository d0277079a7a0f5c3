"""Building the image of the loop that rebalances VMs: exporter, eviction webhook and VM controller in one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from serflab.lab.image import ImageBuilder, PythonImage, copy_of_checkout

if TYPE_CHECKING:
    from pathlib import Path

    from serflab.lab.progress import Progress

# What of a checkout the three programs may read: scenarios, and the series that VMs in them play. By the other two a
# checkout is known.
_FILES = ("sample_scenarios.json", "workload_templates", "annotations", "tools/cluster/go.mod")


class RebalanceImage(PythonImage):
    """The image of the loop's programs.

    Its name is of the registry `localhost`, so that it is the same to Docker, Podman and the nodes that it
    was loaded onto: Podman puts that before a name without a registry, Docker and Kubernetes put another.
    """

    __slots__ = ()
    repository = "localhost/serflab/rebalance"


class RebalanceImageBuilder(ImageBuilder[RebalanceImage]):
    """Builds it from one checkout."""

    def __init__(self, checkout: Path, progress: Progress) -> None:
        super().__init__(checkout, "rebalance", progress)

    def fill(self, context: Path, image: RebalanceImage) -> None:  # noqa: ARG002 - the same for all of them
        """Put there what the programs read of the checkout."""
        copy_of_checkout(self._checkout, context / "checkout", _FILES, hint="`git checkout` brings it back")
