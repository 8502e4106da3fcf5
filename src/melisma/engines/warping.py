"""Dynamic time warping: which frame of one sequence each frame of another goes with, coarse to fine in bounded memory.

Every frame of the longer sequence is used once, and the other one goes on by nought, one or two frames with each
(the asymmetric steps of Sakoe and Chiba), so that no frame weighs more than another and a row of scores needs nothing
but the row before it. Both sequences are first averaged until the whole matrix holds no more than `CELLS` scores; the
path through that is then followed at four times the resolution inside a band around it, down to the frames themselves.

References
----------
Sakoe and Chiba, IEEE TASSP 26(1), 1978, for the steps; Salvador and Chan, Intelligent Data Analysis 11(5), 2007, for
the way from coarse to fine.
"""

from __future__ import annotations

import numpy as np

from melisma.core.errors import TooFewFrames
from melisma.core.records import Float32, Int64

CELLS = 1 << 25  # of the coarsest matrix, a byte of moves each
STEEPEST = 2  # frames of the other sequence to one of the longer
_FINER = 4  # times, from level to level
_COARSEST = 4  # frames averaged at the coarsest level at least: 40 ms of 10 ms, the hop of aeneas
_BESIDE = 3  # frames of the coarser level that a path may lie to either side of the one found there
_FAR = np.float32(1e9)
_SPAN = 256  # frames after which scores begin at zero again, so that float32 tells them apart over any length


def warp(long: Float32, short: Float32) -> Int64:
    """Find the cheapest way through two sequences, from both beginnings to both ends.

    Parameters
    ----------
    long : float32 [n_long, n_dims]
        Rows of unit length: frames are as far apart as one minus the cosine of their angle.
    short : float32 [n_short, n_dims]
        Rows of unit length.

    Returns
    -------
    int64 [n_long]
        The frame of `short` for each of `long`, never decreasing.

    Raises
    ------
    TooFewFrames
        If `short` has more than two frames for each of `long`, and none for the first.
    """
    needed = -(-(len(short) - 1) // STEEPEST) + 1
    if len(long) < needed:
        raise TooFewFrames(len(long), needed)
    factor = _COARSEST
    while len(long) * len(short) > CELLS * factor**2:
        factor *= _FINER
    path: Int64 | None = None
    while factor >= 1:
        slow, fast = _averaged(long, factor), _averaged(short, factor)
        if len(slow) - 1 >= -(-(len(fast) - 1) // STEEPEST):  # averaging may round the one up and not the other
            path = _followed(slow, fast, path)
        factor //= _FINER
    if path is None:  # pragma: no cover - the last level is what was checked above
        raise TooFewFrames(len(long), needed)
    return path


def _followed(long: Float32, short: Float32, coarse: Int64 | None) -> Int64:
    """Find the path beside a coarser one, or through the whole matrix; a band with no way through is widened."""
    beside = _BESIDE
    while True:
        lows, width = _band(coarse, len(long), len(short), beside)
        path = _through(long, short, lows, width)
        if path is not None:
            return path
        beside *= 2


def _averaged(frames: Float32, factor: int) -> Float32:
    """Average runs of frames and give each mean unit length again."""
    if factor == 1:
        return frames
    starts = np.arange(0, len(frames), factor)
    means = np.add.reduceat(frames, starts, axis=0)
    return unit_length(means)


def unit_length(frames: Float32) -> Float32:
    """Give every row unit length; a row of zeros stays one."""
    lengths = np.sqrt(np.einsum("ij,ij->i", frames, frames))
    scaled: Float32 = frames / np.maximum(lengths, np.float32(1e-9))[:, None]
    return scaled


def _band(coarse: Int64 | None, n_long: int, n_short: int, beside: int) -> tuple[Int64, int]:
    """Return the first frame of `short` that each of `long` may go with, never decreasing, and how many there are."""
    if coarse is None:
        return np.zeros(n_long, np.int64), n_short
    width = min((2 * beside + 1) * _FINER, n_short)
    centre = coarse[np.minimum(np.arange(n_long) // _FINER, len(coarse) - 1)] * _FINER
    return np.clip(centre - beside * _FINER, 0, n_short - width), width


def _through(long: Float32, short: Float32, lows: Int64, width: int) -> Int64 | None:
    """Find the cheapest way inside a band; None if there is none."""
    n = len(long)
    moves = np.zeros((n, width), np.uint8)
    shifts = np.diff(lows, prepend=lows[:1])
    # Scores of the frame before, with room for what lies outside of its band on either side.
    scores = np.full(STEEPEST + width + int(shifts.max(initial=0)), _FAR, np.float32)
    own = scores[STEEPEST : STEEPEST + width]
    own[0] = 1 - short[0] @ long[0]
    for t in range(1, n):
        low, shift = int(lows[t]), int(shifts[t])
        stay, one, two = (scores[shift + k : shift + k + width] for k in (2, 1, 0))
        best = np.minimum(stay, one)
        row = moves[t]
        np.less(one, stay, out=row.view(np.bool_))
        np.copyto(row, 2, where=two < best)
        np.minimum(best, two, out=best)
        best += 1
        best -= short[low : low + width] @ long[t]
        own[:] = best if t % _SPAN else best - best.min()
    at = len(short) - 1
    if scores[STEEPEST + at - int(lows[-1])] > _FAR / 2:
        return None
    path = np.empty(n, np.int64)
    for t in range(n - 1, -1, -1):
        path[t] = at
        at -= int(moves[t, at - lows[t]])
    return path
