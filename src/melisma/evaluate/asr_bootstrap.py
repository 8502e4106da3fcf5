"""How sure an error rate is, and a difference of two: the bootstrap over utterances, or over speakers.

References
----------
Efron and Tibshirani, An Introduction to the Bootstrap, 1993; of word error rates, Bisani and Ney, ICASSP 2004; with
speakers as blocks, Liu and Peng, Statistical Testing on ASR Performance via Blockwise Bootstrap, Interspeech 2020.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Interval = tuple[float, float]
_LEAST = 2  # units of which a rate has an interval
_AT_ONCE = 1_000_000  # weights; 8 MB


@dataclass(frozen=True, slots=True)
class Bootstrap:
    """Draws of units with replacement; the same draws for whatever has as many units.

    Parameters
    ----------
    seed, draws : int
        Of the generator, and how many.
    level : float
        Share of the draws that an interval holds.
    """

    seed: int = 0
    draws: int = 1000
    level: float = 0.95

    def rates(self, table: Floats) -> Floats:
        """Compute rates of each draw.

        Parameters
        ----------
        table : float64 [n_units, 2 · n_rates]
            Edits and lengths of the reference of each unit: the first rate's edits, its lengths, the second's …

        Returns
        -------
        float64 [draws, n_rates]
            NaN where nothing was said in a draw.
        """
        parts = [weights @ table for weights in self._weights(len(table))]
        sums = np.concatenate(parts) if parts else np.zeros((0, table.shape[1]))
        edits, lengths = sums[:, 0::2], sums[:, 1::2]
        rates: Floats = np.divide(edits, lengths, out=np.full(edits.shape, np.nan), where=lengths > 0)
        return rates

    def _weights(self, n: int) -> Iterator[Floats]:
        """Yield how often each unit is drawn, float64 [at most draws, n], in bounded memory."""
        rng = np.random.default_rng(self.seed)
        at_once = max(1, _AT_ONCE // n)
        for begun in range(0, self.draws, at_once):
            rows = min(at_once, self.draws - begun)
            drawn = rng.integers(n, size=(rows, n)) + n * np.arange(rows)[:, None]
            yield np.bincount(drawn.ravel(), minlength=rows * n).reshape(rows, n).astype(np.float64)

    def intervals(self, table: Floats) -> list[Interval | None]:
        """Return the interval of each rate of a table; None where there are too few units, or nothing was said."""
        n_rates = table.shape[1] // 2
        if len(table) < _LEAST or not self.draws:
            return [None] * n_rates
        return [self._interval(column) for column in self.rates(table).T]

    def _interval(self, drawn: Floats) -> Interval | None:
        known = drawn[~np.isnan(drawn)]
        if not len(known):
            return None
        low, high = np.quantile(known, ((1 - self.level) / 2, (1 + self.level) / 2))
        return float(low), float(high)

    def differences(self, ours: Floats, theirs: Floats) -> list[Interval | None]:
        """Return the interval of each rate's difference, ours less theirs, the same units drawn for both.

        Raises
        ------
        ValueError
            If they are not as many units.
        """
        if ours.shape != theirs.shape:
            raise ValueError("a paired difference is one of the same units")
        if len(ours) < _LEAST or not self.draws:
            return [None] * (ours.shape[1] // 2)
        return [self._interval(column) for column in (self.rates(ours) - self.rates(theirs)).T]


def summed(table: Floats, units: Sequence[str]) -> Floats:
    """Add up the rows of each speaker; rows of "" stand for themselves.

    >>> summed(np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]), ["a", "", "a"]).tolist()
    [[6.0, 8.0], [3.0, 4.0]]
    """
    place: dict[str, int] = {}
    rows = [place.setdefault(unit or f"\0{number}", len(place)) for number, unit in enumerate(units)]
    out = np.zeros((len(place), table.shape[1]))
    np.add.at(out, rows, table)
    return out
