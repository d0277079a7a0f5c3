"""What is due when: each key once, the earliest first."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from serflab.emulation.agenda import Agenda


def test_nothing_is_taken_before_it_is_due():
    agenda = Agenda()
    assert (agenda.first, agenda.take(1000)) == (None, None)
    agenda.put("a", 1005)
    assert (agenda.first, len(agenda)) == (1005, 1)
    assert agenda.take(1004.9) is None
    assert agenda.take(1005) == "a"
    assert (agenda.first, agenda.take(2000), len(agenda)) == (None, None, 0)


def test_of_two_that_are_due_at_once_the_first_that_was_put_comes_first():
    agenda = Agenda()
    for key in "ba":
        agenda.put(key, 1000)
    assert (agenda.take(1000), agenda.take(1000)) == ("b", "a")


def test_it_does_not_grow_with_what_is_put_off_again_and_again():
    agenda = Agenda()
    for number in range(1000):
        agenda.put(number % 4, 2000 - number)
    assert len(agenda) == 4
    assert len(agenda._heap) < 100
    assert [agenda.take(2000) for _ in range(4)] == [3, 2, 1, 0]


class Days(RuleBasedStateMachine):
    """Whatever is put, put off, dropped and taken: the agenda is a dictionary of times."""

    def __init__(self):
        super().__init__()
        self.agenda = Agenda()
        self.model = {}

    @rule(key=st.sampled_from("abcde"), due=st.integers(0, 20))
    def put(self, key, due):
        self.agenda.put(key, due)
        self.model[key] = due

    @rule(key=st.sampled_from("abcde"))
    def drop(self, key):
        self.agenda.drop(key)
        self.model.pop(key, None)

    @rule(now=st.integers(0, 20))
    def take(self, now):
        key = self.agenda.take(now)
        first = min(self.model.values(), default=None)
        if first is None or first > now:
            assert key is None
        else:
            assert self.model.pop(key) == first

    @invariant()
    def both_agree(self):
        assert len(self.agenda) == len(self.model)
        assert self.agenda.first == min(self.model.values(), default=None)


TestDays = Days.TestCase
