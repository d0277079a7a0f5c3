"""Quantities: Kubernetes' notation, and the values of the annotations."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serflab.traces.model import METRICS
from serflab.traces.quantity import format_value, parse_cpu, parse_memory, parse_value

amounts = st.floats(min_value=0, max_value=1e9)


@pytest.mark.parametrize(
    ("text", "millicores"),
    [
        ("16", 16000),
        ("500m", 500),
        ("0.5", 500),
        (".5", 500),
        ("2.", 2000),
        ("1e3", 1_000_000),
        ("1E3", 1_000_000),
        ("2k", 2_000_000),
        ("1500u", 1.5),
        ("100n", 0.0001),
        (16, 16000),
        (1.5, 1500),
        (" 4 ", 4000),
    ],
)
def test_cpu_is_read_in_millicores(text, millicores):
    assert parse_cpu(text) == pytest.approx(millicores, rel=1e-12)


@pytest.mark.parametrize(
    ("text", "mebibytes"),
    [
        ("60Gi", 61440),
        ("1024Ki", 1),
        ("1Mi", 1),
        ("1Ti", 1024**2),
        ("1Ei", 1024**4),
        ("1G", 1e9 / 1024**2),
        ("1E", 1e18 / 1024**2),
        ("1e9", 1e9 / 1024**2),
        ("128974848", 123),
        (1048576, 1),
        ("1048576000m", 1),
    ],
)
def test_memory_is_read_in_mi(text, mebibytes):
    assert parse_memory(text) == pytest.approx(mebibytes, rel=1e-12)


@pytest.mark.parametrize("parse", [parse_cpu, parse_memory])
@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        ("60GB", "expected a Kubernetes quantity such as 16, 500m or 60Gi, found '60GB'"),
        ("", "expected a Kubernetes quantity such as 16, 500m or 60Gi, found ''"),
        ("1 Gi", "expected a Kubernetes quantity such as 16, 500m or 60Gi, found '1 Gi'"),
        ("\uff11", "expected a Kubernetes quantity such as 16, 500m or 60Gi, found '\uff11'"),
        ("nan", "expected a Kubernetes quantity such as 16, 500m or 60Gi, found 'nan'"),
        (float("inf"), "expected a Kubernetes quantity such as 16, 500m or 60Gi, found 'inf'"),
        ("-1", "a quantity must not be negative, found -1"),
        (-2.5, "a quantity must not be negative, found -2.5"),
        ("1e9999", "a quantity that large cannot be used: 1e9999"),
        (True, "expected a quantity, found True"),
        (None, "expected a quantity, found None"),
    ],
)
def test_what_is_no_quantity_is_refused_with_a_reason(parse, value, complaint):
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the whole text is compared
        parse(value)
    assert str(caught.value) == complaint


@given(st.integers(min_value=0, max_value=10**9))
def test_millicores_survive_kubernetes_notation(millicores):
    assert parse_cpu(f"{millicores}m") == millicores


@given(st.integers(min_value=0, max_value=2**40))
def test_bytes_survive_kubernetes_notation(kibibytes):
    assert parse_memory(f"{kibibytes}Ki") == kibibytes / 1024


@pytest.mark.parametrize(
    ("metric", "value", "text"),
    [
        ("cpu", 40, "40.0m"),
        ("memory", 85.04, "85.0Mi"),
        ("power", 0.1467, "0.15W"),
        ("psi", 0, "0.0%"),
        ("psi", -0.0, "0.0%"),
        ("memory", 123456.78, "123456.8Mi"),
    ],
)
def test_annotations_show_a_value_with_its_unit(metric, value, text):
    assert format_value(metric, value) == text


@given(st.sampled_from(METRICS), amounts)
def test_what_was_read_from_an_annotation_is_written_the_same_way(metric, value):
    text = format_value(metric, value)
    assert parse_value(metric, text) == pytest.approx(value, abs=0.0501)
    assert format_value(metric, parse_value(metric, text)) == text


@given(st.sampled_from(METRICS), amounts)
def test_a_bare_number_is_in_the_metrics_own_unit(metric, value):
    assert parse_value(metric, str(value)) == value


def test_memory_may_be_annotated_with_any_kubernetes_suffix():
    assert parse_value("memory", "1.5Gi") == 1536


@pytest.mark.parametrize(
    ("metric", "text", "complaint"),
    [
        ("cpu", "", "expected a number with the unit m, such as 12.5m, found ''"),
        ("cpu", "40 W", "expected a number with the unit m, such as 12.5m, found '40 W'"),
        ("power", "-1W", "expected a number with the unit W, such as 12.50W, found '-1W'"),
        ("psi", "nan", "expected a number with the unit %, such as 12.5%, found 'nan'"),
        ("psi", "1_0", "expected a number with the unit %, such as 12.5%, found '1_0'"),
        ("power", "1e999", "a quantity that large cannot be used: 1e999"),
        ("memory", "3GB", "expected a Kubernetes quantity such as 16, 500m or 60Gi, found '3GB'"),
    ],
)
def test_a_wrong_annotation_is_refused_with_a_reason(metric, text, complaint):
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the whole text is compared
        parse_value(metric, text)
    assert str(caught.value) == complaint
