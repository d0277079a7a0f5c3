"""The services of an online shop: who runs, how many of each, and how each one behaves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from serflab.traces.draws import Draws

if TYPE_CHECKING:
    from collections.abc import Iterator

# The characters from which Kubernetes makes the ends of names: no vowels, so no words.
_SAFE: Final = "bcdfghjklmnpqrstvwxz2456789"

Behaviour = Literal["serving", "storage", "bursty", "batch", "leaking"]


@dataclass(frozen=True, slots=True)
class Service:
    """A service of the shop.

    `replicas` counts for a shop of 80 pods. `weight` is a pod's CPU: relative to the other serving ones, or (bursty,
    batch, leaking) at its peak in units of the node divided by the pods. `memory` is its largest, in Mi, before
    scaling to the node. `steep` is how much faster than the visitors its load grows.
    """

    name: str
    owner: Literal["Deployment", "StatefulSet", "Job"]
    behaviour: Behaviour
    replicas: int
    weight: float
    memory: float
    steep: float = 1.0


SERVICES: Final = (
    Service("shop-frontend", "Deployment", "serving", 8, 1.3, 320),
    Service("api-gateway", "Deployment", "serving", 5, 1.1, 256),
    Service("session-redis", "StatefulSet", "storage", 2, 0.5, 512),
    Service("image-resizer", "Deployment", "bursty", 3, 2.5, 420),
    Service("newsletter", "Deployment", "bursty", 2, 2.0, 300),
    Service("cart", "Deployment", "serving", 5, 0.8, 384),
    Service("checkout", "Deployment", "serving", 5, 0.7, 448, 1.2),
    Service("payments", "Deployment", "serving", 4, 0.5, 512, 1.2),
    Service("orders", "Deployment", "serving", 4, 0.6, 512, 1.2),
    Service("fraud-check", "Deployment", "bursty", 2, 2.0, 768),
    Service("catalog", "Deployment", "serving", 4, 1.2, 640),
    Service("search", "StatefulSet", "serving", 6, 2.6, 1900),
    Service("recommendations", "Deployment", "serving", 4, 2.0, 1400, 0.9),
    Service("reviews", "Deployment", "serving", 3, 0.5, 320),
    Service("pricing", "Deployment", "leaking", 3, 0.8, 700),
    Service("postgres", "StatefulSet", "storage", 3, 2.0, 2600),
    Service("kafka", "StatefulSet", "storage", 3, 1.2, 1800),
    Service("redis", "StatefulSet", "storage", 3, 0.6, 900),
    Service("inventory-sync", "Deployment", "leaking", 2, 0.9, 1000),
    Service("log-shipper", "Deployment", "serving", 3, 0.3, 160, 0.7),
    Service("nightly-report", "Job", "batch", 2, 3.5, 900),
    Service("invoice-run", "Job", "batch", 2, 3.0, 700),
    Service("stock-import", "Job", "batch", 2, 2.5, 600),
)


def pods(count: int, seed: int) -> Iterator[tuple[str, Service]]:
    """Yield `count` pods, each `(name, its service)`; names are unique, replicas in the table's proportions."""
    total = sum(service.replicas for service in SERVICES)
    before = 0
    taken = 0
    for service in SERVICES:
        before += service.replicas
        until = -(-before * count // total)
        yield from ((name, service) for name in _names(service, until - taken, seed))
        taken = until


def _names(service: Service, count: int, seed: int) -> Iterator[str]:
    """Yield the names that Kubernetes' controllers would give `count` pods of `service`."""
    draws = Draws(seed, "name", service.name)
    template = draws.word(_SAFE, 9) if service.owner == "Deployment" else str(29_000_000 + draws.integer(0, 999_999))
    used: set[str] = set()
    for ordinal in range(count):
        end = draws.word(_SAFE, 5)
        while end in used:
            end = draws.word(_SAFE, 5)
        used.add(end)
        yield f"{service.name}-{ordinal}" if service.owner == "StatefulSet" else f"{service.name}-{template}-{end}"
