"""How sure a word's onset is: a probability that it is within 0.3 s, and the error that is to be expected.

Both are made in two steps. First from what is known of the path under the word. The chief witness is the posterior of
the onset (`melisma.aligner.posterior`): how much of all that could be, given the recording, puts it there. Three others
say whether the recording fits the lyrics at all: how well the word's own sounds are heard, how far the path of its
whole line stays behind the best labels, and whether a voice is heard. The search compares its results by that.

Then from the result as a whole: of words that look equally sure, fewer are right in a song that is badly heard or has
many words that are not sung, and where only another way of searching made them look so. And a probability says little
of how far away a wrong word is; how widely its onset is spread over all paths does.

All weights were fitted on made-up songs with damaged lyrics (`benchmarks/confidence.py`), never on real ones.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass

import numpy as np
import numpy.typing as npt

from melisma.core.records import Float32, Int64

WITHIN_S = 0.3  # an onset so near the truth is right
FURTHEST_S = 5.0  # no error counts for more
_SURE = 0.01  # of log odds: no witness is surer than 99 %
_WEIGHED = 0.001  # nor the first step surer than 99.9 %
_FRAME_S = 0.03  # what a spread is as good as none


@dataclass(frozen=True, slots=True)
class Weights:
    """Weights of the evidence in the first step; none is negative, so better evidence never lowers a confidence."""

    bias: float
    start: float  # log odds of the onset's posterior
    word: float  # mean log posterior of the word's labels, at its best frame each
    line: float  # log posterior of the path less that of the best labels, per token of the line
    voice: float  # log odds of a voice, mean over the word


WEIGHTS = Weights(bias=3.255, start=0.656, word=0.126, line=1.237, voice=0.1)


@dataclass(frozen=True, slots=True)
class Calibration:
    """Weights of the second step; none is negative. `right_s`, `wrong_s`, `per_spread` make an error of it."""

    bias: float
    own: float  # log odds of the first step
    song: float  # their mean over the song
    spread: float  # log of the spread of the onset, against it
    again: float  # whether it was found by another way of searching, against it
    unsung: float  # share of the song's words that are not sung, against it
    right_s: float  # mean error of a word that is right
    wrong_s: float  # of one that is wrong, whose paths all agree
    per_spread: float  # and for each second of spread


CALIBRATION = Calibration(
    bias=-0.478,
    own=0.51,
    song=0.237,
    spread=0.47,
    again=0.292,
    unsung=1.856,
    right_s=0.083,
    wrong_s=2.141,
    per_spread=0.507,
)


@dataclass(frozen=True, slots=True)
class Context:
    """What is known of the words of a song that are sung, and of the song.

    `sure` is the first step, `spread_s` of the onset over all paths, both float32 [n_words]; `again` is bool [n_words],
    whether a word was found by another way of searching; `unsung` is the share of words that are not sung.
    """

    sure: Float32
    spread_s: Float32
    again: npt.NDArray[np.bool_]
    unsung: float

    def columns(self) -> Float32:
        """Return what is weighed, float32 [n_words, 5], in the order of `Calibration`."""
        own = _log_odds(self.sure, _WEIGHED)
        of_song = np.ones_like(own)
        columns = (
            own,
            of_song * own.mean() if len(own) else own,
            -np.log(_FRAME_S + self.spread_s),
            -1.0 * self.again,
            -self.unsung * of_song,
        )
        return np.stack(columns, axis=1).astype(np.float32)


def calibrated(context: Context, calibration: Calibration = CALIBRATION) -> Float32:
    """Return the probability that each word is right, float32 [n_words] in [0, 1]."""
    bias, *rest = astuple(calibration)[:6]
    return _probability(bias + context.columns() @ np.array(rest, np.float32))


def expected_errors_s(confidence: Float32, spread_s: Float32, calibration: Calibration = CALIBRATION) -> Float32:
    """Return how far each onset is expected to be off if the word is sung at all, float32 [n_words], in seconds.

    The less likely a word is right, and the wider its onset is spread, the more; `FURTHEST_S` at most.
    """
    wrong_s = calibration.wrong_s + calibration.per_spread * np.minimum(spread_s, FURTHEST_S)
    expected_s = confidence * calibration.right_s + (1 - confidence) * np.minimum(wrong_s, FURTHEST_S)
    return np.asarray(expected_s, np.float32)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of each word, float32 [n_words] all."""

    start: Float32  # posterior of its onset
    word: Float32  # mean log posterior of its labels at their best frames
    line: Float32  # how far the path of its line stays behind the best labels, in nats per token, negative
    voice: Float32  # mean probability of a voice over it
    spread_s: Float32  # how far from its onset all paths put it, in the mean; the second step weighs it

    def columns(self) -> Float32:
        """Return what is weighed, float32 [n_words, 4], in the order of `Weights`."""
        return np.stack([_log_odds(self.start), self.word, self.line, _log_odds(self.voice)], axis=1)


def _log_odds(probability: Float32, sure: float = _SURE) -> Float32:
    kept = np.clip(probability, sure, 1 - sure)
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
    return _probability(bias + columns @ np.array(rest, np.float32))


def _probability(score: Float32) -> Float32:
    return np.asarray(1 / (1 + np.exp(-np.clip(score, -30, 30))), np.float32)
