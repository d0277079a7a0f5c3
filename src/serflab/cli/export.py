"""`serflab export`: the lab on other machines."""

from __future__ import annotations

import asyncio
import logging
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from serflab.cli.context import checkout, state_dir
from serflab.cli.values import FILE, interval_option
from serflab.lab.export.manifests import files, manifests, stream, write
from serflab.lab.export.plan import VIEWER_IMAGE, Export, ExportSettings, plan_export

if TYPE_CHECKING:
    from click import Context, Parameter

_HEADER = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"


class _Namespace(click.ParamType[str]):
    """The name of a namespace (RFC 1123)."""

    name = "namespace"

    def convert(self, value: Any, param: Parameter | None, ctx: Context | None) -> str:  # noqa: ANN401 - as click has it
        """Return the name."""
        if not re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", str(value)):
            expected = "at most 63 lower-case letters, digits and '-'"
            self.fail(f"{value!r} cannot be a namespace: expected {expected}", param, ctx)
        return str(value)


@click.group()
def export() -> None:
    """Take the lab to other machines."""


@export.command()
@click.option("--topology", type=FILE, help="The topology file.  [default: topology.yaml of the checkout]")
@click.option("--namespace", type=_Namespace(), default="serflab", show_default=True, help="The namespace of it all.")
@click.option("--image", default="", metavar="IMAGE", help="The serfs' image.  [default: the topology's]")
@click.option(
    "--viewer-image", default=VIEWER_IMAGE, show_default=True, metavar="IMAGE", help="Of viewer and offload manager."
)
@click.option("--serfs", "count", type=int, metavar="N", help="Only the first N serfs of the topology.")
@interval_option
@click.option("--output", required=True, metavar="DIR", help="The directory to write to; - for standard output.")
@click.option("--dry-run", is_flag=True, help="Check the input and say what would be written.")
def kubernetes(  # noqa: PLR0913 - one parameter per option
    *,
    topology: Path | None,
    namespace: str,
    image: str,
    viewer_image: str,
    count: int | None,
    interval: float,
    output: str,
    dry_run: bool,
) -> None:
    """Write manifests with which a Kubernetes cluster runs the lab."""
    root = checkout()
    settings = ExportSettings(
        checkout=root,
        topology=topology or root / "topology.yaml",
        namespace=namespace,
        interval=interval,
        image=image,
        viewer_image=viewer_image,
        serfs=count,
    )
    planned = plan_export(settings)
    if dry_run:
        _tell(planned, output)
    elif output == "-":
        click.echo(stream(planned), nl=False)
    else:
        texts = files(planned)
        changed = write(texts, Path(output))
        click.echo(f"{output}: {len(changed)} of {len(texts)} files written, the others are as they were")
        click.echo(f"kubectl apply --server-side -k {output}")


@export.command()
def discover() -> None:
    """Keep the inventory of a lab that runs in Kubernetes; its viewer's pod runs this."""
    # The other commands need no client of Kubernetes.
    from serflab.kube.client import ApiClient  # noqa: PLC0415
    from serflab.kube.credentials import load_credentials  # noqa: PLC0415
    from serflab.lab.export.discovery import Discovery, load_plan  # noqa: PLC0415

    logging.basicConfig(level=logging.INFO, format=_HEADER, force=True)
    plan, directory = load_plan(), state_dir()

    async def follow() -> None:
        async with ApiClient(load_credentials()) as client:
            await Discovery(client, plan, directory).run()

    asyncio.run(follow())


def _tell(planned: Export, output: str) -> None:
    for name, bodies in manifests(planned).items():
        click.echo(f"{name}: {', '.join(_counted([body['kind'] for body in bodies]))}")
    pods = sum(serf.config.pods for serf in planned.serfs)
    where = "to standard output" if output == "-" else f"to {output}"
    click.echo(f"would write {len(planned.serfs)} serfs with {pods} pods {where}")


def _counted(kinds: list[str]) -> list[str]:
    return [f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds)]
