"""Figures of a benchmark: what is computed of the errors, averaged over repeats and songs, and held against thresholds.

The thresholds are those that the karaoke specification proposes for a release ("Seuils go/no-go proposes"): over all
words together, AAE < 150 ms, P95 < 280 ms, Hit@150 at least 80 %, at most 2 % of the words off by more than 800 ms, and
an AAE at least 30 % below that of a baseline. No lost song is ours: without it an engine that times the first line of
each song and nothing else would pass AAE and P95, which know only of words that have a time.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from melisma.metrics import alignment as metrics

Errors = npt.NDArray[np.float64]  # signed, seconds, [n_words], NaN for a word without a time

AAE_S, P95_S, HIT150, OFF800, GAIN = 0.150, 0.280, 0.80, 0.02, 0.30
OFF_S = 0.8  # "segment catastrophique" of the specification


@dataclass(frozen=True, slots=True)
class Figures:
    """Seconds for aae, p50, p95, bias and seconds; the real-time factor for rtf; shares for the rest.

    `line_sync` is of lines, all other shares are of words; `off800` and `derail` are off by more than 0.8 and 1 s.
    `rtf` is time spent over time of the recording.
    """

    aae: float
    p50: float
    p95: float
    hit100: float
    hit150: float
    pco300: float
    perceived: float
    off800: float
    derail: float
    line_sync: float
    bias: float
    coverage: float
    seconds: float
    rtf: float


NAMES = tuple(field.name for field in fields(Figures))


@dataclass(frozen=True, slots=True)
class Repeated:
    """Figures averaged over repeats, and their sample standard deviation (0 for one repeat)."""

    mean: Figures
    spread: Figures


def figures(errors: Errors, lines: npt.ArrayLike, seconds: float, audio_s: float) -> Figures:
    """Compute the figures of one song, or of songs pooled: their errors and lines joined, their times added up."""
    scores = metrics.evaluate(errors)
    return Figures(
        aae=scores.aae,
        p50=scores.p50,
        p95=scores.p95,
        hit100=scores.hit100,
        hit150=scores.hit150,
        pco300=scores.pco300,
        perceived=scores.perceived,
        off800=metrics.beyond_rate(errors, OFF_S),
        derail=scores.derail,
        line_sync=metrics.line_sync_rate(errors, lines),
        bias=scores.bias,
        coverage=scores.coverage,
        seconds=seconds,
        rtf=seconds / audio_s if audio_s > 0 else float("nan"),
    )


def pooled(errors: Sequence[Errors], lines: Sequence[npt.NDArray[np.int64]], seconds: float, audio_s: float) -> Figures:
    """Compute the figures over the words of all songs together; lines of two songs are never one."""
    apart: list[npt.NDArray[np.int64]] = []
    n_lines = 0
    for of in lines:
        apart.append(of + n_lines)
        n_lines += int(of.max(initial=-1)) + 1
    none = np.empty(0)
    joined = np.concatenate([none, *errors])
    return figures(joined, np.concatenate([np.empty(0, np.int64), *apart]), seconds, audio_s)


def mean(of: Sequence[Figures]) -> Figures:
    """Average each figure; one that is no number (nothing was timed) is left out of its average."""
    return _each(of, lambda values: statistics.mean(values) if values else float("nan"))


def repeated(of: Sequence[Figures]) -> Repeated:
    """Average figures of repeats, with their spread."""
    spread = _each(of, lambda values: statistics.stdev(values) if len(values) > 1 else 0.0)
    return Repeated(mean(of), spread)


def _each(of: Sequence[Figures], compute: Callable[[list[float]], float]) -> Figures:
    # The exact sums of `statistics`: the mean of three equal figures is that figure, and falls on no threshold's other
    # side.
    columns = {name: [float(getattr(one, name)) for one in of] for name in NAMES}
    return Figures(**{name: compute([v for v in column if not math.isnan(v)]) for name, column in columns.items()})


@dataclass(frozen=True, slots=True)
class Check:
    """One threshold: what was measured, what is asked for, and whether it holds; None where it was not measured."""

    name: str
    value: float
    asked: str
    holds: bool | None

    @property
    def shown(self) -> str:
        """The value as a reader wants it: a count whole, no number as a dash."""
        if self.value != self.value:
            return "–"
        return f"{self.value:.0f}" if self.asked == "0" else f"{self.value:.3f}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether an engine may go: every threshold that could be judged holds, and one at least could."""

    checks: tuple[Check, ...]

    @property
    def go(self) -> bool:
        """Whether no threshold fails; a gain that was not measured does not count."""
        return all(check.holds is not False for check in self.checks)

    @property
    def failed(self) -> tuple[Check, ...]:
        """The thresholds that fail."""
        return tuple(check for check in self.checks if check.holds is False)


def judge(words: Figures, n_lost: int, gain: float | None) -> Verdict:
    """Hold the figures over all words against the thresholds; a figure that is no number fails.

    Parameters
    ----------
    words : Figures
        Over the words of all songs together, averaged over repeats.
    n_lost : int
        Songs that could not be aligned, or whose words are mostly derailed.
    gain : float or None
        Share by which the AAE is below the baseline's; None without a baseline.
    """
    return Verdict(
        (
            Check("AAE", words.aae, f"< {AAE_S:.3f} s", words.aae < AAE_S),
            Check("P95", words.p95, f"< {P95_S:.3f} s", words.p95 < P95_S),
            Check("Hit@150", words.hit150, f">= {HIT150:.0%}", words.hit150 >= HIT150),
            Check("off by > 0.8 s", words.off800, f"<= {OFF800:.0%}", words.off800 <= OFF800),
            Check("lost songs", float(n_lost), "0", n_lost == 0),
            Check("gain in AAE", float("nan") if gain is None else gain, f">= {GAIN:.0%}", _holds(gain)),
        )
    )


def _holds(gain: float | None) -> bool | None:
    return None if gain is None else gain >= GAIN


def gain_over(aae: float, baseline_aae: float) -> float | None:
    """Return by which share an AAE is below that of a baseline; None where the baseline has none or is perfect."""
    return (baseline_aae - aae) / baseline_aae if baseline_aae > 0 else None
