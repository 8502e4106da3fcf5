"""Utterances that must stay together, as the connected components of what they share."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

UInt64 = NDArray[np.uint64]
Int64 = NDArray[np.int64]


class Groups:
    """A union-find over n utterances; 8 bytes each, and a sort of the keys that join them.

    Parameters
    ----------
    n : int
        Each is a group of its own at first.
    """

    def __init__(self, n: int) -> None:
        self._parent = np.arange(n, dtype=np.int64)

    def join_equal(self, keys: UInt64) -> None:
        """Put together all utterances of one key, uint64 [n]; 0 is no key."""
        self.join_across(keys, np.arange(len(keys), dtype=np.int64))

    def join_across(self, keys: UInt64, whose: Int64) -> None:
        """Put together the utterances `whose`, int64 [m], that share a key, uint64 [m]; one may have several."""
        known = np.flatnonzero(keys)
        roots = self.labels()[whose[known]]
        order = np.lexsort((roots, keys[known]))
        sorted_keys, roots = keys[known][order], roots[order]
        # Side by side with the same key: one union for each group that the key reaches, not for each utterance.
        first, second = roots[:-1], roots[1:]
        apart = (sorted_keys[1:] == sorted_keys[:-1]) & (first != second)
        self.join(zip(first[apart].tolist(), second[apart].tolist(), strict=True))

    def join(self, pairs: Iterable[tuple[int, int]]) -> None:
        """Put together the two utterances of each pair, and whatever is with them."""
        parent = self._parent.tolist()  # Python's own integers are looked up three times as fast as NumPy's
        for a, b in pairs:
            while parent[a] != a:
                parent[a] = parent[parent[a]]
                a = parent[a]
            while parent[b] != b:
                parent[b] = parent[parent[b]]
                b = parent[b]
            if a < b:
                parent[b] = a
            else:
                parent[a] = b
        self._parent = np.array(parent, np.int64)

    def labels(self) -> Int64:
        """Return of each utterance the first one of its group, int64 [n]."""
        while True:
            above = self._parent[self._parent]
            if np.array_equal(above, self._parent):
                return self._parent.copy()
            self._parent = above
