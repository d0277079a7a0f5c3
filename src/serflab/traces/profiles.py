"""The load profiles of generated traces: how busy the node is over one loop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_SEED: Final = 2024


@dataclass(frozen=True, slots=True)
class Profile:
    """How busy the node is over the loop: `knots` are `(where in the loop, share of the node's CPU)`."""

    description: str
    knots: tuple[tuple[float, float], ...]


PROFILES: Final[Mapping[str, Profile]] = {
    "shop": Profile(
        "a day and a night: a third of the time under 20 % of the node, a third between, a third above 60 %",
        (
            (0.00, 0.18),
            (0.07, 0.13),
            (0.22, 0.12),
            (0.33, 0.19),
            (0.50, 0.61),
            (0.57, 0.74),
            (0.65, 0.80),
            (0.71, 0.70),
            (0.78, 0.83),
            (0.83, 0.62),
            (0.99, 0.20),
        ),
    ),
    "quiet": Profile(
        "a shop that few know: 4 to 18 % of the node", ((0.1, 0.05), (0.5, 0.12), (0.7, 0.17), (0.8, 0.12))
    ),
    "busy": Profile(
        "a sale: 55 to 92 % of the node", ((0.1, 0.58), (0.35, 0.78), (0.6, 0.90), (0.75, 0.82), (0.95, 0.62))
    ),
}
