"""What would make the descheduler give up is told with where it is and what to do."""

import math

from serflab.rebalance.preflight import Problem, _can_be_tried, _node_problems, _pod_problems, _sample_problems

LABELS = {"kubevirt.io/schedulable": "true", "type": "kwok"}


def node(name, labels=LABELS, ready="True", **spec):
    return {
        "spec": spec,
        "metadata": {"name": name, "labels": labels},
        "status": {"conditions": [{"type": "Ready", "status": ready}]},
    }


def test_two_ready_nodes_with_the_label_are_enough():
    assert _node_problems([node("a"), node("b"), node("other", {})]) == []


def test_a_kwok_node_without_the_label_is_named_with_the_command_that_gives_it():
    [problem] = _node_problems([node("a"), node("b"), node("c", {"type": "kwok"})])
    assert problem.where == "node c"
    assert problem.hint == "`kubectl label node c kubevirt.io/schedulable=true`"


def test_a_node_that_is_not_ready_does_not_count():
    unready, few = _node_problems([node("a"), node("b", ready="False")])
    assert unready.where == "node b"
    assert few.problem == "1 take part, the descheduler needs 2"


def test_a_cordoned_node_is_named_with_the_command_that_opens_it():
    [problem] = _node_problems([node("a"), node("b"), node("c", unschedulable=True)])
    assert (problem.where, problem.hint) == ("node c", "`kubectl uncordon c`")


def launcher(name, namespace="default", node="a"):
    return {
        "metadata": {
            "name": "p",
            "namespace": namespace,
            "annotations": {"kubevirt.io/domain": name},
            "labels": {"kubevirt.io/domain": name, "vm.kubevirt.io/name": name},
        },
        "spec": {"nodeName": node},
        "status": {"phase": "Running"},
    }


def test_only_a_vm_that_the_webhook_has_to_move_is_tried():
    fixed = {"conditions": [{"type": "LiveMigratable", "status": "False"}]}
    vms = {
        "usual": {"spec": {}, "status": {"nodeName": "a"}},
        "asked": {"spec": {"evictionStrategy": "LiveMigrate"}, "status": {"nodeName": "a"}},
        "stays": {"spec": {"evictionStrategy": "None"}, "status": {"nodeName": "a"}},
        "fixed": {"spec": {}, "status": {"nodeName": "a", **fixed}},
    }
    assert [name for name in (*vms, "nobody") if _can_be_tried(launcher(name), vms)] == ["usual", "asked"]
    assert not _can_be_tried(launcher("usual", namespace="other"), vms)
    assert not _can_be_tried(launcher("usual", node="b"), vms)


def test_missing_and_unusable_scores_are_told_for_each_node():
    scores = {"a": 0.5, "b": math.nan, "c": 1.5, "d": -0.1}
    found = {problem.where: problem.problem for problem in _sample_problems(scores, ["a", "b", "c", "d", "e"], "why")}
    assert found == {
        "node e": "Prometheus has no score of it",
        "node b": "its score is NaN",
        "node c": "its score is 1.5, outside of 0 to 1",
        "node d": "its score is -0.1, outside of 0 to 1",
    }


def test_pods_that_do_not_ask_for_requests_only_are_counted():
    with_it = {"metadata": {"name": "p1", "annotations": {"descheduler.alpha.kubernetes.io/request-evict-only": ""}}}
    without = {"metadata": {"name": "p2"}}
    [problem] = _pod_problems([with_it | {"status": {}}, without | {"status": {}}])
    assert problem.where == "pods p2"
    assert problem.problem.startswith("1 have not the annotation")


def test_a_problem_reads_as_errors_do():
    assert str(Problem("node a", "it is gone", "make it")) == "node a: it is gone\n  hint: make it"
