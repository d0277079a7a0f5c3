"""`serflab rebalance plot`: how even a running loop has made its nodes."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Final

import click

from serflab.cli.context import state_dir
from serflab.cli.values import FILE
from serflab.errors import SerflabError
from serflab.lab.span import WINDOWS, Span
from serflab.rebalance.loop_settings import load_loop
from serflab.rebalance.spread import spread
from serflab.rebalance.spread_plot import migrations, spread_page, spread_plot

_FORMS: Final = (".svg", ".html", ".png")
_BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome")
_SIZE: Final = "760,420"
_DRAWN_SECONDS: Final = 60


@click.command()
@click.option(
    "-o", "--output", type=FILE, metavar="FILE", help="FILE.svg, FILE.html or FILE.png.  [default: SVG on stdout]"
)
@click.option(
    "--window", type=click.Choice(tuple(WINDOWS)), default="15m", show_default=True, help="How far it goes back."
)
def plot(output: Path | None, window: str) -> None:
    """Draw how far apart the nodes of the loop were over time, and when VMs migrated."""
    if output is not None and output.suffix not in _FORMS:
        raise click.BadParameter(f"expected a file {', '.join(_FORMS)}, found {output}", param_hint="--output")
    loop = load_loop(state_dir())
    svg = spread_plot(loop, spread(loop, Span.last(window, WINDOWS[window], time.time())), migrations(loop))
    if output is None:
        click.echo(svg, nl=False)
        return
    try:
        if output.suffix == ".png":
            _draw(svg, output)
        else:
            output.write_text(spread_page(svg) if output.suffix == ".html" else svg, encoding="utf-8")
    except OSError as error:
        raise SerflabError(f"{output} cannot be written: {error.strerror}", hint="choose another path") from error
    click.echo(f"wrote {output}", err=True)


def _draw(svg: str, output: Path) -> None:
    """Have a program of this machine draw the SVG as PNG; `SerflabError` when there is none, or it fails."""
    with tempfile.TemporaryDirectory(prefix="serflab-plot-", ignore_cleanup_errors=True) as scratch:
        source, made = Path(scratch) / "plot.svg", Path(scratch) / "plot.png"
        source.write_text(svg, encoding="utf-8")
        try:
            done = subprocess.run(
                _command(source, made), capture_output=True, text=True, check=False, timeout=_DRAWN_SECONDS, cwd=scratch
            )
        except subprocess.TimeoutExpired as error:
            raise SerflabError(
                f"{output} was not drawn in {_DRAWN_SECONDS} s", hint="write FILE.svg instead"
            ) from error
        if done.returncode or not made.exists():
            raise SerflabError(f"{output} was not drawn: {done.stderr.strip()[-300:]}", hint="write FILE.svg instead")
        shutil.copyfile(made, output)


def _command(source: Path, made: Path) -> list[str]:
    if converter := shutil.which("rsvg-convert"):
        return [converter, f"--output={made}", str(source)]
    for name in _BROWSERS:
        if browser := shutil.which(name):
            # Without its sandbox it also runs as root; all that it sees is our own drawing.
            quiet = [
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--hide-scrollbars",
                f"--user-data-dir={source.parent}",
            ]
            return [browser, *quiet, f"--window-size={_SIZE}", f"--screenshot={made}", source.as_uri()]
    raise SerflabError(
        "there is no program here that draws a PNG",
        hint="install rsvg-convert (librsvg) or Chromium, or write FILE.svg",
    )
