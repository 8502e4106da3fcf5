"""What a corpus of units is made of: `motif_analysis.json`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from melisma.core.records import Int64
from melisma.units.clock import SAMPLE_RATE, STRIDE, TIMEBASE
from melisma.units.motifs import statistics
from melisma.units.motifs.corpus import Corpus, batches
from melisma.units.motifs.counts import Counts, PairCounts
from melisma.units.motifs.model import MotifModel
from melisma.units.motifs.sample import Occurrence

SCHEMA = "melisma.motifs/1"
FRAME_MS = 1000 * STRIDE / SAMPLE_RATE
N_EXAMPLES = 8
_AT_ONCE = 1 << 18  # units of a batch
_N_NEIGHBOURS = 5
_N_SPEAKERS = 5


@dataclass(frozen=True, slots=True)
class Length:
    """How long a motif lasts, in ms: its mean, and what 10 and 90 of 100 occurrences are not longer than."""

    mean: float
    p10: float
    p90: float


@dataclass(frozen=True, slots=True)
class Share:
    """Something that was counted, by its name or, for motifs, its id."""

    of: str | int
    count: int


@dataclass(frozen=True, slots=True)
class Side:
    """What stands on one side of a motif.

    Parameters
    ----------
    edge : int
        How often nothing does: the utterance begins or ends there.
    entropy : float
        Of the motifs on that side, in bits; high ones mark the edges of words.
    top : tuple of Share
        The most frequent motifs there.
    """

    edge: int
    entropy: float
    top: tuple[Share, ...]


@dataclass(frozen=True, slots=True)
class Example:
    """An occurrence: its utterance, and where it is in it, in seconds from the beginning of the utterance."""

    id: str
    speaker_id: str | None
    start: float | None
    end: float | None


@dataclass(frozen=True, slots=True)
class Motif:
    """A piece of the vocabulary that occurs; `units` of length one are units that belong to no motif where they are.

    Parameters
    ----------
    id : int
        In the model.
    units : tuple of int
        What it is made of.
    frequency : int
        How often it is in the corpus by itself.
    occurrences : int
        How often altogether, those inside longer motifs counted.
    utterances : int
        In how many it is by itself.
    length : int
        In units.
    ms : Length, optional
        In time; None where the corpus has none.
    n_speakers : int
        Who say it by itself; 0 where speakers are not known.
    speakers, languages : tuple of Share
        The most frequent ones.
    dispersion : float, optional
        0 if all speakers say it as often as they speak, 1 if one does only; None for fewer than two speakers.
    before, after : Side
        Its neighbours.
    examples : tuple of Example
        Some occurrences by itself, of many speakers.
    """

    id: int
    units: tuple[int, ...]
    frequency: int
    occurrences: int
    utterances: int
    length: int
    ms: Length | None
    n_speakers: int
    speakers: tuple[Share, ...]
    languages: tuple[Share, ...]
    dispersion: float | None
    before: Side
    after: Side
    examples: tuple[Example, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Analysis:
    """A corpus, cut into motifs.

    Parameters
    ----------
    figures : mapping
        Of the corpus as a whole; plain JSON.
    motifs : tuple of Motif
        What occurs by itself or within others, the most frequent first.
    occurrences : mapping of int to tuple of Occurrence
        The examples of each motif, with the paths of their recordings.
    """

    figures: dict[str, Any]
    motifs: tuple[Motif, ...]
    occurrences: dict[int, tuple[Occurrence, ...]]

    def to_json(self, about: dict[str, Any]) -> bytes:
        """Return `motif_analysis.json`, a motif a line; `about` is told in front."""
        head = json.dumps({"schema": SCHEMA} | about | self.figures, ensure_ascii=False, indent=1)
        rows = [json.dumps(asdict(each), ensure_ascii=False, separators=(",", ":")) for each in self.motifs]
        return (head[:-2] + ',\n "motifs": [\n  ' + ",\n  ".join(rows) + "\n ]\n}\n").encode(
            "utf-8", "backslashreplace"
        )


def analyse(corpus: Corpus, model: MotifModel, *, n_examples: int = N_EXAMPLES, seed: int = 0) -> Analysis:
    """Cut a corpus into motifs and count; reads it once, a batch of utterances in memory at a time.

    Raises
    ------
    InputError
        If a line cannot be used, or has a unit that the model does not know.
    """
    counts = Counts(model, n_examples, seed)
    for batch in batches(corpus.utterances(), lambda each: len(each.units), _AT_ONCE):
        counts.add(batch)
    altogether = model.occurrences(counts.frequency)
    sizes = _sizes(counts)
    examples = {i: tuple(counts.occurrences.of(i)) for i in np.flatnonzero(counts.frequency).tolist()}
    motifs = [
        _motif(i, counts, int(altogether[i]), sizes, examples.get(i, ()), timed=corpus.timed)
        for i in np.flatnonzero(altogether).tolist()
    ]
    motifs.sort(key=lambda each: (-each.frequency, -each.occurrences, each.id))
    return Analysis(_figures(counts, timed=corpus.timed), tuple(motifs), examples)


def _sizes(counts: Counts) -> Int64:
    """Return how many pieces each speaker says, int64 [n_speakers]; who is not known is none of them."""
    sizes = np.zeros(len(counts.speaker_names.numbers) + 1, dtype=np.int64)
    for i in np.flatnonzero(counts.frequency).tolist():
        numbers, n = counts.speakers.of(i)
        sizes[numbers] += n
    return sizes[1:]


def _motif(i: int, counts: Counts, altogether: int, sizes: Int64, found: Sequence[Occurrence], *, timed: bool) -> Motif:
    speakers = counts.speakers.of(i)
    said_by = np.zeros(len(sizes) + 1, dtype=np.int64)
    said_by[speakers[0]] = speakers[1]
    return Motif(
        id=i,
        units=counts.model.pieces[i],
        frequency=int(counts.frequency[i]),
        occurrences=altogether,
        utterances=int(counts.utterances[i]),
        length=len(counts.model.pieces[i]),
        ms=_length(*counts.durations.of(i)) if timed and counts.frequency[i] else None,
        n_speakers=int((said_by[1:] > 0).sum()),
        speakers=_most(*speakers, counts.speaker_names.listed())[:_N_SPEAKERS],
        languages=_most(*counts.languages.of(i), counts.language_names.listed()),
        dispersion=_rounded(statistics.dispersion(said_by[1:], sizes)),
        before=_side(i, counts.before),
        after=_side(i, counts.after),
        examples=tuple(_example(each, timed=timed) for each in found),
    )


def _length(frames: Int64, n: Int64) -> Length:
    mean = float(frames @ n / n.sum())
    low, high = (statistics.percentile(frames, n, share) for share in (0.1, 0.9))
    return Length(round(FRAME_MS * mean, 1), FRAME_MS * low, FRAME_MS * high)


def _most(numbers: Int64, n: Int64, names: Sequence[str]) -> tuple[Share, ...]:
    known = [(int(count), names[number]) for number, count in zip(numbers.tolist(), n.tolist(), strict=True) if number]
    return tuple(Share(name, count) for count, name in sorted(known, key=lambda each: (-each[0], each[1])))


def _side(i: int, neighbours: PairCounts) -> Side:
    ids, n = neighbours.of(i)
    edge = int(n[ids == 0].sum())
    ids, n = ids[ids > 0], n[ids > 0]
    order = np.argsort(-n, kind="stable")[:_N_NEIGHBOURS]
    top = tuple(Share(int(ids[k]), int(n[k])) for k in order)
    return Side(edge, round(statistics.entropy(n), 4), top)


def _example(each: Occurrence, *, timed: bool) -> Example:
    start, end = (TIMEBASE.seconds(at) if timed else None for at in (each.first, each.first + each.n_frames))
    return Example(each.utterance.id, each.utterance.speaker, start, end)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _figures(counts: Counts, *, timed: bool) -> dict[str, Any]:
    lengths = counts.model.lengths
    joined = lengths > 1
    n_units, n_tokens = int(counts.unit_frequency.sum()), int(counts.frequency.sum())
    seconds = TIMEBASE.seconds(int(counts.unit_frames.sum())) if timed else None
    in_motifs = counts.frequency * lengths * joined
    fitted = statistics.zipf(counts.frequency)
    return {
        "corpus": {
            "utterances": counts.n_utterances,
            "units": n_units,
            "seconds": seconds,
            "tokens": n_tokens,
            "speakers": len(counts.speaker_names.numbers),
            "languages": len(counts.language_names.numbers),
        },
        "coverage": {
            "units_in_motifs": round(float(in_motifs.sum() / n_units), 4),
            "by_the_10_most_frequent": round(_covered(in_motifs, 10) / n_units, 4),
            "by_the_100_most_frequent": round(_covered(in_motifs, 100) / n_units, 4),
            "motifs_for_half_of_the_tokens": statistics.rank_for(counts.frequency, 0.5),
            "motifs_that_occur_by_themselves": int((counts.frequency[joined] > 0).sum()),
        },
        "entropy": _entropies(counts, n_units, n_tokens, seconds),
        "zipf": None if fitted is None else {"exponent": round(fitted.exponent, 4), "r2": round(fitted.r2, 4)},
        "rate": {
            "units_per_token": round(n_units / n_tokens, 4),
            "units_per_second": None if not seconds else round(n_units / seconds, 3),
            "tokens_per_second": None if not seconds else round(n_tokens / seconds, 3),
            "ms_per_token": None if not seconds else round(1000 * seconds / n_tokens, 2),
        },
    }


def _covered(in_motifs: Int64, n: int) -> float:
    return float(np.sort(in_motifs)[::-1][:n].sum())


def _entropies(counts: Counts, n_units: int, n_tokens: int, seconds: float | None) -> dict[str, float | None]:
    """Return entropies, in bits; a second of speech needs as many as there are tokens in it, times theirs."""
    of_units, of_tokens = statistics.entropy(counts.unit_frequency), statistics.entropy(counts.frequency)
    return {
        "bits_per_unit": round(of_units, 4),
        "bits_per_token": round(of_tokens, 4),
        "bits_per_unit_in_tokens": round(of_tokens * n_tokens / n_units, 4),
        "unit_bits_per_second": None if not seconds else round(of_units * n_units / seconds, 2),
        "token_bits_per_second": None if not seconds else round(of_tokens * n_tokens / seconds, 2),
    }
