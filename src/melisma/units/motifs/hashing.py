"""Numbers that look random and depend on nothing but what they are made of."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

UInt64 = npt.NDArray[np.uint64]


def hashed(values: UInt64, seed: int) -> UInt64:
    """Return the output of SplitMix64 for each value, uint64 of their shape; the same on every machine.

    References
    ----------
    Steele, Lea and Flood, OOPSLA 2014: fast splittable pseudorandom number generators.
    """
    with np.errstate(over="ignore"):
        mixed = values + np.uint64((seed * 0x9E3779B97F4A7C15 + 0x9E3779B97F4A7C15) % 2**64)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return np.asarray(mixed ^ (mixed >> np.uint64(31)), dtype=np.uint64)
