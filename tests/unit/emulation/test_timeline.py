"""One tick, one picture: whatever the order in which patches, watches and markers are seen."""

from hypothesis import given
from hypothesis import strategies as st

from serflab.emulation.timeline import Timeline

PODS = [("ns", f"pod-{number}") for number in range(4)]


class Replay:
    """A replay on an API server that numbers its changes; every version has the state of all pods that the server held.

    Each tick patches some pods with the tick's number, then the marker is written, which takes a version of its own.
    """

    def __init__(self, ticks):
        self.version = 0
        self.log = []  # (version, key, value or None)
        self.held = {}
        self.states = [(0, {})]  # (version, all pods)
        self.markers = []  # (needed, bound)
        for key in PODS:
            self.change(key, "new")
        acknowledged = 0
        for tick, (patched, deleted, meanwhile) in enumerate(ticks):
            for key in patched:
                if key in self.held:
                    self.change(key, tick)
                    acknowledged = self.version
            self.version += 1
            self.markers.append((acknowledged, self.version))
            for key in deleted:
                if key in self.held:
                    self.change(key, None)
            for key in meanwhile:
                if key in self.held:
                    self.change(key, f"by hand after {tick}")

    def change(self, key, value):
        self.version += 1
        self.log.append((self.version, key, value))
        if value is None:
            del self.held[key]
        else:
            self.held[key] = value
        self.states.append((self.version, dict(self.held)))

    def moments(self, needed, bound):
        """Return the states that the server held from `needed` to `bound`: all of them show the same tick."""
        before = [state for version, state in self.states if version <= needed][-1:]
        return before + [state for version, state in self.states if needed < version <= bound]


some_pods = st.lists(st.sampled_from(PODS), unique=True)
replays = st.lists(st.tuples(some_pods, some_pods, some_pods), min_size=1, max_size=6).map(Replay)


def feed(timeline, log, start, end):
    for version, key, value in log[start:end]:
        if value is None:
            timeline.removed(key, version)
        else:
            timeline.changed(key, version, value)


def listed_at(log, count):
    """The list that a server answers after `count` changes."""
    held = {}
    for version, key, value in log[:count]:
        held.pop(key, None)
        if value is not None:
            held[key] = (version, value)
    return [(key, version, value) for key, (version, value) in held.items()], (log[count - 1][0] if count else 0)


steps = st.lists(st.tuples(st.sampled_from(["watch", "list anew"]), st.integers(0, 6)), max_size=30)


@given(replays, st.integers(0, 40), steps)
def test_what_is_published_is_always_one_whole_tick(replay, first_list, steps):
    """The watch begins anywhere, is anywhere when a picture is asked for, breaks off and is listed anew anywhere."""
    timeline = Timeline()
    place = min(first_list, len(replay.log))
    timeline.listed(*listed_at(replay.log, place))
    markers = list(replay.markers)
    gone = {key for _, key, value in replay.log if value is None}
    for how, ahead in [*steps, ("watch", len(replay.log))]:
        if how == "watch":
            feed(timeline, replay.log, place, place + ahead)
            place = min(place + ahead, len(replay.log))
        else:
            place = min(place + ahead, len(replay.log))
            timeline.listed(*listed_at(replay.log, place))
        for number, (needed, bound) in reversed(list(enumerate(markers))):
            picture = timeline.at(needed, bound)
            if picture is not None:
                # A pod that has gone since may be missing after a new list; no value is ever of another time.
                assert any(
                    picture.items() <= state.items() and state.keys() - picture.keys() <= gone
                    for state in replay.moments(needed, bound)
                )
                timeline.forget(bound)
                del markers[:number]
                break


@given(replays, st.integers(0, 5))
def test_a_watch_without_gaps_shows_every_tick_exactly(replay, ahead):
    timeline = Timeline()
    timeline.listed([], 0)
    done = 0
    for needed, bound in replay.markers:
        while done < len(replay.log) and replay.log[done][0] <= needed:
            assert timeline.at(needed, bound) is None
            feed(timeline, replay.log, done, done + 1)
            done += 1
        # Changes after that, the next tick's too, may be seen before anybody asks.
        feed(timeline, replay.log, done, done + ahead)
        done = min(len(replay.log), done + ahead)
        assert timeline.at(needed, bound) in replay.moments(needed, bound)
        timeline.forget(bound)


def test_a_marker_is_waited_for_until_the_watch_has_come_to_it():
    timeline = Timeline()
    timeline.listed([(("ns", "a"), 5, "old")], 7)
    assert timeline.at(9, 10) is None
    timeline.changed(("ns", "a"), 9, "new")
    assert timeline.at(9, 10) == {("ns", "a"): "new"}


def test_a_marker_of_before_the_list_is_never_shown():
    timeline = Timeline()
    timeline.listed([(("ns", "a"), 20, "of the next tick")], 21)
    assert timeline.at(9, 10) is None
    assert timeline.live() == {("ns", "a"): "of the next tick"}


def test_bookmarks_count_as_seen():
    timeline = Timeline()
    timeline.listed([(("ns", "a"), 5, "old")], 7)
    timeline.seen(9)
    assert timeline.at(9, 10) == {("ns", "a"): "old"}


def test_what_is_over_is_forgotten():
    timeline = Timeline()
    timeline.listed([], 0)
    for version in range(1, 1000, 2):
        timeline.changed(("ns", "a"), version, version)
        timeline.changed((f"ns-{version}", "a"), version, version)
        timeline.removed((f"ns-{version}", "a"), version + 1)
        timeline.forget(version + 1)
    assert len(timeline._states) == 1
    assert len(timeline._states["ns", "a"]) == 1
    assert timeline.live() == {("ns", "a"): 999}
