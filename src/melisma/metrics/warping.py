"""Dynamic time warping of two short sequences: every pair of frames on the way costs its distance."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from melisma.core.errors import InputError
from melisma.core.records import Int64

Float64 = npt.NDArray[np.float64]
MOST_CELLS = 1 << 26  # a byte each: 67 MB, 40 s against 40 s in steps of 5 ms
_BOTH, _FIRST, _SECOND = range(3)


def path(first: Float64, second: Float64, band: int | None = None) -> Int64:
    """Return the cheapest way through two sequences, by Euclidean distance.

    Parameters
    ----------
    first, second : float64 [n, n_dims], [m, n_dims]
        Frames; none of the sequences is empty.
    band : int, optional
        Frames that the way may stray from the diagonal, and at least by as many as one is longer; anywhere without.

    Returns
    -------
    int64 [n_steps, 2]
        Which frame of each stand together, from (0, 0) to (n - 1, m - 1). Of equally cheap ways, the one that takes
        steps in both sequences as late as it can.

    Raises
    ------
    InputError
        If they are too long for each other: beyond `MOST_CELLS` pairs.

    References
    ----------
    Sakoe and Chiba, IEEE TASSP 26(1), 1978.
    """
    n, m = len(first), len(second)
    if not n or not m:
        raise InputError("a sequence without frames goes with no other")
    if n * m > MOST_CELLS:
        raise InputError(f"{n} and {m} frames are too many to be warped onto each other: take shorter recordings")
    return _back(_moves(first, second, max(n, m) if band is None else max(band, 1, abs(n - m))), n, m)


def _moves(first: Float64, second: Float64, band: int) -> npt.NDArray[np.uint8]:
    """Fill the table along its diagonals, each at once; return the step that led to each pair, [n, m]."""
    n, m = len(first), len(second)
    moves = np.zeros((n, m), np.uint8)
    far = np.full(n + 1, np.inf)  # scores of a diagonal, row i at i + 1
    before, last = far.copy(), far.copy()
    for diagonal in range(n + m - 1):
        low = max(0, diagonal - m + 1, -((band - diagonal) // 2))
        high = min(n, diagonal + 1, (diagonal + band) // 2 + 1)
        rows = np.arange(low, high)
        apart = first[rows] - second[diagonal - rows]
        cost = np.sqrt(np.einsum("ij,ij->i", apart, apart))
        ways = np.stack((before[low:high], last[low:high], last[low + 1 : high + 1]))
        if diagonal == 0:
            ways[_BOTH] = 0
        taken = np.argmin(ways, axis=0)
        moves[rows, diagonal - rows] = taken
        now = far.copy()
        now[low + 1 : high + 1] = cost + np.take_along_axis(ways, taken[None], 0)[0]
        before, last = last, now
    return moves


def _back(moves: npt.NDArray[np.uint8], n: int, m: int) -> Int64:
    i, j = n - 1, m - 1
    steps = [(i, j)]
    while i or j:
        step = moves[i, j]
        i -= step != _SECOND
        j -= step != _FIRST
        steps.append((i, j))
    return np.array(steps[::-1], np.int64)
