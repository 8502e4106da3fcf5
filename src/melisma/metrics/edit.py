"""Edit distance of two sequences, the root of phone, word and character error rates."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt


def edit_distance(a: Sequence[int] | npt.NDArray[np.int64], b: Sequence[int] | npt.NDArray[np.int64]) -> int:
    """Return the fewest insertions, deletions and substitutions that turn one sequence into the other.

    >>> edit_distance([1, 2, 3], [1, 3, 4])
    2
    """
    x, y = np.asarray(a), np.asarray(b)
    row = np.arange(len(y) + 1)
    steps = np.arange(len(y) + 1)
    for i, symbol in enumerate(x, 1):
        best = np.minimum(row[1:] + 1, row[:-1] + (y != symbol))
        best = np.concatenate(([i], best))
        # Deletions chain along the row: a running minimum over values less their position.
        row = np.minimum.accumulate(best - steps) + steps
    return int(row[-1])
