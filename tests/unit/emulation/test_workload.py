"""The series and the clock of a virtual pod as annotations: what is written is read, and nothing else."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serflab.emulation.names import CLOCK, SERIES
from serflab.emulation.workload import Workload, read_workload, workload_annotations
from serflab.traces.model import Series
from serflab.traces.sampling import Clock

values = st.floats(0, 1e9)
workloads = st.builds(
    Workload,
    series=st.lists(st.tuples(values, values, values, values), min_size=1, max_size=20).map(Series.of),
    interval=st.floats(0.01, 86400),
    loop=st.booleans(),
    phase=st.integers(0, 1000),
    start=st.one_of(st.none(), st.floats(0, 4e9)),
)


@given(workloads)
def test_a_workload_survives_its_annotations(workload):
    assert read_workload(workload_annotations(workload)) == workload


def test_the_format_is_that_of_the_documentation():
    workload = Workload(Series.of([(1, 2, 3, 4), (5, 6, 7, 8)]), interval=2.5, loop=False, phase=1, start=1000.0)
    written = {key: json.loads(text) for key, text in workload_annotations(workload).items()}
    assert written == {
        "emulation.liqo.k8s.io/series": {"cpu": [1, 5], "memory": [2, 6], "power": [3, 7], "psi": [4, 8]},
        "emulation.liqo.k8s.io/clock": {"start": 1000, "interval": 2.5, "loop": False, "phase": 1},
    }


def test_a_workload_without_a_start_has_not_begun():
    workload = Workload(Series.of([(1, 2, 3, 4)]), interval=5)
    assert (workload.clock, workload.ends) == (None, None)
    assert "start" not in json.loads(workload_annotations(workload)[CLOCK])
    begun = workload.begun(1000)
    assert begun.clock == Clock(1000, 5, 1, loop=True)
    assert begun.begun(2000) == begun


def test_one_that_does_not_loop_ends_with_its_last_point():
    workload = Workload(Series.of([(1, 2, 3, 4)] * 10), interval=5, loop=False, phase=4, start=1000)
    assert workload.ends == 1030
    assert Workload(workload.series, 5, loop=True, start=1000).ends is None


GOOD_SERIES = '{"cpu": [1], "memory": [2], "power": [3], "psi": [4]}'
GOOD_CLOCK = '{"interval": 5, "loop": true, "phase": 0, "start": 1000}'


@pytest.mark.parametrize(
    ("series", "clock"),
    [
        (GOOD_SERIES, None),
        (None, GOOD_CLOCK),
        ("", GOOD_CLOCK),
        ("[1, 2]", GOOD_CLOCK),
        ('{"cpu": [1], "memory": [2], "power": [3]}', GOOD_CLOCK),
        ('{"cpu": [1], "memory": [2, 2], "power": [3], "psi": [4]}', GOOD_CLOCK),
        ('{"cpu": [], "memory": [], "power": [], "psi": []}', GOOD_CLOCK),
        ('{"cpu": ["much"], "memory": [2], "power": [3], "psi": [4]}', GOOD_CLOCK),
        ('{"cpu": 7, "memory": [2], "power": [3], "psi": [4]}', GOOD_CLOCK),
        ('{"cpu": [-1], "memory": [2], "power": [3], "psi": [4]}', GOOD_CLOCK),
        (GOOD_SERIES, "5"),
        (GOOD_SERIES, '{"loop": true, "phase": 0}'),
        (GOOD_SERIES, '{"interval": 0, "loop": true, "phase": 0}'),
        (GOOD_SERIES, '{"interval": 5, "loop": true, "phase": -1}'),
        (GOOD_SERIES, '{"interval": 5, "loop": true, "phase": 1e999}'),
        (GOOD_SERIES, '{"interval": 5, "loop": "false", "phase": 0}'),
        (GOOD_SERIES, '{"interval": 5, "loop": true, "phase": 0, "start": "noon"}'),
    ],
)
def test_what_cannot_be_played_is_none(series, clock):
    given_ones = {SERIES: series, CLOCK: clock}
    assert read_workload({key: text for key, text in given_ones.items() if text is not None}) is None
    assert read_workload({SERIES: GOOD_SERIES, CLOCK: GOOD_CLOCK}) is not None
