"""The sound of a clip, small enough to lie inside a page."""

from __future__ import annotations

import base64
import io
import tempfile
from pathlib import Path

import numpy as np
import soundfile

from melisma.core.errors import AudioError
from melisma.data import cuts

MOST_S = 60.0  # of a clip that is played; at 16 kHz in MP3 not more than 400 kB


def address(path: Path, start_s: float, duration_s: float) -> str:
    """Return a clip as an address that holds all of its sound: MP3 in base64, one channel at 16 kHz.

    Parameters
    ----------
    path : Path
        The recording, in any format.
    start_s, duration_s : float
        Which part of it, in seconds; `MOST_S` at most are taken.

    Raises
    ------
    AudioError
        If the recording cannot be read, or holds nothing there.
    """
    span = cuts.span_of(start_s, min(duration_s, MOST_S))
    with tempfile.TemporaryDirectory(prefix="melisma-report-") as folder:
        for _, part in cuts.parts(path, [span], Path(folder)):
            blocks = list(part.blocks())
            samples = np.concatenate(blocks) if blocks else np.zeros(0, np.float32)
            break
    if not len(samples):
        raise AudioError(f"{path.name} ends before {start_s:g} s")
    out = io.BytesIO()
    soundfile.write(out, np.clip(samples, -1, 1), cuts.SAMPLE_RATE, format="MP3", subtype="MPEG_LAYER_III")
    return f"data:audio/mpeg;base64,{base64.b64encode(out.getvalue()).decode('ascii')}"
