"""What the times of synced lyrics are worth: a robust law for them, trust in each, and soft windows for the decoder.

An LRC file is of another master, begins with another silence, runs a little faster, has lines in wrong places, or is
of another song. The first, unsynced alignment hears most lines where they are; the hints are held against it. Hints
h and heard starts t of the same lines shall obey t = offset + slope · h. Every line, and many pairs of lines, propose
such a law; the one that most of the confident lines obey is fitted again by weighted least squares with Tukey's
biweight. Where too few lines obey it, the hints are dropped whole. A window is a soft cost, never a wall.

References
----------
Fischler and Bolles, Comm. ACM 24(6), 1981 (proposals from few points); Beaton and Tukey, Technometrics 16(2), 1974.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from melisma.core.records import LEAD, Float32, Lyrics, Word
from melisma.core.timebase import Timebase

Float64 = npt.NDArray[np.float64]

_BIWEIGHT = 4.685  # scales at which Tukey's weight is zero: 95 % efficiency for normal errors
_MAD = 1.4826  # standard deviations in a median absolute deviation of normal errors
_N_PAIRS = 3_000  # of lines that propose a slope; with half of the lines wrong, 750 are of two right ones
_N_OTHERS = 20  # orders of the gaps; what beats them all is chance in one of twenty files
_MOST_OTHER = 300  # lines that such a file is given: with more lines chance only gets rarer
MOST = 20.0  # nats that beginning a trusted line anywhere may cost: two clearly heard words outweigh that
_UNKNOWN = 0.5  # confidence of a word of which nothing is known


@dataclass(frozen=True, slots=True)
class HeardLine:
    """Where an alignment without hints begins a line, and how sure it is of that, in [0, 1]."""

    start_s: float
    confidence: float = _UNKNOWN


@dataclass(frozen=True, slots=True)
class LineWindow:
    """Where a line is expected to begin: free within ±`tolerance_s`, the dearer the further outside, never forbidden.

    `weight` in (0, 1] is the trust in the hint.
    """

    line: int
    expected_s: float
    tolerance_s: float
    weight: float

    def costs(self, starts_s: npt.ArrayLike, most: float = MOST) -> Float64:
        """Return what it costs, in nats, to begin the line at these times: 0 inside, up to `most` · weight far outside.

        One tolerance outside, four standard deviations off, costs 8 nats as it would under a normal law; it grows with
        the square from the edge on until it is cut off.
        """
        outside = np.maximum(np.abs(np.asarray(starts_s, np.float64) - self.expected_s) / self.tolerance_s - 1.0, 0.0)
        return np.asarray(self.weight * np.minimum(8.0 * outside**2, most), np.float64)


@dataclass(frozen=True, slots=True)
class SyncConfig:
    """Thresholds of the fit."""

    max_slope: float = 0.06  # what the speed may differ by
    max_offset_s: float = 90.0  # music videos have intros
    agree_s: float = 1.0  # a line within this of the law obeys it; LRC lines are tapped by hand
    # Share of the confidence that must obey, a line counting the less the further off it is: this much, and more than
    # what hints with the same gaps in another order reach by chance; but with `enough_share` no hint can do harm.
    min_share: float = 0.45
    beyond_chance: float = 0.2
    enough_share: float = 0.8
    other_version_share: float = 0.15  # added where durations differ
    min_lines: int = 3  # that must have been heard, if so many have hints
    few_lines: int = 10  # with fewer lines than this only an offset is fitted
    min_tolerance_s: float = 0.3
    max_tolerance_s: float = 1.5
    min_trust: float = 0.15  # below, a line gets no window
    near_s: float = 30.0  # lines this near speak for each other
    same_duration_s: float = 3.0  # recordings of one version differ by less


@dataclass(frozen=True, slots=True)
class SyncFit:
    """What came of the hints; without windows they are to be ignored, and `warnings` says why."""

    windows: tuple[LineWindow, ...] = ()
    offset_s: float = 0.0
    slope: float = 1.0
    scale_s: float = 0.0  # robust standard deviation of the lines that obey
    share: float = 0.0  # of the confidence that obeys, see `SyncConfig.min_share`
    trust: tuple[float, ...] = ()  # in each line's hint, [0, 1]; 0 without a hint
    same_version: bool | None = None  # by the durations; None where one is unknown
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Pairs:
    """Lines that have a hint and were heard: arrays [n]."""

    lines: npt.NDArray[np.int64]
    hints: Float64
    heard: Float64
    weights: Float64


def heard_lines(words: Sequence[Word], n_lines: int) -> tuple[HeardLine | None, ...]:
    """Return where the words of the lead begin each line; None for lines that begin with no timed word.

    The confidence is that of the line's words, the first one counting as much as all others.
    """
    by_line: list[list[Word]] = [[] for _ in range(n_lines)]
    for word in words:
        if word.voice == LEAD:
            by_line[word.line].append(word)
    found: list[HeardLine | None] = []
    for line in by_line:
        start = line[0].start_s if line else None
        if start is None:
            found.append(None)
            continue
        sure = [_UNKNOWN if word.confidence is None else word.confidence for word in line if not word.unsung]
        found.append(HeardLine(start, 0.5 * sure[0] + 0.5 * sum(sure) / len(sure)))
    return tuple(found)


def entry_costs(
    windows: Sequence[LineWindow],
    lines: npt.ArrayLike,
    n_frames: int,
    timebase: Timebase,
    most: float = MOST,
    first: int = 0,
) -> Float32:
    """Spell windows as what it costs to begin a line in each frame.

    Parameters
    ----------
    windows : sequence of LineWindow
        As `sync` made them.
    lines : int64 [n_passages]
        The line that each passage begins; -1 for one that begins no line.
    n_frames : int
        Frames that are asked for.
    timebase : Timebase
        Their clock.
    most : float
        Nats that a line far outside of its window costs, where its hint is fully trusted.
    first : int
        The first frame that is asked for.

    Returns
    -------
    float32 [n_frames, n_passages]
        Nats; 0 where there is no window. What `melisma.aligner.routes.find_route` takes as entries.
    """
    begun = np.asarray(lines, np.int64)
    costs = np.zeros((n_frames, len(begun)), np.float32)
    starts_s = (first + np.arange(n_frames)) * (timebase.stride / timebase.sample_rate)
    for window in windows:
        costs[:, begun == window.line] = window.costs(starts_s, most)[:, None]
    return costs


def sync(
    lyrics: Lyrics,
    heard: Sequence[HeardLine | None],
    duration_s: float,
    stated_duration_s: float | None = None,
    config: SyncConfig | None = None,
) -> SyncFit:
    """Hold the hints of lyrics against what was heard without them.

    Parameters
    ----------
    lyrics : Lyrics
        Lines with `start_ms` where the LRC gave one.
    heard : sequence of HeardLine or None, [n_lines]
        From `heard_lines`.
    duration_s : float
        Of the recording.
    stated_duration_s : float, optional
        Of the recording that the hints were made for, where somebody states it.
    config : SyncConfig, optional
        Thresholds.

    Returns
    -------
    SyncFit
        Windows for the lines that are trusted, in order; none, with a warning, where the hints do not fit.
    """
    config = config or SyncConfig()
    n_hints = sum(line.start_ms is not None for line in lyrics.lines)
    if not n_hints:
        return SyncFit(trust=(0.0,) * len(lyrics.lines))
    same = None if stated_duration_s is None else abs(stated_duration_s - duration_s) <= config.same_duration_s
    pairs = _paired(lyrics, heard)
    refused = _refused(lyrics, pairs, config)
    if refused is None:
        offset, slope = _fitted(pairs, config)
        residuals = pairs.heard - offset - slope * pairs.hints
        share = float(_obedience(residuals, config) @ pairs.weights / pairs.weights.sum())
        if share >= _needed(pairs, same, config):
            scale = _scale(residuals[np.abs(residuals) <= config.agree_s])
            fit = SyncFit((), offset, slope, scale, share, (), same)
            return _with_windows(fit, lyrics, heard, pairs, duration_s, config)
        refused = f"only {share:.0%} of the lines were heard where those say"
    dropped = f"the times that the lines came with were not used: {refused}"
    return SyncFit(trust=(0.0,) * len(lyrics.lines), same_version=same, warnings=(dropped,))


def _paired(lyrics: Lyrics, heard: Sequence[HeardLine | None]) -> _Pairs:
    if len(heard) != len(lyrics.lines):
        raise ValueError(f"{len(heard)} heard lines for lyrics of {len(lyrics.lines)}")
    rows = [
        (i, line.start_ms / 1000, found.start_s, max(found.confidence, 0.01) ** 2)
        for i, (line, found) in enumerate(zip(lyrics.lines, heard, strict=True))
        if line.start_ms is not None and found is not None
    ]
    table = np.array(rows, np.float64).reshape(-1, 4)
    return _Pairs(table[:, 0].astype(np.int64), table[:, 1], table[:, 2], table[:, 3])


def _refused(lyrics: Lyrics, pairs: _Pairs, config: SyncConfig) -> str | None:
    """Say why there is nothing to fit, or return None."""
    hints = [line.start_ms for line in lyrics.lines if line.start_ms is not None]
    if len(hints) > 1 and 2 * len(set(hints)) <= len(hints):
        return "most lines have the same time"
    if len(pairs.lines) < min(config.min_lines, len(hints)) or not len(pairs.lines):
        return "too few of their lines were heard"
    return None


def _fitted(pairs: _Pairs, config: SyncConfig) -> tuple[float, float]:
    """Return the offset and the slope that most of the weight obeys."""
    offsets, slopes = _proposals(pairs, config, _N_PAIRS)
    best, _ = _best(pairs, offsets, slopes, config)
    return _refined(pairs, float(offsets[best]), float(slopes[best]), config)


def _best(pairs: _Pairs, offsets: Float64, slopes: Float64, config: SyncConfig) -> tuple[int, float]:
    """Return the proposal that most of the weight obeys, and how much does."""
    best, best_score = 0, -1.0
    for begin in range(0, len(offsets), 512):
        part = slice(begin, begin + 512)
        off = pairs.heard - offsets[part, None] - slopes[part, None] * pairs.hints
        scores = _obedience(off, config) @ pairs.weights
        # Most files run at the speed of the recording: a slope must be worth three lines of a hundred.
        scores *= np.where(slopes[part] == 1.0, 1.0, 0.97)
        if scores.max() > best_score:
            best, best_score = begin + int(scores.argmax()), float(scores.max())
    return best, best_score


def _obedience(residuals: Float64, config: SyncConfig) -> Float64:
    """Return 1 for a line that is where the law says, less the further off it is, 0 from `agree_s` on."""
    return np.maximum(1.0 - (residuals / config.agree_s) ** 2, 0.0)


def _needed(pairs: _Pairs, same_version: bool | None, config: SyncConfig) -> float:
    """Return the share that must obey."""
    least = max(config.min_share, _chance(pairs, config) + config.beyond_chance)
    if same_version is False:
        least += config.other_version_share
    return min(least, config.enough_share)


def _chance(pairs: _Pairs, config: SyncConfig) -> float:
    """Return the share that hints of another song would reach: the largest of twenty with these gaps, reordered."""
    order = np.argsort(pairs.hints, kind="stable")[:_MOST_OTHER]
    gaps, heard, weights = np.diff(pairs.hints[order]), np.sort(pairs.heard[order]), pairs.weights[order]
    generator = np.random.default_rng(0)
    best = 0.0
    for _ in range(_N_OTHERS):
        hints = np.cumsum(np.concatenate([[0.0], generator.permutation(gaps)]))
        other = _Pairs(pairs.lines[order], hints, heard, weights)
        offsets, slopes = _proposals(other, config, _N_PAIRS // 6)
        best = max(best, _best(other, offsets, slopes, config)[1])
    return best / float(weights.sum())


def _proposals(pairs: _Pairs, config: SyncConfig, n_pairs: int) -> tuple[Float64, Float64]:
    """Return offsets and slopes, [n]: of every line at the recording's own speed, and of pairs far from each other."""
    n = len(pairs.hints)
    offsets, slopes = pairs.heard - pairs.hints, np.ones(n)
    if n >= config.few_lines:
        chosen = np.random.default_rng(0).integers(0, n, (n_pairs, 2))
        first, second = chosen.T
        apart = pairs.hints[second] - pairs.hints[first]
        far = apart >= 0.3 * (pairs.hints.max() - pairs.hints.min())
        first, second, apart = first[far], second[far], apart[far]
        slope = (pairs.heard[second] - pairs.heard[first]) / apart
        allowed = np.abs(slope - 1.0) <= config.max_slope
        slope, first = slope[allowed], first[allowed]
        offsets = np.concatenate([offsets, pairs.heard[first] - slope * pairs.hints[first]])
        slopes = np.concatenate([slopes, slope])
    kept = np.abs(offsets) <= config.max_offset_s
    if not kept.any():
        return np.zeros(1), np.ones(1)
    return offsets[kept], slopes[kept]


def _refined(pairs: _Pairs, offset: float, slope: float, config: SyncConfig) -> tuple[float, float]:
    """Fit again by least squares with Tukey's weights, which forget the lines that do not obey."""
    for _ in range(10):
        residuals = pairs.heard - offset - slope * pairs.hints
        obeys = np.abs(residuals) <= config.agree_s
        if not obeys.any():
            break
        reach = max(_BIWEIGHT * _scale(residuals[obeys]), 0.3)
        weights = pairs.weights * np.maximum(1.0 - (residuals / reach) ** 2, 0.0) ** 2
        total = weights.sum()
        if total <= 0:
            break
        hint, heard = (weights @ pairs.hints) / total, (weights @ pairs.heard) / total
        if slope != 1.0:
            spread = weights @ (pairs.hints - hint) ** 2
            slant = weights @ ((pairs.hints - hint) * (pairs.heard - heard)) / spread if spread > 0 else 1.0
            slope = float(np.clip(slant, 1.0 - config.max_slope, 1.0 + config.max_slope))
        offset = float(heard - slope * hint)
    return offset, slope


def _scale(residuals: Float64) -> float:
    """Return a robust standard deviation; a hundredth of a second at least, which is what an LRC file resolves."""
    return max(_MAD * float(np.median(np.abs(residuals - np.median(residuals)))), 0.01)


def _with_windows(
    fit: SyncFit,
    lyrics: Lyrics,
    heard: Sequence[HeardLine | None],
    pairs: _Pairs,
    duration_s: float,
    config: SyncConfig,
) -> SyncFit:
    residuals = pairs.heard - fit.offset_s - fit.slope * pairs.hints
    obeys = np.abs(residuals) <= config.agree_s
    tolerance = float(np.clip(2.0 * fit.scale_s, config.min_tolerance_s, config.max_tolerance_s))
    trust = np.zeros(len(lyrics.lines))
    windows: list[LineWindow] = []
    for i, line in enumerate(lyrics.lines):
        if line.start_ms is None:
            continue
        expected = fit.offset_s + fit.slope * line.start_ms / 1000
        if not -tolerance <= expected <= duration_s:
            continue  # it would begin outside of the recording
        near = pairs.weights * np.exp(-0.5 * ((pairs.hints - line.start_ms / 1000) / config.near_s) ** 2)
        near[pairs.lines == i] = 0.0
        # One line of weight speaks for the whole file: where nothing was heard nearby, its share decides.
        around = float((near[obeys].sum() + fit.share) / (near.sum() + 1.0))
        trust[i] = around * _own(heard[i], expected, fit, config)
        if trust[i] >= config.min_trust:
            windows.append(LineWindow(i, max(expected, 0.0), tolerance, float(trust[i])))
    return SyncFit(
        tuple(windows), fit.offset_s, fit.slope, fit.scale_s, fit.share, tuple(trust.tolist()), fit.same_version
    )


def _own(found: HeardLine | None, expected_s: float, fit: SyncFit, config: SyncConfig) -> float:
    """Return what a line itself says for its hint: much where it was heard there, little where it was surely not."""
    unheard = 0.7
    if found is None:
        return unheard
    off = abs(found.start_s - expected_s)
    reach = max(_BIWEIGHT * fit.scale_s, config.agree_s)
    if off < reach:
        return float(max((1.0 - (off / reach) ** 2) ** 2, unheard * (1.0 - found.confidence)))
    return unheard * float(np.clip((0.9 - found.confidence) / 0.6, 0.0, 1.0))
