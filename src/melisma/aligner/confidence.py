"""How sure a word's onset is: a probability that it is within 0.3 s, from what is known of the path under the word.

The chief witness is the posterior of the onset (`melisma.aligner.posterior`): how much of all that could be, given the
recording, puts it there. Three others say whether the recording fits the lyrics at all: how well the word's own sounds
are heard, how far the path of its whole line stays behind the best labels, and whether a voice is heard. The weights
were fitted by logistic regression on made-up songs, half of them with damaged lyrics (`benchmarks/confidence.py`),
never on real ones.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass

import numpy as np

from melisma.core.records import Float32, Int64

WITHIN_S = 0.3  # an onset so near the truth is right
_SURE = 0.01  # of log odds: no witness is surer than 99 %


@dataclass(frozen=True, slots=True)
class Weights:
    """Weights of the evidence; none is negative, so better evidence never lowers a confidence."""

    bias: float
    start: float  # log odds of the onset's posterior
    word: float  # mean log posterior of the word's labels, at its best frame each
    line: float  # log posterior of the path less that of the best labels, per token of the line
    voice: float  # log odds of a voice, mean over the word


WEIGHTS = Weights(bias=3.255, start=0.656, word=0.126, line=1.237, voice=0.1)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of each word, float32 [n_words] all."""

    start: Float32  # posterior of its onset
    word: Float32  # mean log posterior of its labels at their best frames
    line: Float32  # how far the path of its line stays behind the best labels, in nats per token, negative
    voice: Float32  # mean probability of a voice over it

    def columns(self) -> Float32:
        """Return what is weighed, float32 [n_words, 4], in the order of `Weights`."""
        return np.stack([_log_odds(self.start), self.word, self.line, _log_odds(self.voice)], axis=1)


def _log_odds(probability: Float32) -> Float32:
    kept = np.clip(probability, _SURE, 1 - _SURE)
    return np.asarray(np.log(kept / (1 - kept)), np.float32)


def by_line(values: Float32, counts: Int64, lines: Int64) -> Float32:
    """Return the mean over each word's line, float32 [n_words], of what was summed over each word's tokens.

    Parameters
    ----------
    values : float32 [n_words]
        Sums over the tokens of each word.
    counts : int64 [n_words]
        Tokens of each word.
    lines : int64 [n_words]
        Line of each word.
    """
    means = np.bincount(lines, values) / np.maximum(np.bincount(lines, counts), 1)
    return np.asarray(means[lines], np.float32)


def confidences(evidence: Evidence) -> Float32:
    """Turn evidence into probabilities, float32 [n_words] in [0, 1]."""
    return weigh(evidence.columns(), WEIGHTS)


def weigh(columns: Float32, weights: Weights) -> Float32:
    """Turn columns of evidence, float32 [n_words, 4], into probabilities, float32 [n_words]."""
    bias, *rest = astuple(weights)
    score = bias + columns @ np.array(rest, np.float32)
    return np.asarray(1 / (1 + np.exp(-np.clip(score, -30, 30))), np.float32)
