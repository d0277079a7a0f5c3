"""The text of /metrics, read back by prometheus_client's own parser, and the pictures that it is made of."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from serflab.emulation.exposition import Capacity, Exposition, PodState, RealNode, escaped

NODES = {"node-1": Capacity(cpu=4000, memory=8192)}


def pod(*values, node="node-1", running=True):
    return PodState(1, node, running, True, (*values, *(None,) * (4 - len(values))))


def samples(text: bytes):
    families = list(text_string_to_metric_families(text.decode()))
    assert all(family.documentation and family.type == "gauge" for family in families)
    assert len({family.name for family in families}) == len(families), "each metric is one group"
    return {(sample.name, *sample.labels.values()): sample.value for family in families for sample in family.samples}


def render(pods, nodes=NODES, psi="max", real=None):
    return samples(Exposition(psi).render(pods, nodes, real))


def test_pods_and_what_they_add_up_to():
    pods = {("shop", "a"): pod(1000.0, 2048.0, 3.5, 10.0), ("shop", "b"): pod(200.0, 0.0, 0.25, 20.0)}
    assert render(pods) == {
        ("emulation_pod_cpu_millicores", "shop", "a", "node-1"): 1000,
        ("emulation_pod_cpu_millicores", "shop", "b", "node-1"): 200,
        ("emulation_pod_cpu_percent", "shop", "a", "node-1"): 25,
        ("emulation_pod_cpu_percent", "shop", "b", "node-1"): 5,
        ("emulation_pod_memory_mi", "shop", "a", "node-1"): 2048,
        ("emulation_pod_memory_mi", "shop", "b", "node-1"): 0,
        ("emulation_pod_memory_percent", "shop", "a", "node-1"): 25,
        ("emulation_pod_memory_percent", "shop", "b", "node-1"): 0,
        ("emulation_pod_power_watts", "shop", "a", "node-1"): 3.5,
        ("emulation_pod_power_watts", "shop", "b", "node-1"): 0.25,
        ("emulation_pod_psi_percent", "shop", "a", "node-1"): 10,
        ("emulation_pod_psi_percent", "shop", "b", "node-1"): 20,
        ("emulation_node_cpu_percent", "node-1"): 30,
        ("emulation_node_memory_percent", "node-1"): 25,
        ("emulation_node_power_watts", "node-1"): 3.75,
        ("emulation_node_psi_percent", "node-1"): 20,
        ("emulation_node_pod_count", "node-1"): 2,
        ("emulation_node_cpu_capacity_millicores", "node-1"): 4000,
        ("emulation_node_memory_capacity_mi", "node-1"): 8192,
    }


@pytest.mark.parametrize(("how", "expected"), [("max", 20), ("avg", 15), ("sum", 30)])
def test_the_psi_of_a_node(how, expected):
    pods = {("shop", "a"): pod(1.0, 1.0, 1.0, 10.0), ("shop", "b"): pod(1.0, 1.0, 1.0, 20.0)}
    assert render(pods, psi=how)["emulation_node_psi_percent", "node-1"] == expected
    assert render({}, psi=how)["emulation_node_psi_percent", "node-1"] == 0


def test_pods_that_do_not_run_count_for_nothing():
    pods = {("shop", "a"): pod(1000.0, 1.0, 1.0, 1.0, running=False), ("shop", "b"): pod(None, 1.0, 1.0, 1.0)}
    assert render(pods) == {
        ("emulation_node_cpu_percent", "node-1"): 0,
        ("emulation_node_memory_percent", "node-1"): 0,
        ("emulation_node_power_watts", "node-1"): 0,
        ("emulation_node_psi_percent", "node-1"): 0,
        ("emulation_node_pod_count", "node-1"): 0,
        ("emulation_node_cpu_capacity_millicores", "node-1"): 4000,
        ("emulation_node_memory_capacity_mi", "node-1"): 8192,
    }


def test_a_value_that_a_pod_does_not_show_is_absent():
    names = {name for name, *_ in render({("shop", "a"): pod(1000.0)}) if name.startswith("emulation_pod")}
    assert names == {"emulation_pod_cpu_millicores", "emulation_pod_cpu_percent"}


def test_without_a_capacity_there_is_no_percentage():
    shown = render({("shop", "a"): pod(1000.0, 1.0, 1.0, 1.0, node="unknown")})
    assert shown["emulation_pod_cpu_millicores", "shop", "a", "unknown"] == 1000
    assert shown["emulation_node_pod_count", "unknown"] == 1
    assert ("emulation_pod_cpu_percent", "shop", "a", "unknown") not in shown
    assert ("emulation_node_cpu_percent", "unknown") not in shown


def test_the_recorded_machine_where_it_measured_something():
    real = RealNode("node-1", cpu=1.88, memory=12.5, power=125.8, psi=math.nan)
    shown = {key: value for key, value in render({}, real=real).items() if key[0].startswith("real_")}
    assert shown == {
        ("real_node_cpu_percent", "node-1"): 1.88,
        ("real_node_memory_percent", "node-1"): 12.5,
        ("real_node_power_watts", "node-1"): 125.8,
    }


def test_a_pod_that_moves_takes_its_label_along():
    exposition = Exposition("max")
    nodes = {**NODES, "node-2": Capacity(1000, 1024)}
    exposition.render({("shop", "a"): pod(100.0)}, nodes)
    shown = samples(exposition.render({("shop", "a"): pod(100.0, node="node-2")}, nodes))
    assert shown["emulation_pod_cpu_percent", "shop", "a", "node-2"] == 10
    assert ("emulation_pod_cpu_percent", "shop", "a", "node-1") not in shown


@given(st.text(alphabet=st.one_of(st.sampled_from('"\\\n{}=, #'), st.characters(codec="utf-8"))))
def test_any_label_value_survives(value):
    (family,) = text_string_to_metric_families(f'# TYPE m gauge\nm{{l="{escaped(value)}"}} 1\n')
    assert family.samples[0].labels == {"l": value}


@given(
    st.lists(
        st.tuples(*[st.floats(0, 1e12)] * 4),
        max_size=5,
    )
)
def test_every_value_is_read_back_exactly(rows):
    pods = {("shop", f"p{number}"): pod(*row) for number, row in enumerate(rows)}
    shown = render(pods)
    for number, (cpu, memory, power, psi) in enumerate(rows):
        labels = ("shop", f"p{number}", "node-1")
        assert shown["emulation_pod_cpu_millicores", *labels] == cpu
        assert shown["emulation_pod_memory_mi", *labels] == memory
        assert shown["emulation_pod_power_watts", *labels] == power
        assert shown["emulation_pod_psi_percent", *labels] == psi
