"""One sample rate → another, block by block, through soxr."""

from __future__ import annotations

import numpy as np
import soxr

from melisma.core.records import Float32

# Of soxr's qualities the best for 16 bit; measured, it takes 45 ms for three minutes of stereo and the cheapest 23 ms.
QUALITY = "HQ"


def n_resampled(n: int, rate_in: int, rate_out: int) -> int:
    """Return the number of samples that `n` become: n · rate_out / rate_in, halves up, one at least if there were any.

    Examples
    --------
    >>> n_resampled(44100, 44100, 16000), n_resampled(1, 44100, 16000), n_resampled(0, 44100, 16000)
    (16000, 1, 0)
    """
    return max(min(n, 1), (2 * n * rate_out + rate_in) // (2 * rate_in))


class Resampler:
    """Takes and gives blocks float32 [n, n_channels]; the delay of the filter is made up for."""

    def __init__(self, rate_in: int, rate_out: int, n_channels: int) -> None:
        self._n_channels = n_channels
        same = rate_in == rate_out
        self._stream = None if same else soxr.ResampleStream(rate_in, rate_out, n_channels, "float32", QUALITY)

    def push(self, block: Float32) -> Float32:
        """Take a block, return what is complete."""
        return block if self._stream is None else self._chunk(block, last=False)

    def flush(self) -> Float32:
        """Return the rest."""
        nothing = np.zeros((0, self._n_channels), np.float32)
        return nothing if self._stream is None else self._chunk(nothing, last=True)

    def _chunk(self, block: Float32, *, last: bool) -> Float32:
        flat = np.ascontiguousarray(block[:, 0] if self._n_channels == 1 else block)
        done: Float32 = self._stream.resample_chunk(flat, last=last)  # type: ignore[union-attr]
        return done.reshape(-1, self._n_channels)
