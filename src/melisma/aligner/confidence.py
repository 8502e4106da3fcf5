"""How sure a word's onset is: a probability that it is within 0.3 s, from what the path found under the word.

The mean posterior alone says little about songs: whole passages derail together, and silence under words tells more.
So a word is judged with its line, and by whether a voice is heard. The weights were fitted, by logistic regression, on
pseudo-songs made of held-out speakers, music and wrong lines (`benchmarks/confidence.py`), never on real songs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from melisma.core.records import Float32, Int64


@dataclass(frozen=True, slots=True)
class Weights:
    """Weights of the evidence; none is negative, so better evidence never lowers a confidence."""

    bias: float
    word: float  # mean log posterior of the word's labels, at its best frame each
    line: float  # the same over its line
    voice: float  # log odds of a voice, mean over the word


WEIGHTS = Weights(bias=9.786, word=0.22, line=2.481, voice=0.1)


def evidence(peaks: Float32, owners: Int64, lines: Int64, voices: Float32) -> Float32:
    """Gather the evidence under each word, float32 [n_words, 3]: word, line, voice.

    Parameters
    ----------
    peaks : float32 [n_tokens]
        Log posterior of each token's label at its best frame on the path.
    owners : int64 [n_tokens]
        Word of each token, 0 … n_words − 1, each at least once.
    lines : int64 [n_words]
        Line of each word.
    voices : float32 [n_words]
        Mean probability of a voice over each word.
    """
    counts = np.bincount(owners, minlength=len(lines))
    word_sums = np.bincount(owners, peaks, minlength=len(lines))
    line_sums = np.bincount(lines, word_sums)
    line_counts = np.bincount(lines, counts)
    voices = np.clip(voices, 0.01, 0.99)
    columns = (word_sums / counts, (line_sums / np.maximum(line_counts, 1))[lines], np.log(voices / (1 - voices)))
    return np.stack(columns, axis=1).astype(np.float32)


def confidences(found: Float32, weights: Weights = WEIGHTS) -> Float32:
    """Turn evidence into probabilities, float32 [n_words] in [0, 1]."""
    score = weights.bias + found @ np.array([weights.word, weights.line, weights.voice], np.float32)
    return np.asarray(1 / (1 + np.exp(-np.clip(score, -30, 30))), np.float32)
