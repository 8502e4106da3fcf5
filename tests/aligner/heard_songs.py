"""Recordings of which every frame is known: a letter a frame, for tests of what searches them."""

from __future__ import annotations

import numpy as np

from melisma.core.records import Emission, LyricLine, Lyrics, Tokens
from melisma.core.timebase import Timebase

LETTERS = "abcdefghijklmnopqrstuvwxyz"
RATE, STRIDE = 16000, 480
FRAME_S = STRIDE / RATE
HELD = 4  # frames that each letter sounds


def frames_of(text: str, held: int = HELD) -> list[int]:
    """Labels of a text, frame by frame: a letter sounds for `held` frames, a space or a point is one frame of blank."""
    return [label for sign in text for label in ([0] if sign in " ." else [LETTERS.index(sign) + 1] * held)]


def heard(labels: list[int], *, also: list[int] | None = None, doubt: float = 0.002) -> Emission:
    """Return what an engine hears: each frame surely its label, and just as well the one of `also` if there is any."""
    n_labels = len(LETTERS) + 1
    probs = np.full((len(labels), n_labels), doubt / n_labels)
    probs[np.arange(len(labels)), labels] += 1 - doubt
    if also is not None:
        probs[np.arange(len(labels)), also] += 1 - doubt
    vocal = np.array([float(label > 0) for label in labels], np.float32)
    log_probs = np.log(probs / probs.sum(axis=1, keepdims=True)).astype(np.float32)
    return Emission(
        log_probs,
        ("-", *LETTERS),
        0,
        Timebase(RATE, STRIDE),
        len(labels) * STRIDE,
        vocal,
        np.zeros(n_labels, np.float32),
    )


def text(*lines: str) -> tuple[Tokens, Lyrics]:
    """Lyrics spelt letter by letter; parentheses and signs have no sound."""
    lyrics = Lyrics(tuple(LyricLine(tuple(line.split())) for line in lines))
    spelt = [[LETTERS.index(sign) + 1 for sign in word if sign in LETTERS] for word in lyrics.words]
    ids = np.array([label for word in spelt for label in word], np.int64)
    owner = np.array([i for i, word in enumerate(spelt) for _ in word], np.int64)
    line = np.array([k for k, one in enumerate(lyrics.lines) for _ in one.words], np.int64)
    return Tokens(ids, owner, line), lyrics
