"""Whether an alignment may be shown: judged by evidence that the search did not optimise.

A search always finds a best path, and how sure it is of its words is its own opinion. So other witnesses are heard: is
a voice heard where words stand, and words where a voice is heard; can anybody sing so fast, or hold a note so long; and
where does a second engine put the words. Each has a threshold of its own, and one that speaks against an alignment is
enough. Where the thresholds come from and how often they err: docs/gate.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from melisma.aligner.words import LONGEST_HELD_S
from melisma.core.records import LEAD, Emission, Word

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class GateConfig:
    """Thresholds; all of them can be set (`MELISMA_GATE_…`).

    Parameters
    ----------
    min_confidence_avg : float
        Mean confidence of the words that have one.
    low_confidence, max_low_conf_ratio : float
        A word below the first is doubtful; share of those.
    max_unsung_ratio : float
        Share of words without a time.
    voice : float
        Probability of a voice from which on a frame is sung.
    max_silent_ratio : float
        Share of the time of words in which no voice is heard.
    max_unclaimed_ratio : float
        Share of the time in which a voice is heard that stands in no word.
    fastest_words_per_s, max_impossible_ratio : float
        Nobody sings a line of four words or more faster than the first, nor holds a word for `LONGEST_HELD_S`; share
        of words to which that happens. Held words are not counted where an engine does not say where a voice is heard:
        its words last to the next ones.
    apart_s, max_apart_ratio : float
        Words that a second engine starts further away than the first are disputed; share of those among the words
        that both have placed.
    """

    min_confidence_avg: float = 0.6
    low_confidence: float = 0.3
    max_low_conf_ratio: float = 0.25
    max_unsung_ratio: float = 0.5
    voice: float = 0.5
    max_silent_ratio: float = 0.15
    max_unclaimed_ratio: float = 0.6
    fastest_words_per_s: float = 10.0
    max_impossible_ratio: float = 0.05
    apart_s: float = 1.0
    max_apart_ratio: float = 0.3


@dataclass(frozen=True, slots=True)
class Measures:
    """What was measured; None where the engine says nothing of a voice, no word has a confidence, or nobody else spoke.

    The ratios are those of `GateConfig`; `apart_median_s` is how far the second engine is away in the middle.
    """

    confidence_avg: float | None
    low_conf_ratio: float
    unsung_ratio: float
    impossible_ratio: float
    silent_ratio: float | None = None
    unclaimed_ratio: float | None = None
    apart_ratio: float | None = None
    apart_median_s: float | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the gate found; `reasons` is empty where it lets the alignment pass."""

    confidence_avg: float | None
    low_conf_ratio: float
    reasons: tuple[str, ...] = ()
    measures: Measures | None = None

    @property
    def passed(self) -> bool:
        """Whether the alignment may be shown."""
        return not self.reasons


def judge(
    placed: Sequence[Word],
    emission: Emission | None = None,
    config: GateConfig | None = None,
    second: Sequence[Word] | None = None,
) -> Verdict:
    """Judge words on the timeline.

    Parameters
    ----------
    placed : sequence of Word
        Every word of the lyrics.
    emission : Emission, optional
        What the engine heard, where it emits.
    config : GateConfig, optional
        Thresholds.
    second : sequence of Word, optional
        The same words as another engine placed them.
    """
    config = config or GateConfig()
    return decide(measure(placed, emission, config, second), config)


def decide(found: Measures, config: GateConfig) -> Verdict:
    """Hold what was measured against the thresholds."""
    return Verdict(found.confidence_avg, found.low_conf_ratio, tuple(_reasons(found, config)), found)


def measure(
    placed: Sequence[Word],
    emission: Emission | None = None,
    config: GateConfig | None = None,
    second: Sequence[Word] | None = None,
) -> Measures:
    """Measure what `judge` holds against the thresholds; the parameters are its own."""
    config = config or GateConfig()
    known = [word.confidence for word in placed if word.confidence is not None and not word.unsung]
    held = emission is None or emission.vocal is not None
    silent, unclaimed = _voices(placed, emission, config)
    ratio, median = _apart(placed, second or (), config)
    return Measures(
        confidence_avg=sum(known) / len(known) if known else None,
        low_conf_ratio=sum(each < config.low_confidence for each in known) / len(known) if known else 0.0,
        unsung_ratio=sum(word.unsung for word in placed) / max(1, len(placed)),
        impossible_ratio=float(impossible(placed, config, held).mean()) if placed else 0.0,
        silent_ratio=silent,
        unclaimed_ratio=unclaimed,
        apart_ratio=ratio,
        apart_median_s=median,
    )


def impossible(placed: Sequence[Word], config: GateConfig | None = None, held: bool = True) -> Bools:
    """Return which words nobody can sing so, bool [n_words]: in a line that is too fast, or held for too long."""
    config = config or GateConfig()
    lasts = [(word.end_s or 0.0) - (word.start_s or 0.0) for word in placed]
    out = np.array([held and each >= LONGEST_HELD_S for each in lasts], np.bool_)
    lines: dict[tuple[int, int], list[int]] = {}
    for i, word in enumerate(placed):
        if word.start_s is not None and word.end_s is not None and word.end_s > word.start_s:
            lines.setdefault((word.line, word.voice), []).append(i)
    for some in lines.values():
        lasts_s = (placed[some[-1]].start_s or 0.0) - (placed[some[0]].start_s or 0.0)
        if len(some) >= _A_LINE and len(some) - 1 > config.fastest_words_per_s * lasts_s:
            out[some] = True
    return out


_A_LINE = 4  # words; of two or three that are quick nothing can be said


def _voices(placed: Sequence[Word], emission: Emission | None, config: GateConfig) -> tuple[float | None, float | None]:
    """Return the share of the words' time without a voice, and of the voice's time without a word."""
    if emission is None or emission.vocal is None:
        return None, None
    voiced = emission.vocal >= config.voice
    claimed = np.zeros(len(voiced), np.bool_)
    frame_s = emission.timebase.stride / emission.timebase.sample_rate
    for word in placed:
        if word.start_s is not None and word.end_s is not None:
            first = round(word.start_s / frame_s)
            claimed[first : max(round(word.end_s / frame_s), first + 1)] = True
    silent = float((claimed & ~voiced).sum() / claimed.sum()) if claimed.any() else None
    unclaimed = float((voiced & ~claimed).sum() / voiced.sum()) if voiced.any() else None
    return silent, unclaimed


def _apart(placed: Sequence[Word], second: Sequence[Word], config: GateConfig) -> tuple[float | None, float | None]:
    """Return the share of the words of the lead that a second engine puts elsewhere, and how far it is away."""
    if len(second) != len(placed):
        return None, None
    off = [
        abs(one.start_s - other.start_s)
        for one, other in zip(placed, second, strict=True)
        if one.start_s is not None and other.start_s is not None and one.voice == LEAD
    ]
    return (float(np.mean(np.array(off) > config.apart_s)), float(np.median(off))) if off else (None, None)


def _reasons(found: Measures, config: GateConfig) -> Iterator[str]:
    """Say what speaks against an alignment, a sentence for each threshold that it breaks."""
    average = found.confidence_avg
    if average is not None and average < config.min_confidence_avg:
        said = "are these the words of this recording, in this language?"
        yield f"the average confidence is {average:.2f}, below {config.min_confidence_avg:.2f} ({said})"
    ratios = (
        (found.low_conf_ratio, config.max_low_conf_ratio, "of the words are doubtful"),
        (found.unsung_ratio, config.max_unsung_ratio, "of the words are not found sung"),
        (found.silent_ratio, config.max_silent_ratio, "of the time of the words no voice is heard"),
        (found.unclaimed_ratio, config.max_unclaimed_ratio, "of what is sung stands in no word"),
        (
            found.impossible_ratio,
            config.max_impossible_ratio,
            "of the words are held or hurried as nobody sings (is more sung than written?)",
        ),
        (found.apart_ratio, config.max_apart_ratio, "of the words are put elsewhere by a second engine"),
    )
    for ratio, limit, said in ratios:
        if ratio is not None and ratio > limit:
            yield f"{'in ' if said.startswith('of the time') else ''}{ratio:.0%} {said}, more than {limit:.0%}"
