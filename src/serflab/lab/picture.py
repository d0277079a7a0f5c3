"""The overview of the lab as bytes, made once and handed out to everybody."""

from __future__ import annotations

import gzip
import threading
from typing import TYPE_CHECKING, Any, Self

import orjson

if TYPE_CHECKING:
    from collections.abc import Mapping

_LEVEL = 5


class Picture:
    """One overview: `version` names its content, `generated_at` (epoch seconds) when it was seen to be true."""

    def __init__(self, version: str, generated_at: float, rest: bytes) -> None:
        self.version = version
        self.generated_at = generated_at
        self._rest = rest
        self._lock = threading.Lock()
        self._compressed: bytes | None = None

    @classmethod
    def of(cls, document: Mapping[str, Any], version: str, generated_at: float) -> Self:
        """Make the picture of an overview."""
        return cls(version, generated_at, orjson.dumps({"version": version, **document})[1:])

    def confirmed(self, now: float) -> Picture:
        """Return the same picture as it is seen again later."""
        return Picture(self.version, now, self._rest)

    @property
    def size(self) -> int:
        """Return about how many bytes of JSON it is."""
        return len(self._rest)

    @property
    def body(self) -> bytes:
        """Return it as JSON."""
        return b'{"generated_at":%.3f,' % self.generated_at + self._rest

    @property
    def compressed(self) -> bytes:
        """Return the JSON compressed with gzip, which only the first caller waits for."""
        with self._lock:
            if self._compressed is None:
                self._compressed = gzip.compress(self.body, compresslevel=_LEVEL, mtime=0)
            return self._compressed
