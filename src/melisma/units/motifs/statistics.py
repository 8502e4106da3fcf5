"""Figures of the field: entropy, Zipf's law, dispersion, percentiles of what was counted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from melisma.core.records import Int64

_STEPS = 60  # bisections: to the last bit


@dataclass(frozen=True, slots=True)
class Zipf:
    """How frequency falls with rank: f(r) ~ r^-exponent.

    Parameters
    ----------
    exponent : float
        Of largest likelihood, for as many ranks as there are.
    r2 : float
        Share of the variance of log frequency that it explains; 1 is a straight line, 0 or less is no law at all.
    """

    exponent: float
    r2: float


def entropy(counts: Int64) -> float:
    """Return the entropy of what was counted, in bits.

    Examples
    --------
    >>> entropy(np.array([2, 2, 0])), entropy(np.array([5]))
    (1.0, 0.0)
    """
    seen = counts[counts > 0]
    if len(seen) < 2:
        return 0.0
    share = seen / seen.sum()
    return float(-(share * np.log2(share)).sum())


def zipf(counts: Int64) -> Zipf | None:
    """Fit Zipf's law to what was counted; None for fewer than three kinds.

    References
    ----------
    Piantadosi, Psychonomic Bulletin & Review 21 (2014): Zipf's word frequency law in natural language.
    """
    seen = np.sort(counts[counts > 0])[::-1].astype(np.float64)
    if len(seen) < 3:
        return None
    log_rank = np.log(np.arange(1, len(seen) + 1))
    mean = float(seen @ log_rank / seen.sum())
    low, high = -20.0, 20.0
    for _ in range(_STEPS):  # the likelihood has one maximum: there the law's mean log rank is that of the counts
        middle = (low + high) / 2
        weight = np.exp(-middle * log_rank - np.max(-middle * log_rank))
        low, high = (middle, high) if weight @ log_rank / weight.sum() > mean else (low, middle)
    exponent = (low + high) / 2
    logs = np.log(seen)
    fitted = -exponent * log_rank
    rest = logs - fitted - (logs - fitted).mean()
    varied = ((logs - logs.mean()) ** 2).sum()
    return Zipf(exponent, float(1 - (rest**2).sum() / varied) if varied > 0 else 1.0)


def dispersion(counts: Int64, sizes: Int64) -> float | None:
    """Return how unevenly something is spread over parts: 0 as their sizes are, 1 all in the smallest of them.

    Parameters
    ----------
    counts : int64 [n_parts]
        How often it is in each part.
    sizes : int64 [n_parts]
        How much there is in each part altogether.

    Returns
    -------
    float or None
        Gries's deviation of proportions, normalised. None for fewer than two parts, or if it is nowhere.

    References
    ----------
    Gries, International Journal of Corpus Linguistics 13 (2008); Lijffijt and Gries, the same 17 (2012).

    Examples
    --------
    >>> dispersion(np.array([2, 2]), np.array([8, 8])), dispersion(np.array([0, 4]), np.array([8, 8]))
    (0.0, 1.0)
    """
    there = sizes > 0
    if there.sum() < 2 or not counts.sum():
        return None
    expected = sizes[there] / sizes.sum()
    deviation = 0.5 * np.abs(counts[there] / counts.sum() - expected).sum()
    return float(min(1.0, deviation / (1 - expected.min())))


def percentile(values: Int64, counts: Int64, share: float) -> int:
    """Return the smallest value that is not passed by `share` of what was counted.

    Parameters
    ----------
    values, counts : int64 [n]
        Values, going up, and how often each is.
    share : float
        In [0, 1].

    Examples
    --------
    >>> percentile(np.array([1, 5, 9]), np.array([1, 8, 1]), 0.1), percentile(np.array([1, 5]), np.array([1, 1]), 0.9)
    (1, 5)
    """
    total = np.cumsum(counts)
    return int(values[min(len(values) - 1, int(np.searchsorted(total, share * total[-1])))])


def rank_for(counts: Int64, share: float) -> int:
    """Return how many of the most frequent things it takes for a share of all that was counted.

    Examples
    --------
    >>> rank_for(np.array([1, 5, 4]), 0.5), rank_for(np.array([1, 5, 4]), 0.9)
    (1, 2)
    """
    total = np.cumsum(np.sort(counts)[::-1])
    return int(np.searchsorted(total, share * total[-1])) + 1 if total[-1] else 0
