"""How noisy utterances are, estimated from their sound alone.

The estimate takes the quietest part of an utterance for its noise: it is within about 3 dB of the truth for speech with
ordinary pauses between 5 and 25 dB, and too low for what is cleaner than 30 dB. A song that never rests, or a clip that
is cut to its words, is heard as noisier than it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from melisma.core.errors import DamagedAudio
from melisma.core.records import Float32
from melisma.data import by_recording, cuts
from melisma.data.levels import HOP_S, levels
from melisma.data.manifest import Utterance

# Of the frames, those taken for noise: with a tenth, ambience is heard 4 dB too clean, with a fifth, quiet recordings
# 4 dB too noisy (30 recordings of the open corpus with white noise and ambience of known level).
_QUIET_SHARE = 0.15
_SILENT_DB = -95.0  # below is digital silence, which is no noise
_FEWEST = 20  # frames
CLEANEST_DB = 60.0


def snr_db(heard: Float32) -> float | None:
    """Estimate the ratio of sound to noise.

    Parameters
    ----------
    heard : float32 [n_frames]
        Level of each 10 ms, as `melisma.data.levels.levels` gives it.

    Returns
    -------
    float or None
        Decibels, at most `CLEANEST_DB`; None where there is too little to tell.
    """
    audible = np.sort(heard[heard > _SILENT_DB])
    if len(audible) < _FEWEST:
        return None
    power = 10.0 ** (audible.astype(np.float64) / 10)
    noise = power[: max(1, round(len(power) * _QUIET_SHARE))].mean()
    signal = power.mean() - noise
    if signal <= 0:
        return 0.0
    return float(np.clip(10 * np.log10(signal / noise), 0.0, CLEANEST_DB))


@dataclass(frozen=True, slots=True)
class Noise:
    """Stage: a recording and its utterances → the ratio of sound to noise of each, in dB, None where unknown."""

    @property
    def name(self) -> str:
        """Of the stage."""
        return "noise"

    def configuration(self) -> str:
        """Return what decides the outcome."""
        return repr((1, _QUIET_SHARE, _SILENT_DB))

    def __call__(self, item: tuple[str, list[str]]) -> list[float | None]:
        """Measure one recording: its path, and the lines of its utterances; what is known already is believed."""
        path, utterances = by_recording.read_item(item)
        known = [said_snr(each) for each in utterances]
        if all(each is not None for each in known):
            return known
        heard = levels(cuts.blocks_of(path))
        if not len(heard):
            raise DamagedAudio(f"{path} holds no sound")
        found = [_part(heard, each) for each in utterances]
        return [given if given is not None else made for given, made in zip(known, found, strict=True)]


def said_snr(utterance: Utterance) -> float | None:
    """Return the `snr_db` that a manifest gives, or None."""
    said: Any = (utterance.model_extra or {}).get("snr_db")
    return float(said) if isinstance(said, int | float) and not isinstance(said, bool) and np.isfinite(said) else None


def _part(heard: Float32, utterance: Utterance) -> float | None:
    first, last = round(utterance.start / HOP_S), round((utterance.start + utterance.duration) / HOP_S)
    found = snr_db(heard[first:last])
    return None if found is None else round(found, 1)
