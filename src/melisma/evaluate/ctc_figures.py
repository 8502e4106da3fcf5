"""Figures of aligned utterances, and how sure a difference between two aligners is.

Conventions
-----------
Errors are those of word onsets in seconds, estimate less truth. A word without a time, and every word of an utterance
that could not be aligned, is charged the most that it could be off inside its utterance: nothing is dropped, and an
aligner that gives up on what is hard gains nothing by it. `aae` is the mean over utterances of the mean size of an
error, `mae` the mean over all words. `hit50`, `hit100` and `pco300` are the shares of words within 0.05, 0.1 and 0.3 s,
`perceived` within -0.33 and +0.22 s, `derailed` off by more than a second or without a time. `cer` is the edit distance
of what is heard without being told over the length of what is said, of characters or of phones.

References
----------
Paired bootstrap: Efron and Tibshirani, An Introduction to the Bootstrap, 1993; of word error rates, Bisani and Ney,
ICASSP 2004. Utterances are drawn, both aligners on the same ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from melisma.metrics import alignment as metrics

Errors = npt.NDArray[np.float64]
COMPARED = ("aae", "mae", "hit100", "pco300")
_DRAWS_AT_ONCE = 2_000_000  # indices; 16 MB
_LEAST = 2  # utterances of which a difference has an interval


@dataclass(frozen=True, slots=True)
class Judged:
    """What an aligner made of an utterance.

    Parameters
    ----------
    utterance_id, language, speaker_id : str
        Whose it is.
    errors : float64 [n_words]
        Signed, seconds; NaN for a word without a time. Empty where no truth is known.
    charged : float64 [n_words]
        What a word without a time costs, seconds.
    edits, n_reference : int
        Of what was heard without being told; both 0 where nothing was compared.
    fault : str
        Why it could not be aligned; empty where it was.
    """

    utterance_id: str
    language: str
    speaker_id: str
    errors: Errors
    charged: Errors
    edits: int = 0
    n_reference: int = 0
    fault: str = ""

    @property
    def sizes(self) -> Errors:
        """Sizes of the errors, with what is charged for words without a time."""
        return np.where(np.isnan(self.errors), self.charged, np.abs(self.errors))


@dataclass(frozen=True, slots=True)
class Figures:
    """Of a set of utterances; None where there is nothing to measure."""

    aae: float | None
    mae: float | None
    median: float | None
    hit50: float | None
    hit100: float | None
    pco300: float | None
    perceived: float | None
    derailed: float | None
    bias: float | None
    coverage: float | None
    cer: float | None
    n_words: int
    n_utterances: int
    n_lost: int

    def as_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)


def judge(starts: Sequence[float | None], truth: Sequence[float], duration: float) -> tuple[Errors, Errors]:
    """Return the signed errors of words, and what each would be charged.

    >>> errors, charged = judge([1.5, None], [1.0, 2.0], 3.0)
    >>> errors.tolist(), charged.tolist()
    ([0.5, nan], [2.0, 2.0])
    """
    reference = np.asarray(truth, np.float64)
    estimate = np.array([np.nan if start is None else start for start in starts], np.float64)
    return metrics.onset_errors(estimate, reference), np.maximum(reference, duration - reference)


def figures(judged: Iterable[Judged]) -> Figures:
    """Compute all figures of some utterances."""
    found = list(judged)
    timed = [each for each in found if len(each.errors)]
    n_reference = sum(each.n_reference for each in found)
    said: dict[str, float | None] = dict.fromkeys(
        ("aae", "mae", "median", "hit50", "hit100", "pco300", "perceived", "derailed", "bias", "coverage")
    )
    if timed:
        errors, sizes = np.concatenate([e.errors for e in timed]), np.concatenate([e.sizes for e in timed])
        lost = 1 - metrics.coverage(errors)
        bias = metrics.bias(errors)
        said = {
            "aae": float(np.mean([each.sizes.mean() for each in timed])),
            "mae": float(sizes.mean()),
            "median": float(np.median(sizes)),
            "hit50": metrics.hit_rate(errors, 0.05),
            "hit100": metrics.hit_rate(errors, 0.1),
            "pco300": metrics.hit_rate(errors, 0.3),
            "perceived": metrics.perceived_rate(errors),
            "derailed": metrics.derailed_rate(errors) + lost,
            "bias": None if np.isnan(bias) else bias,
            "coverage": 1 - lost,
        }
    return Figures(
        **said,
        cer=sum(each.edits for each in found) / n_reference if n_reference else None,
        n_words=sum(len(each.errors) for each in timed),
        n_utterances=len(found),
        n_lost=sum(bool(each.fault) for each in found),
    )


@dataclass(frozen=True, slots=True)
class Gain:
    """How much better or worse one aligner is than another, with the interval that holds 95 % of the draws.

    For `aae` and `mae` less is better, for the shares more is.
    """

    metric: str
    difference: float
    low: float
    high: float
    n_utterances: int

    @property
    def sure(self) -> bool:
        """Whether the interval leaves out zero."""
        return self.low > 0 or self.high < 0

    def as_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {**asdict(self), "sure": self.sure}


def gains(ours: Sequence[Judged], theirs: Sequence[Judged], *, seed: int = 0, draws: int = 2000) -> tuple[Gain, ...]:
    """Compare two aligners on the same utterances, by a paired bootstrap over these.

    Parameters
    ----------
    ours, theirs : sequence of Judged
        The same utterances in the same order.
    seed, draws : int
        Of the bootstrap.

    Raises
    ------
    ValueError
        If they are not the same utterances.
    """
    if [each.utterance_id for each in ours] != [each.utterance_id for each in theirs]:
        raise ValueError("a paired difference is one of the same utterances")
    pairs = [(a, b) for a, b in zip(ours, theirs, strict=True) if len(a.errors)]
    if len(pairs) < _LEAST:
        return ()
    first, second = _sums([a for a, _ in pairs]), _sums([b for _, b in pairs])
    rng = np.random.default_rng(seed)
    at_once = max(1, _DRAWS_AT_ONCE // len(pairs))
    drawn: list[Errors] = []
    for begun in range(0, draws, at_once):
        rows = rng.integers(len(pairs), size=(min(at_once, draws - begun), len(pairs)))
        drawn.append(_means(first, rows) - _means(second, rows))
    every = np.arange(len(pairs))[None]
    whole = (_means(first, every) - _means(second, every))[0]
    low, high = np.quantile(np.concatenate(drawn), (0.025, 0.975), axis=0)
    return tuple(
        Gain(name, float(whole[k]), float(low[k]), float(high[k]), len(pairs)) for k, name in enumerate(COMPARED)
    )


def _sums(judged: Sequence[Judged]) -> Errors:
    """Return, by utterance, the mean size of an error, their sum, the hits within 0.1 and 0.3 s, and the words."""
    rows = []
    for each in judged:
        sizes = each.sizes
        near = np.abs(each.errors)  # NaN is near nothing
        rows.append((sizes.mean(), sizes.sum(), (near <= 0.1).sum(), (near <= 0.3).sum(), len(sizes)))
    return np.array(rows, np.float64)


def _means(sums: Errors, rows: npt.NDArray[np.int64]) -> Errors:
    """Return the figures of `COMPARED` for each draw of utterances, float64 [n_draws, 4]."""
    aae = sums[rows, 0].mean(axis=1)
    words = sums[rows, 4].sum(axis=1)
    rest = [sums[rows, column].sum(axis=1) / words for column in (1, 2, 3)]
    return np.stack([aae, *rest], axis=1)
