"""Reading emulation configs and workload templates: all findings at once, before anything is done with them."""

from __future__ import annotations

from collections import Counter
from dataclasses import fields
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast, get_args

from serflab.traces.document import child, read_document, show
from serflab.traces.model import (
    DEFAULT_TICK_SECONDS,
    AnnotationKeys,
    EmulationConfig,
    NodeConfig,
    PodTrace,
    PsiAggregation,
    Series,
    Template,
)
from serflab.traces.names import annotation_key_problem, label_problem, subdomain_problem, suggestion
from serflab.traces.nodes import check_nodes
from serflab.traces.report import Report, did_you_mean
from serflab.traces.series import check_node_series, check_pod_series

if TYPE_CHECKING:
    from collections.abc import Mapping

_REQUIRED: Final = ("node_config", "namespaces", "pods")
_OPTIONAL: Final = ("metadata", "emulation", "node_time_series")


def load_config(path: str | Path) -> EmulationConfig:
    """Return the emulation config in `path`; warnings are logged. Raises `InputError` with all findings."""
    document, findings = read_document(Path(path), str(path))
    return _config(document, Report(str(path), findings))


def check_config(data: object, file: str) -> EmulationConfig:
    """Return the emulation config in parsed JSON; as `load_config`, where `file` is how messages call it."""
    return _config(data, Report(file))


def read_template(path: str | Path) -> Template:
    """Return the workload template in `path`; warnings and errors as with `load_config`."""
    document, findings = read_document(Path(path), str(path))
    return _template(document, Report(str(path), findings))


def load_template(path: str | Path) -> Series:
    """Return the series of the workload template in `path`; as `read_template`."""
    return read_template(path).series


def check_template(data: object, file: str) -> Series:
    """Return the series of a workload template in parsed JSON; as `load_template`."""
    return _template(data, Report(file)).series


def load_any(path: str | Path) -> EmulationConfig | Template:
    """Return what is in `path`: a workload template if it has `time_series` at its top, else an emulation config."""
    document, findings = read_document(Path(path), str(path))
    report = Report(str(path), findings)
    is_template = isinstance(document, dict) and "time_series" in document and not document.keys() & {*_REQUIRED}
    return _template(document, report) if is_template else _config(document, report)


def _template(document: object, report: Report) -> Template:
    series, description, image = None, None, None
    template = report.mapping(document, "$") or {}
    optional = ("description", "image_mib")
    if (template or not report.findings) and report.keys(template, "$", required=("time_series",), optional=optional):
        series = check_pod_series(template["time_series"], "$.time_series", report)
    if "description" in template:
        description = report.text(template["description"], "$.description")
    if "image_mib" in template:
        image = report.number(template["image_mib"], "$.image_mib", "MiB")
    report.settle(document)
    return Template(Path(report.file).stem, description or "", image or 0.0, cast("Series", series))


def _config(document: object, report: Report) -> EmulationConfig:
    config = report.mapping(document, "$") or {}
    if config or not report.findings:
        report.keys(config, "$", required=_REQUIRED, optional=_OPTIONAL)
    namespaces = _namespaces(config["namespaces"], report) if "namespaces" in config else ()
    nodes = check_nodes(config["node_config"], namespaces, report) if "node_config" in config else None
    pods = _pods(config["pods"], namespaces, report) if "pods" in config else ()
    node_series = None
    if "node_time_series" in config:
        node_series = check_node_series(config["node_time_series"], "$.node_time_series", report)
        _check_node_length(node_series, pods, report)
    settings = report.mapping(config.get("emulation", {}), "$.emulation") or {}
    report.keys(settings, "$.emulation", optional=("tick_seconds", "psi_aggregation", "annotation_keys"))
    keys = _annotation_keys(settings.get("annotation_keys", {}), report)
    tick_seconds, aggregation = _tick_seconds(settings, report), _psi_aggregation(settings, report)
    metadata = _metadata(config.get("metadata", {}), namespaces, pods, report)
    report.settle(document)
    return EmulationConfig(
        file=report.file,
        metadata=metadata,
        node_config=cast("NodeConfig", nodes),
        namespaces=namespaces,
        pods=pods,
        annotation_keys=keys,
        tick_seconds=tick_seconds,
        psi_aggregation=aggregation,
        node_series=node_series,
    )


def _namespaces(value: object, report: Report) -> tuple[str, ...]:
    result: dict[str, str] = {}
    for index, item in enumerate(report.items(value, "$.namespaces") or []):
        where = child("$.namespaces", index)
        name = report.text(item, where)
        if name is None:
            continue
        problem = label_problem(name)
        if problem:
            report.error(where, problem, suggestion(name, label_problem))
        if name in result:
            report.error(where, f"the namespace {show(name)} is listed twice", f"the first time is {result[name]}")
        result.setdefault(name, where)
    return tuple(result)


def _pods(value: object, namespaces: tuple[str, ...], report: Report) -> tuple[PodTrace, ...]:
    seen: dict[tuple[str, str], str] = {}
    found: list[tuple[PodTrace, str]] = []
    for index, item in enumerate(report.items(value, "$.pods") or []):
        where = child("$.pods", index)
        entry = report.mapping(item, where)
        if entry is None:
            continue
        report.keys(entry, where, required=("namespace", "pod_name", "time_series"), optional=("full_name",))
        namespace, name = _pod_identity(entry, where, namespaces, seen, report)
        series = (
            check_pod_series(entry["time_series"], f"{where}.time_series", report) if "time_series" in entry else None
        )
        if namespace is not None and name is not None and series is not None:
            found.append((PodTrace(namespace, name, series), where))
    _check_lengths(found, report)
    return tuple(pod for pod, _ in found)


def _pod_identity(
    entry: dict[str, Any], where: str, namespaces: tuple[str, ...], seen: dict[tuple[str, str], str], report: Report
) -> tuple[str | None, str | None]:
    namespace = report.text(entry["namespace"], f"{where}.namespace") if "namespace" in entry else None
    name = report.text(entry["pod_name"], f"{where}.pod_name") if "pod_name" in entry else None
    if namespace is not None and namespace not in namespaces:
        hint = did_you_mean(namespace, namespaces, otherwise='add it to "namespaces"')
        report.error(f"{where}.namespace", f"the namespace {show(namespace)} is not declared", hint)
    if name is not None:
        problem = subdomain_problem(name)
        if problem:
            report.error(f"{where}.pod_name", problem, suggestion(name))
    if namespace is not None and name is not None:
        if (namespace, name) in seen:
            hint = f"the first one is {seen[namespace, name]}"
            report.error(where, f"a second pod {show(name)} in the namespace {show(namespace)}", hint)
        seen.setdefault((namespace, name), where)
        if "full_name" in entry and entry["full_name"] != f"{namespace}/{name}":
            report.warn(f"{where}.full_name", "differs from namespace/pod_name, which count")
    return namespace, name


def _check_lengths(pods: list[tuple[PodTrace, str]], report: Report) -> None:
    if not pods:
        return
    usual, _ = Counter(pod.series.length for pod, _ in pods).most_common(1)[0]
    for pod, where in pods:
        if pod.series.length != usual:
            hint = "all series of a config need the same number of points"
            report.error(
                f"{where}.time_series", f"expected {usual} points as in most pods, found {pod.series.length}", hint
            )


def _check_node_length(series: Series | None, pods: tuple[PodTrace, ...], report: Report) -> None:
    if series is None or not pods:
        return
    length = pods[0].series.length
    if series.length != length:
        hint = "the real node was measured at the same points as its pods; leave the key out if it was not"
        report.error("$.node_time_series", f"expected {length} points as in the pods, found {series.length}", hint)


def _metadata(
    value: object, namespaces: tuple[str, ...], pods: tuple[PodTrace, ...], report: Report
) -> Mapping[str, Any]:
    metadata = report.mapping(value, "$.metadata") or {}
    _refuse_non_finite(metadata, "$.metadata", report)
    if report.findings:
        return metadata
    length = pods[0].series.length if pods else 0
    content = {"total_pods": len(pods), "total_namespaces": len(namespaces), "time_points": length}
    for key, actual in content.items():
        if key in metadata and metadata[key] != actual:
            report.warn(child("$.metadata", key), f"says {show(metadata[key])}, but the file holds {actual}")
    return metadata


def _refuse_non_finite(metadata: object, path: str, report: Report) -> None:
    rest = [(metadata, path)]
    while rest:
        value, where = rest.pop()
        if isinstance(value, float) and not isfinite(value):
            report.number(value, where)
        elif isinstance(value, dict):
            rest += [(item, child(where, str(key))) for key, item in reversed(value.items())]
        elif isinstance(value, list):
            rest += [(item, child(where, index)) for index, item in reversed(list(enumerate(value)))]


def _annotation_keys(value: object, report: Report) -> AnnotationKeys:
    path = "$.emulation.annotation_keys"
    given = report.mapping(value, path) or {}
    names = tuple(field.name for field in fields(AnnotationKeys))
    report.keys(given, path, optional=names)
    chosen: dict[str, str] = {}
    for name in names:
        key = report.text(given[name], child(path, name)) if name in given else None
        problem = annotation_key_problem(key) if key is not None else ""
        if problem:
            report.error(child(path, name), problem)
        if key is not None:
            chosen[name] = key
    keys = AnnotationKeys(**chosen)
    by_key: dict[str, str] = {}
    for name in names:
        key = getattr(keys, name)
        if key in by_key:
            report.error(child(path, name), f"the key {show(key)} is already used for {by_key[key]}")
        by_key.setdefault(key, name)
    return keys


def _tick_seconds(settings: Mapping[str, Any], report: Report) -> float:
    if "tick_seconds" not in settings:
        return DEFAULT_TICK_SECONDS
    number = report.number(settings["tick_seconds"], "$.emulation.tick_seconds", "seconds", positive=True)
    return DEFAULT_TICK_SECONDS if number is None else number


def _psi_aggregation(settings: Mapping[str, Any], report: Report) -> PsiAggregation:
    if "psi_aggregation" not in settings:
        return "max"
    choices = get_args(PsiAggregation)
    return cast(
        "PsiAggregation",
        report.choice(settings["psi_aggregation"], "$.emulation.psi_aggregation", choices) or "max",
    )
