"""The documentation says what the code does: commands, options, metrics, rules, API paths, variables and links."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import click
import pytest
import yaml

from serflab.cli.main import serflab_command
from serflab.emulation import cli as programs
from serflab.web import server
from serflab.web.documentation import openapi

CHECKOUT = Path(__file__).resolve().parents[2]
DOCS = CHECKOUT / "docs"
PAGES = sorted([*DOCS.rglob("*.md"), *(CHECKOUT / f"{name}.md" for name in ("README", "CHANGELOG", "CONTRIBUTING"))])
METRIC = re.compile(r"(?:emulation|real|serflab)(?:_[a-z]+){2,}")


def text(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def sections(page: str, level: str = "##") -> dict[str, str]:
    """Return what stands below each heading of a level."""
    parts = re.split(rf"^{level} (.+)$", page, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def documented_options(section: str) -> dict[str, str]:
    """Return the options in the first column of a section's table, each with what stands in the second."""
    rows = [re.split(r"(?<!\\)\|", line) for line in section.splitlines() if line.startswith("| `-")]
    return {option: row[2] for row in rows for option in re.findall(r"`(--?[a-z][a-z0-9-]*)`", row[1])}


def commands(group: click.Group, name: str) -> dict[str, click.Command]:
    """Return every command below a group by what is typed."""
    found: dict[str, click.Command] = {}
    context = click.Context(group)
    for word in group.list_commands(context):
        command, typed = group.get_command(context, word), f"{name} {word}"
        found |= commands(command, typed) if isinstance(command, click.Group) else {typed: command}
    return found


COMMANDS = commands(serflab_command, "serflab")
CLI = sections(text("cli.md"))
# Said once for all commands below `serflab offload`.
SHARED = documented_options(CLI["Offload commands"])


def test_every_command_has_a_section_and_every_section_a_command():
    assert {heading for heading in CLI if heading.startswith("serflab ")} == set(COMMANDS)


@pytest.mark.parametrize("typed", COMMANDS)
def test_options_of_a_command_with_their_defaults(typed):
    options = [parameter for parameter in COMMANDS[typed].params if isinstance(parameter, click.Option)]
    documented = documented_options(CLI[typed])
    offered = {name for option in options for name in option.opts}
    if typed.startswith("serflab offload "):
        documented |= {option: default for option, default in SHARED.items() if option in offered}
    opposites = {name for option in options for name in option.secondary_opts}
    assert offered <= set(documented) <= offered | opposites
    for option in options:
        if option.show_default:
            assert f"`{option.default}`" in documented[option.opts[-1]], option.name


def test_every_option_that_is_documented_for_all_offload_commands_is_one():
    commands_ = [command for typed, command in COMMANDS.items() if typed.startswith("serflab offload ")]
    offered = {name for command in commands_ for option in command.params for name in option.opts}
    assert set(SHARED) - offered == set()


@pytest.mark.parametrize(
    ("program", "main"),
    [
        ("create_resources.py", programs.create_main),
        ("replay_metrics.py", programs.replay_main),
        ("expose_metrics.py", programs.expose_main),
    ],
)
def test_options_of_a_program_of_a_serf_with_their_defaults(program, main, capsys):
    assert main(["--help"], program) == 0
    usage, _, details = capsys.readouterr().out.partition("\n\n")
    documented = documented_options(CLI[f"annotations/{program}"])
    assert set(documented) == set(re.findall(r"--[a-z][a-z-]*", usage))
    for option, help_text in re.findall(r"^  (--[a-z-]+)(.*(?:\n {4,}.*)*)", details, flags=re.MULTILINE):
        for default in re.findall(r"\(([\w.]+)\)$", " ".join(help_text.split())):
            if not (option == "--config" or documented[option].strip() == "as above"):
                assert f"`{default}`" in documented[option], option


def test_options_of_the_viewer(capsys):
    assert server.main(CHECKOUT / "flask-app", ["--help"]) == 0
    offered = set(re.findall(r"^  (--[a-z-]+)", capsys.readouterr().out, flags=re.MULTILINE))
    assert set(documented_options(CLI["flask-app/app.py"])) == offered - {"--help"}


def test_every_environment_variable():
    files = [*(CHECKOUT / "src").rglob("*.py"), CHECKOUT / "setup_emulation.sh", CHECKOUT / "topology.yaml"]
    used = {name for file in files for name in re.findall(r"\bSERFLAB_[A-Z_]+\b", file.read_text(encoding="utf-8"))}
    # The key in which the viewer's Flask application keeps its settings is no environment variable.
    assert set(re.findall(r"`(SERFLAB_[A-Z_]+)`", CLI["Environment variables"])) == used - {"SERFLAB_SETTINGS"}


def exposed_metrics() -> set[str]:
    """Return the metric names that stand in the exporter's code."""
    found: set[str] = set()
    for file in ("expose.py", "exposition.py"):
        tree = ast.parse((CHECKOUT / "src/serflab/emulation" / file).read_text(encoding="utf-8"))
        constants = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)]
        found |= {value for value in constants if isinstance(value, str) and METRIC.fullmatch(value)}
    return found


def test_every_metric_of_a_serf():
    metrics = exposed_metrics()
    assert {"emulation_pod_cpu_millicores", "real_node_power_watts", "serflab_replay_tick"} <= metrics
    assert metrics - set(METRIC.findall(text("replay.md"))) == set()


def test_every_recording_rule():
    groups = yaml.safe_load((CHECKOUT / "prometheus-rules.yml").read_text(encoding="utf-8"))["groups"]
    rules = {rule["record"] for group in groups for rule in group["rules"]}
    assert set(re.findall(r"`(serflab:\w+:\w+)`", sections(text("architecture.md"))["The way of the data"])) == rules


def test_every_call_of_the_api():
    described = [f"{method.upper()} {path}" for path, item in openapi()["paths"].items() for method in item]
    calls = {re.sub(r"{.*?}", "<>", call) for call in described if " /api/" in call}
    documented = re.findall(r"^\| `([A-Z]+ /api/[^`?]*)", text("api.md"), flags=re.MULTILINE)
    assert {re.sub(r"<.*?>", "<>", call) for call in documented} == calls


@pytest.mark.parametrize("heading", ["traces", "kube", "emulation", "lab", "offload", "rebalance", "web and cli"])
def test_every_file_of_a_room(heading):
    """Several rooms below one heading are told apart by `room/` before their files."""
    rooms = heading.split(" and ")
    home = CHECKOUT / "src/serflab"
    files = {
        str(file.relative_to(home if len(rooms) > 1 else home / room))
        for room in rooms
        for file in (home / room).rglob("*")
        if file.suffix in {".py", ".yaml"} and file.name != "__init__.py"
    }
    table = sections(sections(text("architecture.md"))["The rooms"], "###")[heading]
    first_column = "".join(re.findall(r"^\| `.*?` \|", table, flags=re.MULTILINE))
    assert set(re.findall(r"`([\w/]+\.(?:py|yaml))`", first_column)) == files


def anchors(page: Path) -> set[str]:
    """Return the anchors that a page's headings get where it is shown."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(CHECKOUT)))
def test_links_lead_to_files_and_headings_that_are_there(page):
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if re.match(r"[a-z]+:", link):
            continue
        file, _, anchor = link.partition("#")
        target = (page.parent / file).resolve() if file else page
        assert target.is_relative_to(CHECKOUT), link
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_every_page_is_linked_from_another():
    linked = {
        (page.parent / link.partition("#")[0]).resolve()
        for page in PAGES
        for link in re.findall(r"\]\(([^)\s:]+)\)", page.read_text(encoding="utf-8"))
    }
    assert {page for page in PAGES if page.name != "README.md"} - linked == set()
