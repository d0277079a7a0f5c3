"""A collection as a controller sees it: what the watch tells and what it has written itself, found by a key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from serflab.kube.watch import EventKind, WatchCache

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from serflab.kube.client import ApiClient
    from serflab.kube.watch import Collection, Event, Key

Item = dict[str, Any]


class Followed:
    """The objects of a collection, each below the key that `place` gives (None: it is of no interest).

    `on_change` is called with that key after each change. What was written is known at once (`put`), so that nobody
    decides by what was there before; an older event of the watch does not bring that back.
    """

    def __init__(
        self,
        client: ApiClient,
        collection: Collection,
        place: Callable[[Item], Key | None],
        on_change: Callable[[Key], None],
    ) -> None:
        self.cache: WatchCache[Item] = WatchCache(client, collection, self._newest, on_event=self._event)
        self._place = place
        self._on_change = on_change
        self._places: dict[Key, Key] = {}
        self._placed: dict[Key, set[Key]] = {}

    def get(self, key: Key) -> Item | None:
        """Return the object of this namespace and name, None if there is none."""
        return self.cache.objects.get(key)

    def __iter__(self) -> Iterator[Item]:
        """Iterate over all objects."""
        return iter(list(self.cache.objects.values()))

    def at(self, place: Key) -> list[Item]:
        """Return the objects below a key, in the order of their names."""
        return [self.cache.objects[key] for key in sorted(self._placed.get(place, ()))]

    def put(self, item: Item) -> None:
        """Take note of what the API server has answered to a write."""
        if _version(item) <= self.cache.resource_version:
            return  # the watch has told of it already, and maybe of what came after
        key = _key(item)
        kept = self._newest(item)
        if kept is not None:
            self.cache.objects[key] = kept
            self._index(key, kept)

    def _newest(self, item: Item) -> Item | None:
        if self._place(item) is None:
            return None
        item["metadata"].pop("managedFields", None)
        known = self.cache.objects.get(_key(item))
        return known if known is not None and _version(known) > _version(item) else item

    def _event(self, event: Event[Item]) -> None:
        if event.kind is EventKind.LISTED:
            places = set(self._places.values())
            self._places, self._placed = {}, {}
            for key, item in self.cache.objects.items():
                self._index(key, item)
            for place in places | set(self._placed):
                self._on_change(place)
        elif event.kind is not EventKind.BOOKMARK:
            before = self._places.get(event.key)
            self._index(event.key, event.value)
            after = self._places.get(event.key)
            for touched in {before, after}:
                if touched is not None:
                    self._on_change(touched)

    def _index(self, key: Key, item: Item | None) -> None:
        place = self._place(item) if item is not None else None
        before = self._places.get(key)
        if before == place:
            return
        if before is not None:
            self._placed[before].discard(key)
            if not self._placed[before]:
                del self._placed[before]
        if place is None:
            del self._places[key]
        else:
            self._places[key] = place
            self._placed.setdefault(place, set()).add(key)


def _key(item: Item) -> Key:
    return item["metadata"].get("namespace", ""), item["metadata"]["name"]


def _version(item: Item) -> int:
    return int(item["metadata"]["resourceVersion"])
