"""`serflab image`: the container images of a serf, of the viewer and of the rebalancing loop."""

from __future__ import annotations

import shlex

import click

from serflab.cli.context import checkout
from serflab.cli.display import Display
from serflab.lab.image import PYTHON
from serflab.lab.rebalance_image import RebalanceImage, RebalanceImageBuilder
from serflab.lab.serf_image import SerfImage, SerfImageBuilder
from serflab.lab.serf_plan import Variant
from serflab.lab.tools.pinned import tools_named
from serflab.lab.tools.toolbox import Toolbox
from serflab.lab.viewer_image import ViewerImage, ViewerImageBuilder


@click.group()
def image() -> None:
    """Build the container images of a serf, of the viewer and of the rebalancing loop."""


@image.command()
@click.option(
    "--variant",
    type=click.Choice([variant.value for variant in Variant]),
    default=Variant.K3S.value,
    show_default=True,
    help="The control plane.",
)
@click.option("--base", metavar="IMAGE", default="", help="The base image.  [default: the Dockerfile's]")
@click.option("--k3s-image", metavar="IMAGE", default="", help="Where K3s comes from.  [default: the Dockerfile's]")
@click.option("--tag", "tags", metavar="TAG", multiple=True, help="Its name.  [default: serflab/serf:VARIANT]")
@click.option(
    "--python", metavar="X.Y", default=PYTHON, show_default=True, help="The Python of the base image, for its packages."
)
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
def build(variant: str, base: str, k3s_image: str, tags: tuple[str, ...], python: str, *, dry_run: bool) -> None:  # noqa: PLR0913 - the options of the command
    """Build the image with the Docker engine, from this checkout and the pinned programs."""
    wanted = SerfImage(Variant(variant), base, k3s_image, tags, python)
    root = checkout()
    toolbox = Toolbox(root)
    with Display() as progress:
        builder = SerfImageBuilder(root, toolbox, progress)
        if not dry_run:
            builder.build(wanted)
    if dry_run:
        missing = [tool.name for tool in tools_named(wanted.programs) if toolbox.locate(tool).path is None]
        click.echo(f"programs: {', '.join(wanted.programs)}; to get: {', '.join(missing) or 'none'}")
        click.echo(f"would run: {shlex.join(wanted.command(builder.context))}")
        return
    click.echo(f"built {', '.join(wanted.all_tags)}")


@image.command("build-viewer")
@click.option("--base", metavar="IMAGE", default="", help="The base image.  [default: the Dockerfile's]")
@click.option("--tag", "tags", metavar="TAG", multiple=True, help="Its name.  [default: serflab/viewer:latest]")
@click.option(
    "--python", metavar="X.Y", default=PYTHON, show_default=True, help="The Python of the base image, for its packages."
)
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
def build_viewer(*, base: str, tags: tuple[str, ...], python: str, dry_run: bool) -> None:
    """Build the image of viewer and offload manager, which a lab in Kubernetes needs."""
    from serflab.web.page import VENDOR  # noqa: PLC0415 - Flask takes its time, only needed here

    wanted = ViewerImage(base, tags, python)
    root = checkout()
    with Display() as progress:
        builder = ViewerImageBuilder(root, progress, VENDOR.values())
        if not dry_run:
            builder.build(wanted)
    if dry_run:
        click.echo(f"would run: {shlex.join(wanted.command(builder.context))}")
        return
    click.echo(f"built {', '.join(wanted.all_tags)}")


@image.command("build-rebalance")
@click.option(
    "--engine",
    type=click.Choice(["docker", "podman"]),
    default="docker",
    show_default=True,
    help="The command that builds it.",
)
@click.option("--base", metavar="IMAGE", default="", help="The base image.  [default: the Dockerfile's]")
@click.option(
    "--tag", "tags", metavar="TAG", multiple=True, help=f"Its name.  [default: {RebalanceImage.repository}:latest]"
)
@click.option(
    "--python", metavar="X.Y", default=PYTHON, show_default=True, help="The Python of the base image, for its packages."
)
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
def build_rebalance(*, engine: str, base: str, tags: tuple[str, ...], python: str, dry_run: bool) -> None:
    """Build the image of exporter, eviction webhook and VM controller, which k8s/ runs in a cluster."""
    wanted = RebalanceImage(base, tags, python, engine)
    with Display() as progress:
        builder = RebalanceImageBuilder(checkout(), progress)
        if not dry_run:
            builder.build(wanted)
    if dry_run:
        click.echo(f"would run: {shlex.join(wanted.command(builder.context))}")
        return
    click.echo(f"built {', '.join(wanted.all_tags)}")
