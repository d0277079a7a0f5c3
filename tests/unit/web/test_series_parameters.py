"""What a reader may ask for: windows, ranges, measures, pods and formats, and what each refusal says."""

from __future__ import annotations

import time
from typing import Any

import pytest
from flask import Flask

from serflab.lab.span import WINDOWS, Span
from serflab.web import parameters
from serflab.web.errors import ApiError

NOW = 1_795_334_590


@pytest.fixture(autouse=True)
def _now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: float(NOW))


def asked(query: str, question: Any) -> Any:
    with Flask("test").test_request_context(f"/?{query}"):
        return question()


def span(query: str) -> Span:
    found: Span = asked(query, lambda: parameters.span(WINDOWS, "5m"))
    return found


def refusal(query: str, question: Any = lambda: parameters.span(WINDOWS, "5m")) -> ApiError:
    with pytest.raises(ApiError) as caught:
        asked(query, question)
    error = caught.value
    assert (error.status, error.code) == (400, "bad_parameter")
    assert error.details["parameter"]
    assert error.details["allowed"]
    assert error.hint.startswith(f"{error.details['parameter']} is ")
    return error


@pytest.mark.parametrize(("query", "name", "seconds"), [("", "5m", 300), ("window=2h", "2h", 7200)])
def test_a_window_ends_now(query: str, name: str, seconds: int) -> None:
    assert span(query) == Span(name, NOW - seconds, NOW)


@pytest.mark.parametrize(
    ("query", "start", "end"),
    [
        (f"from={NOW - 60}&to={NOW - 10}", NOW - 60, NOW - 10),
        (f"from={NOW - 60}", NOW - 60, NOW),
        (f"from={NOW - 60}.5&to={NOW - 10}.25", NOW - 60 + 0.5, NOW - 10 + 0.25),
        (f"window=custom&from={NOW - 60}", NOW - 60, NOW),
        (f"from={NOW - 86400}", NOW - 86400, NOW),
        (f"from={NOW - 60}&to={NOW + 30}", NOW - 60, NOW),
    ],
    ids=["both ends", "until now", "fractions", "named", "all that is kept", "a clock that is ahead"],
)
def test_a_range_is_what_was_asked_for(query: str, start: float, end: float) -> None:
    assert span(query) == Span("custom", start, end)


@pytest.mark.parametrize(
    ("query", "parameter", "message"),
    [
        ("window=3h", "window", "window='3h' is not known"),
        ("window=", "window", "window='' is not known"),
        ("window=custom", "from", "window=custom needs from"),
        (f"window=5m&from={NOW - 60}", "window", "window and from/to cannot be given together"),
        (f"to={NOW}", "from", "from is missing"),
        (f"from={NOW}&to={NOW - 1}", "from", f"from={NOW} is not before {NOW - 1}"),
        (f"from={NOW - 1}&to={NOW - 1}", "from", f"from={NOW - 1} is not before {NOW - 1}"),
        (f"from={NOW + 5}", "from", f"from={NOW + 5} is not before {NOW}"),
        (f"from={NOW - 5}&to={NOW + 61}", "to", f"to={NOW + 61} is in the future: it is {NOW}"),
        (f"from={NOW - 86401}", "from", f"from={NOW - 86401} to {NOW} is 24.0 h; Prometheus keeps 24 h"),
        ("from=nan", "from", "from='nan' is no moment"),
        ("from=-5", "from", "from='-5' is no moment"),
        ("from=1e9", "from", "from='1e9' is no moment"),
        ("from=&to=5", "from", "from='' is no moment"),
        (f"from=5&to={'9' * 400}", "to", f"to='{'9' * 40}' is no moment"),
    ],
    ids=[
        "unknown window", "empty window", "custom without range", "window beside range", "no begin", "backwards",
        "empty range", "begins in the future", "ends in the future", "too long", "not a number", "negative", "exponent",
        "empty", "huge",
    ],
)  # fmt: skip
def test_a_range_that_cannot_be_is_refused(query: str, parameter: str, message: str) -> None:
    error = refusal(query)
    assert (error.details["parameter"], error.message) == (parameter, message)


def test_pods_are_full_names_each_once_in_their_order() -> None:
    names = asked("pod=b/1&pod=a/2&pod=b/1", lambda: parameters.pods("serf1"))
    assert [name.full_name for name in names] == ["b/1", "a/2"]


@pytest.mark.parametrize(
    "query",
    ["", "pod=", "pod=web-0", "pod=/web-0", "pod=ns1/", "&".join(f"pod=ns1/web-{n}" for n in range(13))],
    ids=["none", "empty", "no namespace", "empty namespace", "empty name", "thirteen"],
)
def test_pods_that_cannot_be_read_are_refused(query: str) -> None:
    assert refusal(query, lambda: parameters.pods("serf1")).hint == "pod is namespace/name, given 1 to 12 times"


def test_measures_are_all_four_or_those_that_are_named() -> None:
    assert [metric.name for metric in asked("", parameters.metrics)] == ["cpu", "memory", "psi", "power"]
    assert [metric.name for metric in asked("metric=psi&metric=cpu", parameters.metrics)] == ["psi", "cpu"]
    assert refusal("metric=cpu&metric=disk", parameters.metrics).message == "metric='disk' is not known"


def test_a_measure_that_does_not_add_up_cannot_be_stacked() -> None:
    error = refusal("metric=psi", lambda: parameters.metric(("cpu", "memory", "power")))
    assert error.details == {"parameter": "metric", "allowed": ["cpu", "memory", "power"]}
