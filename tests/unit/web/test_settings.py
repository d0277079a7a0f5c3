"""`flask-app/config.yaml`: what it may say, and that everything wrong with it is told at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from serflab.errors import InputError
from serflab.web.settings import Settings, load_settings

SHIPPED = Path(__file__).parents[3] / "flask-app" / "config.yaml"


def settings_of(tmp_path: Path, text: str) -> Settings:
    file = tmp_path / "config.yaml"
    file.write_text(text)
    return load_settings(file, tmp_path)


def findings_of(tmp_path: Path, text: str) -> list[tuple[str, str, str]]:
    with pytest.raises(InputError) as caught:
        settings_of(tmp_path, text)
    assert caught.value.exit_status == 2
    return [(finding.path, finding.problem, finding.hint) for finding in caught.value.findings]


def test_the_shipped_config_listens_on_this_machine_alone_without_debugging() -> None:
    settings = load_settings(SHIPPED, SHIPPED.parent)
    assert (settings.host, settings.port, settings.debug) == ("127.0.0.1", 8080, False)
    assert settings.topology_file == SHIPPED.parents[1] / "topology.yaml"
    assert settings.prometheus == "http://localhost:9091"
    assert settings.thresholds == Settings(SHIPPED, SHIPPED).thresholds


def test_relative_paths_are_seen_from_the_file(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, "containerlab: {topology_file: labs/ring.yaml}")
    assert settings.topology_file == tmp_path / "labs" / "ring.yaml"


def test_an_empty_file_means_the_defaults(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, "")
    assert settings.topology_file == tmp_path.parent / "topology.yaml"
    assert settings.url == "http://127.0.0.1:8080"


@pytest.mark.parametrize(
    ("host", "loopback", "url"),
    [
        ("127.0.0.1", True, "http://127.0.0.1:8080"),
        ("localhost", True, "http://localhost:8080"),
        ("0.0.0.0", False, "http://127.0.0.1:8080"),
        ("::1", True, "http://[::1]:8080"),
    ],
)
def test_the_address_to_open(tmp_path: Path, host: str, loopback: bool, url: str) -> None:
    settings = settings_of(tmp_path, f"server: {{host: '{host}'}}")
    assert (settings.loopback, settings.url) == (loopback, url)


def test_every_finding_comes_at_once_with_its_path(tmp_path: Path) -> None:
    text = """
    containerlab: {topology_file: 7}
    monitoring: {central_prometheus: {host: "", prot: 9091}, vm_prometheus_port: 0}
    server: {port: true, debug: "yes"}
    sever: {}
    levels: {cpu: [60, 20], memroy: [1, 2], psi: 5, power: [1, 2, 3]}
    """
    found = findings_of(tmp_path, text)
    assert [(path, problem.partition(";")[2].strip() or problem) for path, problem, _ in found] == [
        ("$.sever", "is not a key of the viewer's config"),
        ("$.monitoring.central_prometheus.prot", "is not a key of the viewer's config"),
        ("$.containerlab.topology_file", "expected a text such as '../topology.yaml'"),
        ("$.monitoring.central_prometheus.host", "expected a text such as 'localhost'"),
        ("$.monitoring.vm_prometheus_port", "expected a port, 1 to 65535, such as 9091"),
        ("$.server.port", "expected a port, 1 to 65535, such as 8080"),
        ("$.server.debug", "expected true or false"),
        ("$.levels.memroy", "is not a key of the viewer's config"),
        ("$.levels.cpu", "expected two ascending numbers of at least 0, such as [20, 60]"),
        ("$.levels.psi", "expected two ascending numbers of at least 0, such as [5, 20]"),
        ("$.levels.power", "expected two ascending numbers of at least 0, such as [50, 100]"),
    ]
    hints = {path: hint for path, _, hint in found}
    assert (hints["$.sever"], hints["$.levels.memroy"]) == ("did you mean server?", "did you mean memory?")
    assert hints["$.monitoring.central_prometheus.prot"] == "did you mean port?"


@pytest.mark.parametrize(
    "value", ["[20, .inf]", "[.nan, 60]", "[-1, 60]", "[true, 60]", "['20', 60]", "[20, 20]", "[20]"]
)
def test_a_level_is_two_ascending_numbers(tmp_path: Path, value: str) -> None:
    ((path, _, hint),) = findings_of(tmp_path, f"levels: {{cpu: {value}}}")
    assert (path, hint) == ("$.levels.cpu", "green below the first, amber up to the second, red above")


def test_levels_that_are_not_named_keep_their_defaults(tmp_path: Path) -> None:
    thresholds = settings_of(tmp_path, "levels: {cpu: [0, 12.5]}").thresholds
    assert thresholds == {"cpu": (0.0, 12.5), "memory": (50.0, 80.0), "psi": (5.0, 20.0), "power": (50.0, 100.0)}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("server: [", "is not YAML: line 1, column 10: "),
        ("- a list", "is ['a list']; expected a mapping with containerlab, monitoring, server, levels"),
        ("server: 8080", "is 8080; expected a mapping with host, port, debug"),
    ],
)
def test_a_file_of_another_shape_is_refused(tmp_path: Path, text: str, problem: str) -> None:
    (finding,) = findings_of(tmp_path, text)
    assert finding[1].startswith(problem)


def test_a_missing_file_names_the_option(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        load_settings(tmp_path / "none.yaml", tmp_path)
    (finding,) = caught.value.findings
    assert finding.problem == "cannot be read (No such file or directory)"
    assert finding.hint == "give the viewer's config.yaml with --config"
