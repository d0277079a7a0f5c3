"""Conditions in a status: kept as they are while nothing changes, with the time of their last change when it does."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from serflab.emulation.marker import timestamp

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition of a status: its type, status, and the reason for it in one word and in words."""

    type: str
    status: str
    reason: str = ""
    message: str = ""


def settled(before: Iterable[Mapping[str, Any]] | None, wanted: Iterable[Condition]) -> list[dict[str, Any]]:
    """Return the wanted conditions as a status holds them; those whose status stays keep the time of their change."""
    known = {item.get("type"): item for item in before or ()}
    now = timestamp(time.time())
    found = []
    for condition in wanted:
        old = known.get(condition.type) or {}
        same = old.get("status") == condition.status
        found.append(
            {
                "type": condition.type,
                "status": condition.status,
                "lastTransitionTime": (old.get("lastTransitionTime") if same else None) or now,
                "reason": condition.reason,
                "message": condition.message,
            }
        )
    return found
