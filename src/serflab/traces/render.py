"""Writing configs and templates as compact JSON that still reads well in a diff: one point of a series per line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def render(document: Mapping[str, Any]) -> bytes:
    """Return `document`, a config or a template, as UTF-8 JSON."""
    body = ",\n".join(f"{_compact(key)}: {_section(key, value)}" for key, value in document.items())
    return f"{{\n{body}\n}}\n".encode()


def _section(key: str, value: object) -> str:
    if key in ("time_series", "node_time_series") and isinstance(value, list):
        return _lines(map(_compact, value))
    if key == "pods" and isinstance(value, list):
        return _lines(map(_pod, value))
    return json.dumps(value, ensure_ascii=False)


def _pod(entry: Mapping[str, Any]) -> str:
    return "{" + ",".join(f"{_compact(key)}:{_section(key, value)}" for key, value in entry.items()) + "}"


def _lines(elements: Iterable[str]) -> str:
    return "[\n" + ",\n".join(elements) + "]"


def _compact(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
