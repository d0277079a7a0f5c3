"""`serflab link`: the links of the lab, and making them slower or lossy."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from serflab.cli.context import output_option
from serflab.cli.offload_checks import WrongNameError, must_be_one_of
from serflab.cli.offload_names import complete_linked, complete_serf
from serflab.cli.offload_options import asks_viewer, dry_run_option, viewer, viewer_options
from serflab.cli.table import print_table
from serflab.cli.viewer_client import path
from serflab.lab.link_values import loss_text, parse_delay, parse_loss, parse_rate, rate_text, time_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from serflab.cli.viewer_client import ViewerClient

Json = dict[str, Any]
_SOURCES = {"none": "", "label": "label", "set": "set", "netem": "netem"}


class _Text(click.ParamType["float | None"]):
    """A text of tc's notation, made a number."""

    def __init__(self, name: str, parse: Callable[[str], float | None]) -> None:
        self.name = name
        self._parse = parse

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float | None:  # noqa: ANN401 - as click has it
        """Return the number."""
        try:
            return self._parse(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


_TIME = _Text("TIME", parse_delay)
_LOSS = _Text("PERCENT", parse_loss)
_RATE = _Text("RATE", lambda text: 0.0 if text == "none" else parse_rate(text))
_interface = click.option("--interface", metavar="NAME", help="A's interface, where several links join the two.")


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@viewer_options
def link() -> None:
    """Show the links of the lab and make them slower or lossy."""


@link.command("list")
@output_option
@click.pass_context
@asks_viewer
def list_links(context: click.Context, output: str) -> None:
    """List the links with their state and what is in force on them."""
    links = _links(viewer(context))
    if output == "json":
        click.echo(json.dumps(links, indent=2))
        return
    header = ("A", "B", "STATE", "DELAY", "JITTER", "LOSS", "RATE", "FROM", "RX", "TX")
    print_table(header, (_row(item) for item in links))


@link.command("set")
@click.argument("a", shell_complete=complete_serf)
@click.argument("b", shell_complete=complete_linked)
@_interface
@click.option("--delay", type=_TIME, help="How long it takes one way, such as 20ms.")
@click.option("--jitter", type=_TIME, help="By how much the delay varies, such as 5ms.")
@click.option("--loss", type=_LOSS, help="How much gets lost, such as 1%.")
@click.option("--rate", type=_RATE, help="What it carries, such as 100mbit; none: not limited.")
@dry_run_option
@click.pass_context
@asks_viewer
def set_link(  # noqa: PLR0913 - the options of the command
    context: click.Context,
    a: str,
    b: str,
    *,
    interface: str | None,
    delay: float | None,
    jitter: float | None,
    loss: float | None,
    rate: float | None,
    dry_run: bool,
) -> None:
    """Set what is in force on the link between nodes A and B, both ways; what is not given stays as it is."""
    given = {"delay": delay, "jitter": jitter, "loss": loss, "rate": rate}
    if all(value is None for value in given.values()):
        raise click.UsageError("give --delay, --jitter, --loss or --rate; `serflab link clear` takes all back")
    client = viewer(context)
    found = _between(_links(client), a, b, interface)
    wanted = {name: found[name] if value is None else value for name, value in given.items()}
    wanted["rate"] = wanted["rate"] or None
    if dry_run:
        click.echo(f"would set {_name(found)}: {_words(wanted)} (now {_words(found)})")
        return
    done = client.put(path("links", a, b), wanted, _query(found, a)).data["link"]
    click.echo(f"{_name(done)}: {_words(done)}")


@link.command()
@click.argument("a", shell_complete=complete_serf)
@click.argument("b", shell_complete=complete_linked)
@_interface
@dry_run_option
@click.pass_context
@asks_viewer
def clear(context: click.Context, a: str, b: str, *, interface: str | None, dry_run: bool) -> None:
    """Forget what the link between nodes A and B was set to; then its labels count again."""
    client = viewer(context)
    found = _between(_links(client), a, b, interface)
    if dry_run:
        click.echo(f"would clear {_name(found)} (now {_words(found)})")
        return
    done = client.delete(path("links", a, b), _query(found, a)).data["link"]
    click.echo(f"{_name(done)}: {_words(done)}")


def _links(client: ViewerClient) -> list[Json]:
    found: list[Json] = client.get("/api/links")["links"]
    return found


def _between(links: list[Json], a: str, b: str, interface: str | None) -> Json:
    """Return the one link that is meant; `WrongNameError` says what there is instead."""
    names = list(dict.fromkeys(end["node"] for item in links for end in item["endpoints"]))
    must_be_one_of("linked node", a, names)
    neighbours = [end["node"] for item in links if _end(item, a) for end in item["endpoints"] if end["node"] != a]
    if b not in neighbours:
        must_be_one_of("linked node", b, names)
        raise WrongNameError(f"no link joins {a} and {b}", hint=f"{a} is linked with {', '.join(neighbours)}")
    found = {
        (_end(item, a) or {})["interface"]: item
        for item in links
        if {end["node"] for end in item["endpoints"]} == {a, b}
    }
    if interface is None and len(found) == 1:
        return next(iter(found.values()))
    if interface is None:
        raise WrongNameError(f"{len(found)} links join {a} and {b}", hint=f"give --interface {' or '.join(found)}")
    must_be_one_of(f"interface of {a} with a link to {b},", interface, list(found))
    return found[interface]


def _end(item: Json, node: str) -> Json | None:
    return next((end for end in item["endpoints"] if end["node"] == node), None)


def _query(item: Json, node: str) -> dict[str, str]:
    end = _end(item, node)
    return {"interface": end["interface"]} if end else {}


def _name(item: Json) -> str:
    return " — ".join(f"{end['node']}:{end['interface']}" for end in item["endpoints"])


def _words(values: Json) -> str:
    parts = [f"delay {time_text(values['delay'])}" if values["delay"] else ""]
    parts += [f"jitter {time_text(values['jitter'])}" if values["jitter"] else ""]
    parts += [f"loss {loss_text(values['loss'])}" if values["loss"] else ""]
    parts += [f"rate {rate_text(values['rate'])}" if values["rate"] else ""]
    return ", ".join(part for part in parts if part) or "no delay, no loss, no limit"


def _row(item: Json) -> list[str]:
    one, other = item["endpoints"]
    return [
        *(f"{end['node']}:{end['interface']}" for end in (one, other)),
        item["state"],
        time_text(item["delay"]) if item["delay"] else "",
        time_text(item["jitter"]) if item["jitter"] else "",
        loss_text(item["loss"]) if item["loss"] else "",
        rate_text(item["rate"]),
        _SOURCES.get(item["source"], item["source"]),
        *("" if one[key] is None else f"{one[key] / 1000:.1f}kbit" for key in ("rx_rate", "tx_rate")),
    ]
