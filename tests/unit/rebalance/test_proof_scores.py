"""Percents and classes are held against the inputs that Prometheus had, not against what the descheduler says."""

import pytest

from serflab.rebalance import questions
from serflab.rebalance.cycles import APPROPRIATE, OVER, UNDER, Cycle
from serflab.rebalance.loop_settings import Loop
from serflab.rebalance.proof_scores import agrees, evaluations_of

DIMENSIONS = ("cpu_usage", "cpu_pressure", "memory_usage", "memory_pressure")


@pytest.fixture
def loop(tmp_path):
    return Loop.on_its_own_serf(tmp_path, tmp_path, 1000, algorithm="cpu_focused", target_threshold=10.0)


def inputs(*usages):
    return {f"n{number}": dict.fromkeys(DIMENSIONS, 0.0) | {"cpu_usage": cpu} for number, cpu in enumerate(usages)}


def cycle(usage, classes):
    names = [f"n{number}" for number in range(len(usage))]
    return Cycle(
        100.0, ended=100.5, usage=dict(zip(names, usage, strict=True)), classes=dict(zip(names, classes, strict=True))
    )


HOT = cycle([14, 21, 63], [UNDER, UNDER, OVER])


def test_percents_and_classes_that_follow_from_the_inputs_agree(loop):
    assert agrees(HOT, loop, {99.0: inputs(0.2, 0.309, 0.9)})


@pytest.mark.parametrize("at", [98.0, 99.0, 100.2])
def test_any_evaluation_around_the_cycle_may_be_what_it_saw(loop, at):
    others = {each: inputs(0.5, 0.5, 0.5) for each in (97.0, 98.0, 99.0, 100.2)}
    assert agrees(HOT, loop, others | {at: inputs(0.2, 0.3, 0.9)})


@pytest.mark.parametrize("at", [97.0, 101.0])
def test_one_before_those_or_after_the_cycle_is_none_of_them(loop, at):
    others = {each: inputs(0.5, 0.5, 0.5) for each in (98.0, 99.0)}
    assert not agrees(HOT, loop, others | {at: inputs(0.2, 0.3, 0.9)})


def test_percents_of_other_scores_do_not_agree_even_where_the_classes_follow_from_them(loop):
    """As when the rules computed another formula, or the descheduler asked for another record."""
    assert not agrees(HOT, loop.changed(algorithm="max_metric"), {99.0: inputs(0.2, 0.3, 0.9)})
    assert not agrees(HOT, loop, {99.0: inputs(0.2, 0.3, 0.92)})


def test_classes_that_do_not_follow_do_not_agree(loop):
    wrong = cycle([14, 21, 63], [UNDER, APPROPRIATE, OVER])
    assert not agrees(wrong, loop, {99.0: inputs(0.2, 0.3, 0.9)})


def test_without_inputs_or_with_those_of_other_nodes_nothing_agrees(loop):
    assert not agrees(HOT, loop, {})
    assert not agrees(HOT, loop, {99.0: inputs(0.2, 0.3)})
    assert not agrees(Cycle(100.0, ended=100.5), loop, {99.0: inputs(0.2, 0.3, 0.9)})


def test_one_evaluation_is_not_mixed_with_another(loop):
    assert not agrees(HOT, loop, {98.0: inputs(0.2, 0.3, 0.5), 99.0: inputs(0.5, 0.3, 0.9)})


def test_a_score_at_a_whole_percent_may_be_rounded_to_either_side(loop):
    for percent in (6, 7):
        seen = cycle([percent, percent], [UNDER, UNDER])
        assert agrees(seen, loop, {99.0: inputs(0.1 - 1e-12, 0.1 + 1e-12)})
    assert not agrees(cycle([5, 5], [UNDER, UNDER]), loop, {99.0: inputs(0.1, 0.1)})


def test_evaluations_are_read_as_they_were_recorded(loop, monkeypatch):
    asked = []

    def answer(_loop, expression, at):
        asked.append((expression, at))
        labels = {"instance": "n0", "dimension": "cpu_usage"}
        return [{"metric": labels, "values": [[99.0, "0.5"], [100.0, "0.25"]]}]

    monkeypatch.setattr(questions, "_instant", answer)
    found = evaluations_of(loop.changed(interval=6.0), [HOT])
    assert found == {99.0: {"n0": {"cpu_usage": 0.5}}, 100.0: {"n0": {"cpu_usage": 0.25}}}
    assert asked == [('descheduler:node:input:avg1m{serf="rebalance"}[4500ms]', 100.5)]
    assert evaluations_of(loop, []) == {}
