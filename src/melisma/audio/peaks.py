"""How loud a recording is from moment to moment: what a waveform on a screen is drawn from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from melisma.audio.container import shown
from melisma.audio.stream import open_stream
from melisma.core.errors import EmptyAudio
from melisma.core.records import Float32

UInt16 = npt.NDArray[np.uint16]
FULL_SCALE = 65535  # of a peak


@dataclass(frozen=True, slots=True)
class Peaks:
    """The largest magnitude of any channel in each part of a second, uint16 [n_bins] of `FULL_SCALE`.

    Bin i covers [i, i + 1) / per_second seconds; the last one may reach beyond the end.
    """

    values: UInt16
    per_second: int
    n_samples: int
    sample_rate: int  # Hz, of the recording

    @property
    def duration_ms(self) -> int:
        """Length of the recording in whole milliseconds."""
        return (2000 * self.n_samples + self.sample_rate) // (2 * self.sample_rate)

    def at(self, per_second: int) -> Peaks:
        """Return the peaks of longer bins.

        Parameters
        ----------
        per_second : int
            From 1 to that of these peaks. Where it does not divide it, each bin takes every short one that it touches
            with its beginning.
        """
        if not 1 <= per_second <= self.per_second:
            raise ValueError(f"peaks of {self.per_second} per second cannot become {per_second}")
        n = -(-len(self.values) * per_second // self.per_second)
        starts = np.arange(n, dtype=np.int64) * self.per_second // per_second
        return Peaks(np.maximum.reduceat(self.values, starts), per_second, self.n_samples, self.sample_rate)


def peaks(path: str | Path, per_second: int = 400) -> Peaks:
    """Read a recording once, block by block, and keep the peak of each bin.

    Parameters
    ----------
    path : str or Path
        Any recording that `melisma.audio.decode.decode` takes, of any length.
    per_second : int
        Bins in a second; not more than the sample rate.

    Returns
    -------
    Peaks
        Two bytes a bin: 8.6 MB for three hours at 400 bins.

    Raises
    ------
    AudioError
        If it cannot be read; EmptyAudio where it holds no sample.
    """
    with open_stream(path) as stream:
        rate = stream.info.sample_rate
        found, n_samples = _folded(stream.blocks, rate, min(per_second, rate))
    if not n_samples:
        raise EmptyAudio(f"{shown(Path(path))} holds no sample")
    return Peaks(found, min(per_second, rate), n_samples, rate)


def _folded(blocks: Iterable[Float32], rate: int, per_second: int) -> tuple[UInt16, int]:
    """Fold blocks into bins; a bin that two blocks share takes the larger of both."""
    done: list[UInt16] = []
    open_bin, n = 0, 0  # the bin at the end of what is done, which may still grow
    for block in blocks:
        loud = np.abs(block).max(axis=1)
        first, last = n * per_second // rate, (n + len(loud) - 1) * per_second // rate
        starts = -(-np.arange(first, last + 1, dtype=np.int64) * rate // per_second) - n
        starts[0] = 0
        part = np.minimum(np.rint(np.maximum.reduceat(loud, starts) * FULL_SCALE), FULL_SCALE).astype(np.uint16)
        if done and first == open_bin:
            done[-1][-1] = max(done[-1][-1], part[0])
            part = part[1:]
        if len(part):
            done.append(part)
        open_bin, n = last, n + len(loud)
    return (np.concatenate(done) if done else np.zeros(0, np.uint16)), n
