"""Pressure of a simulated node: the table of the formula, its limits, and the exact mean that it approximates."""

from __future__ import annotations

import doctest
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serflab.rebalance import psi
from serflab.rebalance.names import PSI_FORMULAS
from serflab.rebalance.psi import Demand, node_pressures, pressure, wait

CORES, VCPUS = 32, 320
TABLE = {0.7: 0.001, 0.8: 0.008, 0.9: 0.027, 1.0: 0.067, 1.1: 0.130, 1.3: 0.304, 1.5: 0.500}


def closed_form(mean: float, variance: float, capacity: float) -> float:
    deviation = math.sqrt(variance)
    z = (mean - capacity) / deviation
    below, density = 0.5 * math.erfc(-z / math.sqrt(2)), math.exp(-z * z / 2) / math.sqrt(2 * math.pi)
    return min(1.0, ((mean - capacity) * below + deviation * density) / capacity)


def exact(demand: float) -> float:
    share = demand * CORES / VCPUS
    chances = (math.comb(VCPUS, n) * share**n * (1 - share) ** (VCPUS - n) for n in range(VCPUS + 1))
    return sum(max(0, n - CORES) * chance for n, chance in enumerate(chances)) / CORES


def test_its_examples():
    assert doctest.testmod(psi).failed == 0


@pytest.mark.parametrize(("demand", "expected"), TABLE.items())
def test_the_table_of_32_cores_and_320_vcpus(demand, expected):
    found = node_pressures([Demand(demand, 1.0, 10.0, 4.0)] * CORES, CORES, 1000.0)[0]
    assert found == pytest.approx(expected, abs=0.0015)
    assert found == pytest.approx(exact(demand), abs=0.001)


@given(st.floats(0, 100), st.floats(1e-6, 100), st.floats(1, 64))
def test_it_is_the_closed_form(mean, variance, capacity):
    assert float(wait(mean, variance, capacity)) == pytest.approx(closed_form(mean, variance, capacity), abs=1e-13)


@given(st.sampled_from(PSI_FORMULAS), st.floats(0, 1e6), st.floats(0, 1e6), st.floats(0.1, 1e3))
def test_every_formula_stays_within_0_and_1(formula, mean, variance, capacity):
    assert 0 <= float(pressure(formula, mean, variance, capacity)) <= 1


@pytest.mark.parametrize("formula", ["expected-wait", "knee"])
def test_more_demand_is_never_less_pressure(formula):
    demand = np.linspace(0, 3, 301)
    found = pressure(formula, 32 * demand, 32 * demand * (1 - demand / 10), 32)
    assert (np.diff(found) >= -1e-15).all()
    assert found[0] == 0
    assert found[-1] == 1


def test_a_node_without_vms_waits_for_nothing():
    assert node_pressures([], 32, 128) == (0.0, 0.0)


def test_a_guest_cannot_use_more_than_it_has():
    assert Demand(8.0, 16.0, 4.0, 8.0).cpu == (4.0, 0.0)
    assert Demand(8.0, 16.0, 4.0, 8.0).memory == (8.0, 0.0)
