"""How long a virtual pod is on its way: bytes over the path between two serfs, kept on its ShadowPod meanwhile."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import orjson

if TYPE_CHECKING:
    from serflab.offload.fleet import Fleet

OUT = "out"
HOME = "home"


@dataclass(frozen=True, slots=True)
class Transfer:
    """A transfer of `size` bytes that takes `seconds` from `started` (epoch seconds) along `path` (serfs, in order)."""

    direction: str
    size: int
    seconds: float
    started: float
    path: tuple[str, ...]

    @property
    def ends(self) -> float:
        """Return when it is over (epoch seconds)."""
        return self.started + self.seconds

    def under_way(self, now: float) -> bool:
        """Whether it still lasts at `now` (epoch seconds)."""
        return now < self.ends

    def annotation(self) -> str:
        """Return it as the JSON that the ShadowPod carries."""
        return orjson.dumps(self).decode()

    def document(self) -> dict[str, object]:
        """Return it as the REST API tells it."""
        return {
            "direction": self.direction,
            "bytes": self.size,
            "seconds": self.seconds,
            "started": self.started,
            "path": list(self.path),
        }


def read_transfer(text: str) -> Transfer | None:
    """Return the transfer that an annotation holds, None for none or one that cannot be read."""
    if not text:
        return None
    try:
        data = orjson.loads(text)
        return Transfer(
            str(data["direction"]),
            int(data["size"]),
            float(data["seconds"]),
            float(data["started"]),
            tuple(data["path"]),
        )
    except (KeyError, ValueError, TypeError):
        return None


def transfer_between(fleet: Fleet, consumer: str, provider: str, size: int, direction: str) -> Transfer | None:
    """Return the transfer of `size` bytes that begins now; None when it takes no time.

    Without a way over links nothing is emulated: the pod is there at once.
    """
    source, target = (consumer, provider) if direction == OUT else (provider, consumer)
    way = fleet.route(source, target)
    seconds = way.seconds(size) if way else 0.0
    if way is None or seconds <= 0:
        return None
    return Transfer(direction, size, seconds, time.time(), way.nodes)
