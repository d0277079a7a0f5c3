"""Points in time as the status of an object holds them."""

from __future__ import annotations

from datetime import UTC, datetime


def written(epoch: float) -> str:
    """Return epoch seconds as RFC 3339 in UTC, to the microsecond.

    >>> written(1.5)
    '1970-01-01T00:00:01.500000Z'
    """
    return datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def read(text: str) -> float:
    """Return the epoch seconds of an RFC 3339 time.

    >>> read("1970-01-01T00:00:01Z")
    1.0
    """
    return datetime.fromisoformat(text).timestamp()
