"""What people read when a config is wrong: a finding for each thing, with its place, what was expected, and a hint."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from serflab.errors import InputError
from serflab.traces.check import check_config, check_template, load_any, load_config, load_template, read_template

NODE = {"name": "node-1", "cpu": "16", "memory": "60Gi"}
POINT = {"cpu": 1, "memory": 1, "power": 1, "psi": 1}
UNQUOTE = "write the number without quotes and unit"
GOLDEN = Path(__file__).with_name("findings.golden").read_text(encoding="utf-8")


def place(config, path, value):
    """Put `value` at `path` (keys and indices); without a value (`...`) take away what is there."""
    *parents, last = path
    target = config
    for step in parents:
        target = target[step]
    if value is ...:
        del target[last]
    else:
        target[last] = value


def first_point(key):
    return ("pods", 0, "time_series", 0, key)


BREAKAGES = {
    "a key is missing": (("pods",), ...),
    "a required key is misspelt": (
        ("pods", 0),
        {"namespace": "shop", "podname": "web-0", "time_series": [POINT, POINT]},
    ),
    "a string instead of a number": (first_point("cpu"), "40m"),
    "a truth value instead of a number": (first_point("memory"), True),
    "null instead of a number": (first_point("psi"), None),
    "a negative value": (first_point("power"), -0.5),
    "NaN": (first_point("cpu"), float("nan")),
    "infinity": (first_point("cpu"), 10**400),
    "a value is missing": (first_point("psi"), ...),
    "time is no number": (first_point("time"), "00:00"),
    "a point is no object": (("pods", 0, "time_series", 1), [1, 2, 3, 4]),
    "an empty series": (("pods", 0, "time_series"), []),
    "ragged series": (("pods", 1, "time_series"), [POINT]),
    "no pods": (("pods",), {}),
    "a pod is no object": (("pods", 1), "db-0"),
    "a duplicate pod": (("pods", 1), {"namespace": "shop", "pod_name": "web-0", "time_series": [POINT, POINT]}),
    "an undeclared namespace": (("pods", 0, "namespace"), "Shops"),
    "an undeclared namespace like no other": (("pods", 0, "namespace"), "zzz"),
    "a pod name that Kubernetes refuses": (("pods", 0, "pod_name"), "Web_0"),
    "a pod name that is too long": (("pods", 0, "pod_name"), "w" * 254),
    "a pod name of no text": (("pods", 0, "pod_name"), 7),
    "a namespace that Kubernetes refuses": (("namespaces",), ["shop", "data", "a.b"]),
    "a namespace that is too long": (("namespaces",), ["shop", "data", "n" * 64]),
    "a namespace listed twice": (("namespaces",), ["shop", "data", "shop"]),
    "no namespaces": (("namespaces",), []),
    "an unknown mode": (("node_config", "mode"), "per_namespaces"),
    "no mode": (("node_config",), {}),
    "single without its node": (("node_config", "single_node"), ...),
    "a node name that Kubernetes refuses": (("node_config", "single_node", "name"), "node_1"),
    "a node name that is too long for a label": (("node_config", "single_node", "name"), "n" * 64),
    "CPU that is no quantity": (("node_config", "single_node", "cpu"), "sixteen"),
    "no CPU at all": (("node_config", "single_node", "cpu"), 0),
    "memory without a suffix": (("node_config", "single_node", "memory"), 60),
    "a node for an undeclared namespace": (("node_config",), {"mode": "per_namespace", "nodes": {"shpo": NODE}}),
    "two nodes for a namespace": (
        ("node_config",),
        {"mode": "per_namespace", "nodes": [{"namespace": "shop"}, {"namespace": "shop"}]},
    ),
    "two nodes of one name": (("node_config",), {"mode": "per_namespace", "nodes": {"shop": NODE, "data": NODE}}),
    "more nodes than namespaces": (("node_config",), {"mode": "per_namespace", "nodes": [{}, {}, {}]}),
    "the nodes said twice": (
        ("node_config",),
        {"mode": "per_namespace", "nodes": {"shop": {}}, "per_namespace": {"shop": {}}},
    ),
    "a pool without its size": (("node_config",), {"mode": "pool"}),
    "a pool of half a node": (
        ("node_config",),
        {"mode": "pool", "pool": {"count": 0.5, "cpu": "16", "memory": "60Gi"}},
    ),
    "ticks of no length": (("emulation", "tick_seconds"), 0),
    "an unknown aggregation": (("emulation", "psi_aggregation"), "mean"),
    "an annotation key that Kubernetes refuses": (("emulation", "annotation_keys", "cpu"), "my.org/cpu%"),
    "an annotation key with a bad prefix": (("emulation", "annotation_keys", "cpu"), "My_Org/cpu"),
    "one annotation key for two metrics": (("emulation", "annotation_keys", "cpu"), "emulation.metrics.k8s.io/psi"),
    "a node series of another length": (("node_time_series", 1), ...),
    "a wrong value of the real node": (("node_time_series", 0, "node_cpu_load"), "1.88%"),
    "metadata is no object": (("metadata",), [1]),
    "NaN in the metadata": (("metadata", "a key"), [float("-inf")]),
}


def findings_of(load, *arguments):
    with pytest.raises(InputError) as caught:
        load(*arguments)
    assert caught.value.exit_status == 2
    return [str(finding) for finding in caught.value.findings]


def test_the_config_that_is_broken_here_is_right(config, caplog):
    check_config(config, "x.json")
    assert caplog.text == ""


def golden(case):
    """Return the text that findings.golden has for the case."""
    (text,) = (part for part in GOLDEN.split("== ") if part.startswith(f"{case}\n"))
    return text.removeprefix(f"{case}\n").strip("\n")


@pytest.mark.parametrize("case", BREAKAGES)
def test_a_finding_says_where_what_and_how(config, case):
    place(config, *BREAKAGES[case])
    assert "\n".join(findings_of(check_config, config, "x.json")) == golden(case)


def test_every_golden_text_has_its_case():
    assert [line[3:] for line in GOLDEN.splitlines() if line.startswith("== ")] == list(BREAKAGES)


def test_a_name_that_is_no_text_at_all_can_still_be_shown(config):
    config["pods"][0]["pod_name"] = "\ud800"
    (text,) = findings_of(check_config, config, "x.json")
    assert text.startswith("x.json: $.pods[0].pod_name: Kubernetes refuses the name '\\ud800': ")


def test_metadata_may_be_nested_as_deeply_as_json_can_be(config):
    inner = float("nan")
    for _ in range(2000):
        inner = [inner]
    config["metadata"]["deep"] = inner
    (text,) = findings_of(check_config, config, "x.json")
    assert "[0][0]: expected a finite number, found NaN" in text


def test_all_findings_come_at_once_in_the_order_of_the_file(config):
    config["namespaces"].append("B")
    config["pods"][1]["time_series"][1]["psi"] = "3"
    config["pods"][0]["time_series"][0] |= {"cpu": -1, "memory": True}
    config["emulation"]["tick_seconds"] = None
    config["node_config"]["single_node"]["cpu"] = "x"
    places = [text.split(": ")[1] for text in findings_of(check_config, config, "x.json")]
    assert places == [
        "$.node_config.single_node.cpu",
        "$.namespaces[2]",
        "$.pods[0].time_series[0].cpu",
        "$.pods[0].time_series[0].memory",
        "$.pods[1].time_series[1].psi",
        "$.emulation.tick_seconds",
    ]


def test_many_findings_say_how_many(config):
    config["namespaces"].append("B")
    config["emulation"]["tick_seconds"] = 0
    with pytest.raises(InputError) as caught:
        check_config(config, "x.json")
    assert str(caught.value).startswith("2 problems found, nothing was changed:\nx.json: $.namespaces[2]: ")


@pytest.mark.parametrize(
    ("content", "problem", "hint"),
    [
        ("", "the file is empty", "a JSON object was expected"),
        (
            '{"pods": [1 2]}',
            "not valid JSON at line 1, column 13: Expecting ',' delimiter",
            'look near: {"pods": [1 2]}',
        ),
        (
            '{\n "pods": [1,\n',
            "not valid JSON at line 3, column 1: Expecting value",
            "the file ends too early; was it cut off?",
        ),
        ("[]", "$: expected an object, found an empty list", ""),
        ("[" * 100_000, "the JSON is nested too deeply to be read", ""),
        ("\ufeff3", "$: expected an object, found 3", ""),
        (b"\xff\xfe", "the file is no UTF-8 text (byte 0)", "JSON is written in UTF-8; is this a JSON file?"),
    ],
)
def test_what_is_no_json_object_is_named_by_line_and_column(tmp_path, monkeypatch, content, problem, hint):
    monkeypatch.chdir(tmp_path)
    Path("c.json").write_bytes(content if isinstance(content, bytes) else content.encode())
    assert findings_of(load_config, "c.json") == [f"c.json: {problem}" + (f"\n  hint: {hint}" if hint else "")]


def test_a_comma_too_many_has_its_own_hint(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("c.json").write_text('{"pods": [],\n}')
    (text,) = findings_of(load_config, "c.json")
    assert text.startswith("c.json: not valid JSON at line ")
    assert text.endswith("\n  hint: JSON allows no comma after the last element")


def test_a_number_of_too_many_digits_is_refused(tmp_path):
    path = tmp_path / "c.json"
    path.write_text(f'{{"pods": {"9" * 5000}}}')
    (text,) = findings_of(load_config, path)
    assert text.startswith(f"{path}: the JSON holds a number that is too long to be read")


def test_a_file_that_is_not_there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert findings_of(load_config, "c.json") == ["c.json: there is no such file\n  hint: check the path"]


def test_a_file_that_cannot_be_read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("c.json").mkdir()
    assert findings_of(load_config, "c.json") == ["c.json: the file cannot be read: Is a directory"]


def test_keys_given_twice_are_found_wherever_they_are(config, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = (
        json.dumps(config).replace('"psi": 0.0}', '"psi": 0.0, "psi": 1}', 1).replace('"time_points"', '"total_pods"')
    )
    Path("c.json").write_text(text)
    hint = "\n  hint: keep one of them; JSON readers silently take the last"
    assert findings_of(load_config, "c.json") == [
        f"c.json: $.metadata.total_pods: the key is given more than once{hint}",
        f"c.json: $.pods[0].time_series[0].psi: the key is given more than once{hint}",
    ]


@pytest.mark.parametrize("literal", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_numbers_that_json_does_not_know_are_found_in_files(config, tmp_path, literal):
    path = tmp_path / "c.json"
    path.write_text(json.dumps(config).replace('"cpu": 50', f'"cpu": {literal}'))
    (text,) = findings_of(load_config, path)
    assert (
        f"$.pods[0].time_series[1].cpu: expected a finite number, found {literal.replace('1e999', 'Infinity')}" in text
    )


def test_a_template_is_checked_like_a_pod(tmp_path):
    path = tmp_path / "t.json"
    path.write_text('{"time_series": [{"cpu": "500", "memory": 256, "power": 12.5, "psi": 5.2}], "description": 1}')
    texts = [text.removeprefix(f"{path}: ") for text in findings_of(load_template, path)]
    assert texts == [
        f'$.time_series[0].cpu: expected a number in millicores, found "500"\n  hint: {UNQUOTE}',
        "$.description: expected a string that is not empty, found 1",
    ]


def test_a_template_says_what_is_in_it(tmp_path):
    path = tmp_path / "my-own.json"
    series = '"time_series": [{"cpu": 500, "memory": 256, "power": 12.5, "psi": 5.2}]'
    path.write_text(f'{{"description": "mine", "image_mib": 180.5, {series}}}')
    template = read_template(path)
    assert (template.name, template.description, template.image_mib) == ("my-own", "mine", 180.5)
    assert template.series.row(0) == (500, 256, 12.5, 5.2)
    assert load_template(path) == template.series
    path.write_text(f"{{{series}}}")
    assert (read_template(path).description, read_template(path).image_mib) == ("", 0.0)


@pytest.mark.parametrize(
    ("value", "finding"),
    [
        ("180Mi", f'expected a number in MiB, found "180Mi"\n  hint: {UNQUOTE}'),
        (-1, "expected a number in MiB of at least 0, found -1"),
        (True, "expected a number in MiB, found true"),
        (float("inf"), "expected a finite number, found Infinity\n  hint: JSON knows no NaN and Infinity"),
    ],
)
def test_the_size_of_a_templates_image_is_a_number_of_at_least_0(value, finding):
    assert findings_of(check_template, {"time_series": [POINT], "image_mib": value}, "t.json") == [
        f"t.json: $.image_mib: {finding}"
    ]


def test_a_misspelt_key_of_a_template_is_a_warning(caplog):
    check_template({"time_series": [POINT], "image_mb": 180}, "t.json")
    assert [record.getMessage() for record in caplog.records] == [
        't.json: $.image_mb: unknown key, ignored; did you mean "image_mib"?'
    ]


def test_a_template_without_a_series():
    assert findings_of(check_template, {"timeseries": []}, "t.json") == [
        't.json: $.time_series: missing\n  hint: there is "timeseries": a misspelling?'
    ]


def test_any_file_is_taken_for_what_it_looks_like(config, tmp_path):
    path = tmp_path / "some.json"
    path.write_text('{"time_series": [{"cpu": 500, "memory": 256, "power": 12.5, "psi": 5.2}]}')
    assert load_any(path).series.row(0) == (500, 256, 12.5, 5.2)
    path.write_text(json.dumps(config))
    assert load_any(path).length == 2


@pytest.mark.parametrize(
    ("path", "value", "warning"),
    [
        (("metadata", "total_pods"), 80, "x.json: $.metadata.total_pods: says 80, but the file holds 2"),
        (("metadata", "total_namespaces"), "2", 'x.json: $.metadata.total_namespaces: says "2", but the file holds 2'),
        (("metadata", "time_points"), 132, "x.json: $.metadata.time_points: says 132, but the file holds 2"),
        (("colour",), "red", "x.json: $.colour: unknown key, ignored"),
        (("node_config", "mod"), 1, "x.json: $.node_config.mod: unknown key, ignored"),
        (
            ("emulation", "annotation_keys", "my key"),
            "a/b",
            'x.json: $.emulation.annotation_keys["my key"]: unknown key, ignored',
        ),
        (
            ("emulation", "annotation_keys", "memori"),
            "a/b",
            'x.json: $.emulation.annotation_keys.memori: unknown key, ignored; did you mean "memory"?',
        ),
        (
            ("pods", 0, "full_name"),
            "shop.web-0",
            "x.json: $.pods[0].full_name: differs from namespace/pod_name, which count",
        ),
        (
            first_point("psi"),
            101,
            "x.json: $.pods[0].time_series: psi above 100; it is the percentage of time in which something had to wait",
        ),
    ],
)
def test_what_is_odd_but_usable_is_a_warning(config, caplog, path, value, warning):
    place(config, path, value)
    check_config(config, "x.json")
    assert [(record.levelno, record.getMessage()) for record in caplog.records] == [(logging.WARNING, warning)]


def test_counts_are_not_compared_with_what_is_left_of_a_wrong_config(config, caplog):
    config["pods"][0]["time_series"] = []
    findings_of(check_config, config, "x.json")
    assert caplog.text == ""


def test_an_unknown_key_in_every_point_is_one_warning(config, caplog):
    for pod in config["pods"]:
        for point in pod["time_series"]:
            point["disk"] = 1
    check_config(config, "x.json")
    assert [record.getMessage() for record in caplog.records] == [
        "x.json: $.pods[0].time_series[0].disk: unknown key, ignored (and 3 more like it)"
    ]
