"""Random numbers that are the same on every machine and with every numpy.

Numpy promises the raw stream of a bit generator for good, but not what its distributions make of it, so these are
ours; all sums are exact in a double, so that the order of adding (which depends on the processor) does not matter.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

Floats: TypeAlias = "NDArray[np.float64]"


class Draws:
    """A stream of random numbers of `seed` and `purpose` alone: drawing for one pod never moves another."""

    def __init__(self, seed: int, *purpose: object) -> None:
        digest = hashlib.sha256(repr((seed, *map(str, purpose))).encode()).digest()
        self._bits = np.random.PCG64(int.from_bytes(digest[:16], "big"))

    def uniform(self, count: int) -> Floats:
        """Return `count` numbers in [0, 1), multiples of 2^-32."""
        raw = np.asarray(self._bits.random_raw(count), dtype=np.uint64)
        return (raw >> np.uint64(32)).astype(np.float64) * 2.0**-32

    def normal(self, count: int) -> Floats:
        """Return `count` nearly normal numbers, mean 0 and deviation 1: sums of twelve uniform ones (Irwin-Hall)."""
        return np.asarray(self.uniform(12 * count).reshape(count, 12).sum(axis=1) - 6.0, dtype=np.float64)

    def one(self, low: float = 0.0, high: float = 1.0) -> float:
        """Return one number in [low, high)."""
        return low + (high - low) * float(self.uniform(1)[0])

    def integer(self, low: int, high: int) -> int:
        """Return one integer in [low, high]."""
        return low + int(self.one() * (high - low + 1))

    def word(self, alphabet: Sequence[str], length: int) -> str:
        """Return `length` characters of `alphabet`."""
        return "".join(alphabet[int(u * len(alphabet))] for u in self.uniform(length))
