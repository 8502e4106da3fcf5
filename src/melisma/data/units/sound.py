"""The sound that a line of a corpus of units was made of."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from melisma.core.errors import EmptyAudio
from melisma.core.records import Float32
from melisma.data import cuts
from melisma.units.clock import SAMPLE_RATE, STRIDE
from melisma.units.line import UnitLine


def samples_of(line: UnitLine, folder: Path) -> Float32:
    """Return the samples of a line, float32 [n_samples] at 16 kHz, in one channel.

    Parameters
    ----------
    line : UnitLine
        Without a duration, what its frames cover is taken.
    folder : Path
        Of the corpus, where relative paths begin.

    Raises
    ------
    AudioError
        If the recording cannot be read, or ends before the line begins.
    """
    path = folder / line.audio
    span = cuts.span_of(line.start_s, line.duration_s or line.n_frames * STRIDE / SAMPLE_RATE)
    with tempfile.TemporaryDirectory(prefix="melisma-units-") as scratch:
        for _, part in cuts.parts(path, [span], Path(scratch)):
            blocks = list(part.blocks())
            if blocks:
                return np.concatenate(blocks)
    raise EmptyAudio(f"{path} has no sound at {line.start_s:.2f} s")
