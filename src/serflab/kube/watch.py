"""A cache of one collection of an API server that follows it by a watch.

The collection is listed once, in pages, and then watched from the resourceVersion of the list, with bookmarks. A
connection that breaks is made anew where it broke; only when the server no longer has that version (410) the
collection is listed again. Protocol:
https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

import aiohttp
import orjson

from serflab.errors import SerflabError
from serflab.kube.client import (
    JSON,
    METADATA,
    METADATA_LIST,
    ONCE,
    ApiError,
    api_error,
    is_transient,
    unreachable,
    with_query,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from serflab.kube.client import ApiClient, Params

_log = logging.getLogger(__name__)

T = TypeVar("T")
Key = tuple[str, str]
"""(namespace, name); the namespace of cluster-wide objects is empty."""

# The server ends each watch after a while (spread out, so that many caches do not come back together) ...
_WATCH_SECONDS = (240, 480)
# ... and sends a bookmark about every minute: a longer silence is a connection that is dead without knowing it.
_SILENCE_SECONDS = 100.0
_BACKOFF_SECONDS = (0.1, 3.0)
_STOOD_SECONDS = 5.0


class EventKind(Enum):
    """What an `Event` tells; LISTED: the whole cache was filled anew, BOOKMARK: nothing changed up to this version."""

    ADDED = "ADDED"
    MODIFIED = "MODIFIED"
    DELETED = "DELETED"
    BOOKMARK = "BOOKMARK"
    LISTED = "LISTED"


@dataclass(frozen=True, slots=True)
class Event(Generic[T]):
    """One change: `value` is what the cache now keeps of the object (None when it is gone)."""

    kind: EventKind
    resource_version: int
    key: Key = ("", "")
    value: T | None = None


class _ExpiredError(Exception):
    """The server no longer has the version to watch from."""


@dataclass(frozen=True, slots=True)
class Collection:
    """What to watch: the path of a collection (`/api/v1/pods`), selectors, and whether the metadata alone will do."""

    path: str
    label_selector: str = ""
    field_selector: str = ""
    metadata_only: bool = False
    page: int = 500

    @property
    def params(self) -> Params:
        """The selectors as query parameters."""
        selectors = {"labelSelector": self.label_selector, "fieldSelector": self.field_selector}
        return {key: value for key, value in selectors.items() if value}


class WatchCache(Generic[T]):
    """The objects of one collection, kept up to date by a task while the cache is open (`async with`).

    `transform` says what is kept of each object, so that caches stay small (None: the object is not wanted).
    `on_event` is called in the order of the server, after `objects` has changed; it must not block.

    `resource_version` is the latest that the server has told of, `synced` whether the first list is complete,
    `connected` whether the watch stands, `connected_since` and `disconnected_since` since when it does or doesn't
    (epoch seconds).
    """

    def __init__(
        self,
        client: ApiClient,
        collection: Collection,
        transform: Callable[[dict[str, Any]], T | None],
        *,
        on_event: Callable[[Event[T]], None] | None = None,
    ) -> None:
        self.objects: dict[Key, T] = {}
        self.resource_version = 0
        self.connected = False
        self.connected_since: float | None = None
        self.disconnected_since: float | None = time.time()
        self.last_error: SerflabError | None = None
        self._client = client
        self._collection = collection
        self._transform = transform
        self._on_event = on_event
        self._synced = asyncio.Event()
        self._changed = asyncio.Condition()
        self._task: asyncio.Task[None] | None = None
        self._refusal: ApiError | None = None

    @property
    def synced(self) -> bool:
        """Whether the collection was listed completely at least once."""
        return self._synced.is_set()

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self.run(), name=f"watch {self._collection.path}")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def wait_synced(self) -> None:
        """Wait for the first complete list; raise what the server says if it refuses it (4xx)."""
        await self.wait_for(lambda: self.synced)

    async def wait_for(self, predicate: Callable[[], bool]) -> None:
        """Wait until `predicate` holds; it is asked after every change. Raises the `ApiError` that ended the cache."""
        async with self._changed:
            while not predicate():
                if self._refusal:
                    raise self._refusal
                await self._changed.wait()

    async def run(self) -> None:
        """Follow the collection until cancelled; a first list that is refused (403, 404, …) ends it with that error."""
        failures = 0
        try:
            while True:
                started = time.monotonic()
                try:
                    if not self.resource_version:
                        await self._list()
                    await self._watch()
                except _ExpiredError:
                    self.resource_version = 0
                except SerflabError as error:
                    if isinstance(error, ApiError) and not is_transient(error) and not self.synced:
                        self._refusal = error
                        raise
                    self._disconnected(error)
                # What stood for a while may come back at once; what failed at once is not asked again at once.
                failures = 0 if time.monotonic() - started > _STOOD_SECONDS else failures + 1
                if failures:
                    await asyncio.sleep(_backoff(failures))
        finally:
            self._disconnected(None)
            await self._notify()

    async def _list(self) -> None:
        fresh: dict[Key, T] = {}
        collection = self._collection
        query = {**collection.params, "limit": str(collection.page)}
        headers = {"Accept": METADATA_LIST if collection.metadata_only else JSON}
        while True:
            path = with_query(collection.path, query)
            page = await self._client.request("GET", path, headers=headers, retry=ONCE)
            for item in page.get("items") or ():
                value = self._transform(item)
                if value is not None:
                    fresh[_key(item)] = value
            token = page["metadata"].get("continue")
            if not token:
                break
            query["continue"] = token
        self.objects = fresh
        self.resource_version = int(page["metadata"]["resourceVersion"])
        self._synced.set()
        await self._tell(Event(EventKind.LISTED, self.resource_version))

    async def _watch(self) -> None:
        params = {
            **self._collection.params,
            "watch": "1",
            "resourceVersion": str(self.resource_version),
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(random.randint(*_WATCH_SECONDS)),  # noqa: S311 - jitter, not a secret
        }
        path = with_query(self._collection.path, params)
        accept = METADATA if self._collection.metadata_only else JSON
        try:
            async with self._client.stream(path, accept=accept, silence=_SILENCE_SECONDS) as response:
                if response.status >= 400:
                    raise _translated(api_error(response, await response.read()))
                self._now_connected()
                await self._notify()
                async for line in _lines(response.content):
                    await self._take(orjson.loads(line))
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise unreachable(self._client.credentials.server, error) from error

    async def _take(self, message: dict[str, Any]) -> None:
        item = message["object"]
        if message["type"] == "ERROR":
            error = ApiError(
                int(item.get("code", 500)), str(item.get("reason", "")), str(item.get("message", "")), item
            )
            raise _translated(error)
        kind, version = EventKind(message["type"]), int(item["metadata"]["resourceVersion"])
        if kind is EventKind.BOOKMARK:
            self.resource_version = version
            await self._tell(Event(kind, version))
            return
        key = _key(item)
        value = None if kind is EventKind.DELETED else self._transform(item)
        if value is None:
            if self.objects.pop(key, None) is None and kind is not EventKind.DELETED:
                kind = EventKind.BOOKMARK
            else:
                kind = EventKind.DELETED
        else:
            self.objects[key] = value
        # Last, so that a reader in another thread never takes older objects for those of this version.
        self.resource_version = version
        await self._tell(Event(kind, version, key, value))

    async def _tell(self, event: Event[T]) -> None:
        if self._on_event:
            self._on_event(event)
        await self._notify()

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    def _now_connected(self) -> None:
        # A watch that the server has ended in time and that is followed by the next was connected all along.
        if not self.connected:
            self.connected_since = time.time()
        self.connected, self.disconnected_since, self.last_error = True, None, None

    def _disconnected(self, error: SerflabError | None) -> None:
        if self.disconnected_since is None:
            self.disconnected_since = time.time()
        # One line when the connection goes, not one for every attempt to get it back.
        if error and (self.connected or self.last_error is None):
            _log.warning("watch of %s: %s; trying again", self._collection.path, error.message)
        self.connected, self.connected_since = False, None
        self.last_error = error


def _translated(error: ApiError) -> Exception:
    """Tell an expired version, which calls for a new list, from any other error."""
    causes = error.body.get("details", {}).get("causes") or ()
    # A server whose data was replaced has not reached our version yet and never will.
    too_large = any(cause.get("reason") == "ResourceVersionTooLarge" for cause in causes)
    return _ExpiredError() if error.status == 410 or too_large else error


def _key(item: dict[str, Any]) -> Key:
    metadata = item["metadata"]
    return metadata.get("namespace", ""), metadata["name"]


def _backoff(failures: int) -> float:
    first, longest = _BACKOFF_SECONDS
    return min(longest, first * 2.0 ** min(failures - 1, 16)) * random.uniform(0.5, 1)  # noqa: S311 - jitter, not a secret


async def _lines(content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """Yield the lines of a stream; aiohttp's own reader refuses long lines, and an object may have more than a MiB."""
    rest = b""
    async for chunk in content.iter_any():
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if line:
                yield line
