"""Generated traces: the same seed gives the same bytes, and what they show is plausible."""

from __future__ import annotations

import json
import logging
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serflab.traces import shop
from serflab.traces.check import check_config, check_template
from serflab.traces.derived import derive, dynamic_power
from serflab.traces.draws import Draws
from serflab.traces.generate import generate
from serflab.traces.model import NodeSpec
from serflab.traces.patterns import bursts, curve, runs, sawtooth, smooth
from serflab.traces.profiles import PROFILES
from serflab.traces.render import render
from serflab.traces.templates import templates

SMALL = {"pods": 12, "points": 24}


def column(loaded, metric):
    """Return a metric of all pods, shape (pods, points)."""
    return np.array([pod.series.column(metric) for pod in loaded.pods])


def test_the_same_seed_gives_the_same_bytes():
    assert render(generate(7, **SMALL)) == render(generate(7, **SMALL))
    assert {name: render(text) for name, text in templates(7).items()} == {
        name: render(text) for name, text in templates(7).items()
    }


def test_another_seed_gives_other_bytes():
    assert render(generate(7, **SMALL)) != render(generate(8, **SMALL))
    assert all(templates(7)[name] != templates(8)[name] for name in templates(7))


def test_the_draws_are_those_of_the_raw_bit_stream():
    draws = Draws(2024, "a", 1)
    assert draws.uniform(3).tolist() == [0.25725539098493755, 0.643630898790434, 0.7514397294726223]
    assert draws.normal(2).tolist() == [-0.6991537101566792, 0.7573105404153466]


sizes = st.fixed_dictionaries(
    {
        "seed": st.integers(min_value=-(2**40), max_value=2**40),
        "profile": st.sampled_from(list(PROFILES)),
        "pods": st.integers(min_value=1, max_value=60),
        "namespaces": st.integers(min_value=1, max_value=9),
        "points": st.integers(min_value=1, max_value=30),
        "node": st.integers(min_value=1, max_value=64).map(lambda cores: NodeSpec("n", cores * 1000.0, cores * 2048.0)),
    }
)


@given(sizes)
@settings(max_examples=40)
def test_whatever_is_generated_is_valid_without_a_warning(size):
    records = []
    handler = logging.Handler()
    handler.emit = records.append
    logging.getLogger("serflab").addHandler(handler)
    try:
        loaded = check_config(json.loads(render(generate(**size))), "generated")
    finally:
        logging.getLogger("serflab").removeHandler(handler)
    assert records == []
    assert (len(loaded.pods), len(loaded.namespaces)) == (size["pods"], size["namespaces"])
    assert (loaded.length, loaded.nodes) == (size["points"], (size["node"],))
    assert column(loaded, "memory").max(axis=1).sum() <= 0.95 * size["node"].memory_mi


@pytest.mark.parametrize("arguments", [{"pods": 0}, {"namespaces": 0}, {"points": 0}])
def test_a_config_of_nothing_is_refused(arguments):
    with pytest.raises(ValueError, match="at least one pod, one namespace and one point"):
        generate(1, **arguments)


@pytest.mark.parametrize(("profile", "low", "high"), [("quiet", 3, 20), ("busy", 50, 97), ("shop", 9, 86)])
@pytest.mark.parametrize("seed", range(5))
def test_the_node_is_as_busy_as_its_profile_says(profile, low, high, seed):
    loaded = check_config(generate(seed, profile), "generated")
    load = column(loaded, "cpu").sum(axis=0) / 160
    assert low < load.min() <= load.max() < high


@pytest.mark.parametrize("seed", range(5))
def test_every_shop_shows_green_amber_and_red_by_thirds(seed):
    loaded = check_config(generate(seed), "generated")
    load = column(loaded, "cpu").sum(axis=0) / 160
    assert load.min() < 15
    assert load.max() > 75
    thirds = [np.mean(load < 20), np.mean((load >= 20) & (load <= 60)), np.mean(load > 60)]
    assert thirds == pytest.approx([1 / 3] * 3, abs=0.06)


def test_namespaces_share_the_pods_evenly():
    loaded = check_config(generate(1, pods=10, namespaces=3, points=2), "generated")
    assert [sum(pod.namespace == name for pod in loaded.pods) for name in loaded.namespaces] == [4, 3, 3]


def test_the_names_are_those_that_kubernetes_controllers_give():
    names = [entry["pod_name"] for entry in generate(1, points=1)["pods"]]
    assert "postgres-0" in names
    assert sum(name.startswith("shop-frontend-") for name in names) == 8
    frontends = {name.rsplit("-", 1)[0] for name in names if name.startswith("shop-frontend-")}
    assert len(frontends) == 1


def test_many_pods_still_have_different_names():
    names = [name for name, _ in shop.pods(10_000, seed=1)]
    assert len(set(names)) == 10_000


def test_a_pod_without_work_neither_waits_nor_draws_power():
    derived = derive(np.zeros((3, 2)), cores=4)
    assert not np.any([*derived.pod_psi, *derived.pod_power])
    assert not np.any([derived.node_psi, derived.node_power])


@pytest.mark.parametrize("demand", [0.7, 0.8, 0.9, 1.0, 1.1, 1.3, 1.5])
def test_node_psi_is_the_expected_number_of_vcpus_without_a_core(demand):
    """The normal approximation against the exact binomial distribution of 320 vCPUs on 32 cores."""
    p = demand * 32 / 320
    exact = sum((k - 32) * comb(320, k) * p**k * (1 - p) ** (320 - k) for k in range(33, 321)) / 32
    derived = derive(np.full((320, 1), p), cores=32)
    assert derived.node_psi[0] / 100 == pytest.approx(exact, abs=0.001)


def test_a_pod_of_one_vcpu_waits_as_often_as_it_wants_to_run_and_cannot():
    demand, cores = 0.1, 32
    derived = derive(np.full((320, 1), demand), cores=cores)
    waiting = derived.node_psi[0] / 100 * cores
    assert derived.pod_psi[0, 0] / 100 == pytest.approx(demand * waiting / 32)


def test_a_pod_of_many_vcpus_waits_more_often():
    cpu = np.vstack([np.full((1, 2), 4.0), np.full((100, 2), 0.15)])
    derived = derive(cpu, cores=16)
    assert np.all(derived.pod_psi[0] > 20 * derived.pod_psi[1])
    assert np.all(derived.pod_psi <= 100)


def test_the_power_of_the_pods_adds_up_to_that_of_the_node_above_idle():
    cpu = np.array([[1.0, 2.0], [3.0, 0.0]])
    derived = derive(cpu, cores=16)
    assert derived.pod_power.sum(axis=0) == pytest.approx(derived.node_power)
    assert derived.pod_power[:, 0] == pytest.approx(derived.node_power[0] * np.array([0.25, 0.75]))


def test_power_grows_with_utilisation_and_ends_at_eight_watts_a_core():
    power = dynamic_power(np.linspace(0, 1, 50), 16)
    assert np.all(np.diff(power) > 0)
    assert (power[0], power[-1]) == (0, 128)


def test_the_real_node_is_the_sum_of_its_pods_and_idle_power_with_noise():
    loaded = check_config(generate(3), "generated")
    real = {metric: np.frombuffer(loaded.node_series.column(metric)) for metric in ("cpu", "memory", "power")}
    assert real["cpu"] == pytest.approx(column(loaded, "cpu").sum(axis=0) / 160, rel=0.06)
    assert real["memory"] == pytest.approx(column(loaded, "memory").sum(axis=0), rel=0.02)
    assert real["power"] == pytest.approx(column(loaded, "power").sum(axis=0) + 120, rel=0.04)
    assert not np.allclose(real["cpu"], column(loaded, "cpu").sum(axis=0) / 160, rtol=0.001)


def test_patterns_join_up_when_the_loop_starts_over():
    line = curve(((0.25, 1.0), (0.75, 3.0)), 4)
    assert line.tolist() == [2.0, 1.0, 2.0, 3.0]
    assert smooth(np.array([3.0, 0.0, 0.0]), 2).tolist() == [1.5, 1.5, 0.0]


def test_a_leak_rises_slowly_and_falls_at_once():
    steps = np.diff(sawtooth(Draws(1, "leak"), 100))
    assert np.sum(steps < -0.9) == 2
    assert np.sum(np.isclose(steps, 0.02)) == len(steps) - 2


def test_a_batch_job_runs_or_rests():
    load = runs(Draws(1, "batch"), 100)
    assert set(load) == {0.02, 1.0}
    assert 0.05 < np.mean(load == 1.0) < 0.3


def test_bursts_are_short():
    load = bursts(Draws(1, "burst"), 200)
    assert load.min() == 0.12
    assert load.max() > 0.5
    assert 0.05 < np.mean(load > 0.12) < 0.3


def test_templates_have_the_characters_that_they_are_named_after():
    loaded = {name: check_template(document, name) for name, document in templates().items()}
    cpu = {name: np.frombuffer(series.cpu) for name, series in loaded.items()}
    memory = {name: np.frombuffer(series.memory) for name, series in loaded.items()}
    assert all(60 <= series.length <= 132 for series in loaded.values())
    assert cpu["web-diurnal"].max() > 4 * cpu["web-diurnal"].min()
    assert np.mean(cpu["burst"] > 3 * np.median(cpu["burst"])) < 0.3
    assert set(np.round(cpu["batch"] / 1800)) == {0, 1}
    assert np.sum(np.diff(memory["memory-leak"]) < -1000) == 1
    assert cpu["ml-training"].max() > 3000
    assert np.ptp(memory["ml-inference"]) < 0.1 * memory["ml-inference"].max()
    assert np.mean(cpu["cron"] > 100) == pytest.approx(2 / 15)
    assert cpu["idle"].max() < 5
