"""Word onsets of an alignment against true ones.

Conventions
-----------
Times are seconds, float64. An estimate has one onset per word of the reference, in the same order; NaN marks a word
that got no time (unsung). A signed error is estimate - reference: negative is early, positive is late, NaN is missed.

A missed word enters no error in seconds (`aae`, `p50`, `p95`, `bias`); every share is a share of *all* words, so a
missed word lowers coverage and every hit rate, and cannot be a derailed one. Limits are inclusive, except that
`derail` counts errors of more than its limit. A quantile interpolates linearly between order statistics.
Over no timed word an error in seconds is NaN; over no word at all a share is 0.

References
----------
PCO with a window of 0.3 s: Mauch, Fujihara and Goto, IEEE TASLP 20(1), 2012. Perceived window: Lizé Masclef, Vaglio
and Moussallam, User-Centered Evaluation of Lyrics-to-Audio Alignment, ISMIR 2021.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

Seconds = npt.NDArray[np.float64]

PERCEIVED_EARLY_S = 0.33  # half of the listeners notice a lyric this early
PERCEIVED_LATE_S = 0.22  # or this late
DERAILED_S = 1.0  # no jitter is this large: the decoder was in another place


@dataclass(frozen=True, slots=True)
class Scores:
    """What `evaluate` finds: seconds for aae, p50, p95 and bias, shares of all words for the rest."""

    aae: float
    p50: float
    p95: float
    hit100: float
    hit150: float
    pco300: float
    perceived: float
    derail: float
    bias: float
    coverage: float
    n_words: int


COLUMNS = tuple(f.name for f in fields(Scores) if f.name != "n_words")


# Validation


def validate(estimated: npt.ArrayLike, reference: npt.ArrayLike) -> tuple[Seconds, Seconds]:
    """Return both as float64 [n_words].

    Raises
    ------
    ValueError
        If either is not one-dimensional, their lengths differ, a reference is not finite or an estimate is infinite.
    """
    est, ref = np.asarray(estimated, dtype=np.float64), np.asarray(reference, dtype=np.float64)
    if est.ndim != 1 or ref.ndim != 1:
        raise ValueError(f"onsets are one-dimensional, not of shapes {est.shape} and {ref.shape}")
    if len(est) != len(ref):
        raise ValueError(f"{len(est)} estimated onsets for {len(ref)} words")
    if not np.isfinite(ref).all():
        raise ValueError(f"reference onset {int(np.flatnonzero(~np.isfinite(ref))[0])} is not a finite time")
    if np.isinf(est).any():
        raise ValueError(f"estimated onset {int(np.flatnonzero(np.isinf(est))[0])} is infinite")
    return est, ref


def _checked(errors: npt.ArrayLike) -> Seconds:
    out = np.asarray(errors, dtype=np.float64)
    if out.ndim != 1:
        raise ValueError(f"errors are one-dimensional, not of shape {out.shape}")
    return out


# Metrics


def onset_errors(estimated: npt.ArrayLike, reference: npt.ArrayLike) -> Seconds:
    """Signed errors in seconds, float64 [n_words], NaN where the estimate is; see `validate` for errors raised.

    Examples
    --------
    >>> onset_errors([1.5, float("nan")], [1.0, 2.0])
    array([0.5, nan])
    """
    est, ref = validate(estimated, reference)
    return est - ref


def mean_absolute_error(errors: npt.ArrayLike) -> float:
    """Mean size of the error in seconds over timed words (AAE)."""
    sizes = _sizes(errors)
    return float(sizes.mean()) if len(sizes) else float("nan")


def absolute_error_quantile(errors: npt.ArrayLike, q: float) -> float:
    """Quantile `q`, in [0, 1], of the size of the error in seconds over timed words."""
    sizes = _sizes(errors)
    return float(np.quantile(sizes, q)) if len(sizes) else float("nan")


def bias(errors: npt.ArrayLike) -> float:
    """Median signed error in seconds over timed words."""
    timed = _timed(errors)
    return float(np.median(timed)) if len(timed) else float("nan")


def hit_rate(errors: npt.ArrayLike, within_s: float) -> float:
    """Share of all words whose error is at most `within_s`, early or late (PCO)."""
    return _share(errors, lambda e: np.abs(e) <= within_s)


def perceived_rate(errors: npt.ArrayLike) -> float:
    """Share of all words that at least half of the listeners take to be on time."""
    return _share(errors, lambda e: (e >= -PERCEIVED_EARLY_S) & (e <= PERCEIVED_LATE_S))


def beyond_rate(errors: npt.ArrayLike, limit_s: float) -> float:
    """Share of all words that are timed, and off by more than `limit_s`, early or late."""
    return _share(errors, lambda e: np.abs(e) > limit_s)


def derailed_rate(errors: npt.ArrayLike) -> float:
    """Share of all words that are timed, and off by more than a second."""
    return beyond_rate(errors, DERAILED_S)


def line_sync_rate(errors: npt.ArrayLike, lines: npt.ArrayLike) -> float:
    """Share of lines of which every word is within the perceived window: a missed word loses its line.

    Parameters
    ----------
    errors : float64 [n_words]
        Signed errors in seconds, NaN for a missed word.
    lines : int [n_words]
        The line of each word.

    Raises
    ------
    ValueError
        If there is not one line per word.

    Examples
    --------
    >>> line_sync_rate([0.0, 0.1, 0.1, 0.3], [0, 0, 1, 1])
    0.5
    """
    checked, of = _checked(errors), np.asarray(lines, dtype=np.int64)
    if of.shape != checked.shape:
        raise ValueError(f"{of.shape} lines for {checked.shape} words")
    late = ~((checked >= -PERCEIVED_EARLY_S) & (checked <= PERCEIVED_LATE_S))
    known, index = np.unique(of, return_inverse=True)
    return float(np.mean(np.bincount(index, late, len(known)) == 0)) if len(known) else 0.0


def coverage(errors: npt.ArrayLike) -> float:
    """Share of all words that are timed."""
    return _share(errors, lambda e: ~np.isnan(e))


def _timed(errors: npt.ArrayLike) -> Seconds:
    checked = _checked(errors)
    return checked[~np.isnan(checked)]


def _sizes(errors: npt.ArrayLike) -> Seconds:
    return np.abs(_timed(errors))


def _share(errors: npt.ArrayLike, keep: Callable[[Seconds], npt.NDArray[np.bool_]]) -> float:
    checked = _checked(errors)
    return float(np.count_nonzero(keep(checked)) / len(checked)) if len(checked) else 0.0


# Evaluation


def evaluate(errors: npt.ArrayLike) -> Scores:
    """Compute every metric of the signed errors of one song, or of words pooled over songs.

    Parameters
    ----------
    errors : float64 [n_words]
        Signed errors in seconds as `onset_errors` gives them, NaN for a missed word.

    Raises
    ------
    ValueError
        If `errors` is not one-dimensional.

    Examples
    --------
    >>> evaluate([0.0, -0.2, 2.0, float("nan")]).pco300
    0.5
    """
    checked = _checked(errors)
    return Scores(
        aae=mean_absolute_error(checked),
        p50=absolute_error_quantile(checked, 0.5),
        p95=absolute_error_quantile(checked, 0.95),
        hit100=hit_rate(checked, 0.1),
        hit150=hit_rate(checked, 0.15),
        pco300=hit_rate(checked, 0.3),
        perceived=perceived_rate(checked),
        derail=derailed_rate(checked),
        bias=bias(checked),
        coverage=coverage(checked),
        n_words=len(checked),
    )


def pooled(songs: Iterable[npt.ArrayLike]) -> Scores:
    """Scores over the words of all songs together: a long song weighs more than a short one."""
    parts = [_checked(errors) for errors in songs]
    return evaluate(np.concatenate(parts) if parts else np.empty(0))


def mean_of_songs(songs: Sequence[Scores]) -> Scores:
    """Average of the songs' scores, each song weighing the same; a NaN (nothing timed) is left out of its column."""

    def column(name: str) -> float:
        values = [v for v in (float(getattr(s, name)) for s in songs) if not np.isnan(v)]
        return sum(values) / len(values) if values else float("nan")

    means = {name: column(name) for name in COLUMNS}
    return Scores(**means, n_words=sum(s.n_words for s in songs))


def is_lost(scores: Scores) -> bool:
    """Whether a song is lost: nothing timed, or over half of its words derailed."""
    return scores.coverage == 0 or scores.derail > 0.5
