"""What the pods of a serf showed at a given moment: one tick, one picture.

A replay patches pods one after the other, and a watch tells of each patch as it happens: what the watch shows *now*
is nearly always a mix of two ticks. The API server numbers its changes, though, so the exporter keeps the latest few
states of each pod with their numbers and publishes the state as of the number that the replay's marker names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable

    from serflab.kube.watch import Key

T = TypeVar("T")


class Timeline(Generic[T]):
    """The latest states of every object, by resourceVersion.

    Fed in the order of the watch (`listed`, `changed`, `removed`, `seen`); `at` answers the past back to the last
    `forget`.
    """

    def __init__(self) -> None:
        self._states: dict[Key, list[tuple[int, T | None]]] = {}
        self._known_from = 0
        self._seen = 0

    def listed(self, objects: Iterable[tuple[Key, int, T]], version: int) -> None:
        """Take a complete list as of `version`, with the version of each object's last change.

        Everything before the latest of those changes is unknown from now on: the list may hide changes that the watch
        missed.
        """
        self._states = {key: [(changed, value)] for key, changed, value in objects}
        self._known_from = max((states[0][0] for states in self._states.values()), default=0)
        self._seen = version

    def changed(self, key: Key, version: int, value: T) -> None:
        """Take a new state of an object."""
        self._states.setdefault(key, []).append((version, value))
        self._seen = version

    def removed(self, key: Key, version: int) -> None:
        """Take note that an object is gone."""
        if key in self._states:
            self._states[key].append((version, None))
        self._seen = version

    def seen(self, version: int) -> None:
        """Take note that nothing else changed up to `version`."""
        self._seen = max(self._seen, version)

    def at(self, needed: int, bound: int) -> dict[Key, T] | None:
        """Return the objects as they were at `bound`, complete up to `needed` (which is not after `bound`).

        None while that is not known: the watch has not come to `needed` yet, or began after `bound`.
        """
        if self._seen < needed or bound < self._known_from:
            return None
        picture: dict[Key, T] = {}
        for key, states in self._states.items():
            for version, value in reversed(states):
                if version <= bound:
                    if value is not None:
                        picture[key] = value
                    break
        return picture

    def live(self) -> dict[Key, T]:
        """Return the objects as they are now."""
        return {key: value for key, states in self._states.items() if (value := states[-1][1]) is not None}

    def forget(self, bound: int) -> None:
        """Forget what nobody will ask for any more: everything that was over at `bound`."""
        for key, states in list(self._states.items()):
            while len(states) > 1 and states[1][0] <= bound:
                del states[0]
            if len(states) == 1 and states[0][1] is None and states[0][0] <= bound:
                del self._states[key]
        self._known_from = max(self._known_from, min(bound, self._seen))
