"""Reads server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html) as a page does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def events(chunks: Iterable[bytes]) -> Iterator[dict[str, str]]:
    """Yield the fields of each event of a stream."""
    text = ""
    for chunk in chunks:
        text += chunk.decode()
        *whole, text = text.split("\n\n")
        for event in whole:
            yield dict(line.split(": ", 1) for line in event.split("\n"))


def applied(document: dict[str, Any], delta: dict[str, Any]) -> dict[str, Any]:
    """Return what a page makes of a topology and a delta."""
    merged = {**document, **{key: delta[key] for key in ("summary", "lab", "prometheus", "offload") if key in delta}}
    for key, name in (("nodes", "name"), ("links", "id")):
        changed = {entry[name]: entry for entry in delta.get(key, ())}
        merged[key] = [changed.get(entry[name], entry) for entry in document[key]]
    return merged


def without_time(document: dict[str, Any]) -> dict[str, Any]:
    """Return what a document says, whenever it says it."""
    return {key: value for key, value in document.items() if key not in {"generated_at", "version"}}
