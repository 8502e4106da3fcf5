"""The clock of units: 50 a second, 320 samples each at 16 kHz, the stride of wav2vec2, HuBERT, WavLM and XLSR."""

from __future__ import annotations

from melisma.core.timebase import Timebase

SAMPLE_RATE = 16000
STRIDE = 320  # samples from one unit to the next; what a vocoder makes of each
WINDOW = 400  # samples that the first frame of a wav2vec2-type network hears
TIMEBASE = Timebase(SAMPLE_RATE, STRIDE)


def n_frames(n_samples: int) -> int:
    """Return how many frames a recording has: as many windows of 25 ms, 20 ms apart, as fit in it.

    Examples
    --------
    >>> [n_frames(n) for n in (399, 400, 719, 720, 16000)]
    [0, 1, 1, 2, 49]
    """
    return max(0, (n_samples - WINDOW) // STRIDE + 1)
