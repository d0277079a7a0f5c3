"""The descheduler's log, as v0.36 writes it, becomes cycles."""

import orjson
import pytest

from serflab.rebalance.cycles import APPROPRIATE, BACKGROUND, OVER, REFUSED, UNDER, parse_cycles, read_cycles

BEGIN = {"ts": 1_000.0, "v": 3, "msg": "Resetting pod evictor counters"}
END = {"ts": 1_500.0, "v": 1, "msg": "Number of evictions/requests", "totalEvicted": 0, "evictionRequests": 2}


def lines(*entries):
    return [orjson.dumps(entry) for entry in entries]


def classified(node, percent, category=None):
    told = {"node": {"name": node}, "usagePercentage": {"MetricResource": percent}}
    if category is None:
        return {"ts": 1_100.0, "v": 0, "msg": "Node is appropriately utilized", **told}
    return {"ts": 1_100.0, "v": 0, "msg": "Node has been classified", "category": category, **told}


def victim(message, name, **more):
    return {"ts": 1_200.0, "msg": message, "pod": {"name": name, "namespace": "default"}, **more}


def test_a_cycle_with_its_classes_and_victims():
    [cycle] = parse_cycles(
        lines(
            BEGIN,
            {"ts": 1_050.0, "msg": "non-string key argument passed to logging, ignoring all later arguments"},
            classified("a", 20, UNDER),
            classified("b", 61, OVER),
            classified("c", 30),
            {"ts": 1_150.0, "v": 3, "msg": "Evicting pods from node", "node": {"name": "b"}},
            victim("Eviction in background assumed", "p1", v=3),
            victim("Evicted pods", "p1", v=3),
            victim("Error evicting pod", "p2", err="Cannot evict pod"),
            {"ts": 1_250.0, "v": 3, "msg": "Max number of evictions per node per plugin reached", "limit": 1},
            {"ts": 1_300.0, "msg": "Error evicting pod", "err": "maximum of a node", "limit": 2, "node": "c"},
            {"ts": 1_300.0, "msg": "Error evicting pod", "err": "maximum of a cycle", "limit": 5},
            END,
        )
    )
    assert (cycle.started, cycle.ended, cycle.in_flight) == (1.0, 1.5, 2)
    assert cycle.usage == {"a": 20, "b": 61, "c": 30}
    assert cycle.classes == {"a": UNDER, "b": OVER, "c": APPROPRIATE}
    assert [(v.pod, v.node, v.outcome, v.problem) for v in cycle.victims] == [
        ("p1", "b", BACKGROUND, ""),
        ("p2", "b", REFUSED, "Cannot evict pod"),
    ]
    assert [v.pod for v in cycle.requested] == ["p1"]
    assert cycle.notes == [
        "Max number of evictions per node per plugin reached: 1 (b)",
        "maximum of a node: 2 (c)",
        "maximum of a cycle: 5",
    ]
    assert cycle.complete
    assert cycle.errors == ["p2: Cannot evict pod"]


def test_an_error_that_does_not_stop_the_cycle_is_told():
    told = {"ts": 1_200.0, "msg": "eviction failed", "err": "no answer"}
    debug = {"ts": 1_200.0, "v": 1, "msg": "pod is not evictable", "err": "it has no owner"}
    [cycle] = parse_cycles(lines(BEGIN, classified("a", 20, UNDER), told, debug, END))
    assert cycle.complete
    assert cycle.errors == ["eviction failed: no answer"]


def test_a_cycle_that_gave_up_says_why_and_is_not_complete():
    failure = "error getting node usage: unable to find metric entry for kwok-node-2"
    failed = {"ts": 1_100.0, "msg": "running balance extension point failed with error", "err": failure}
    [cycle] = parse_cycles(lines(BEGIN, failed, END))
    assert cycle.problems == [failure]
    assert not cycle.complete


def test_an_end_without_an_in_cluster_environment_is_a_failed_cycle():
    lost = {"ts": 2_000.0, "msg": "unable to reconcile an in cluster SA token: no CA"}
    cycles = parse_cycles(lines(BEGIN, classified("a", 1), END, lost))
    assert [cycle.problems for cycle in cycles] == [[], [lost["msg"]]]


def test_each_start_of_the_descheduler_is_another_run():
    start = {"ts": 1.0, "v": 0, "msg": "Serving securely on 127.0.0.1:1"}
    assert [cycle.run for cycle in parse_cycles(lines(start, BEGIN, END, start, BEGIN))] == [1, 2]


@pytest.mark.parametrize("rest", [b'{"ts": 1, "msg": "Evicti', b"panic: something", b""])
def test_a_line_that_was_cut_off_is_passed_over(rest):
    [cycle] = parse_cycles([*lines(BEGIN), rest, *lines(END)])
    assert cycle.ended == 1.5


def test_no_log_no_cycle(tmp_path):
    assert read_cycles(tmp_path / "none.log") == []


def test_of_a_long_log_its_end_is_read(tmp_path):
    log = tmp_path / "descheduler.log"
    log.write_bytes(b"\n".join(lines(BEGIN, END) * 40_000))
    found = read_cycles(log)
    assert 1_000 < len(found) < 40_000
    assert all(cycle.ended == 1.5 for cycle in found[1:])
