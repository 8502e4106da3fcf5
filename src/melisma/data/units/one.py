"""The units of one recording, without a manifest."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from melisma.core.errors import EmptyAudio
from melisma.data import cuts
from melisma.units.clock import SAMPLE_RATE
from melisma.units.encode import UnitEncoder
from melisma.units.line import UnitLine, joined


def line_of(path: Path, encoder: UnitEncoder) -> UnitLine:
    """Encode a recording of any format.

    Its samples and features are in memory at once: 230 MB of samples for an hour.

    Raises
    ------
    AudioError
        If it cannot be read, or holds no sample.
    EngineError
        If the encoder fails.
    """
    blocks = list(cuts.blocks_of(path))
    if not blocks:
        raise EmptyAudio(f"{path} holds no sample")
    samples = np.concatenate(blocks)
    [units] = encoder.units([samples])
    return UnitLine(path.stem or path.name, str(path), *joined(units.tolist()), 0.0, len(samples) / SAMPLE_RATE)
