"""How long each sound is sung: speech time → song time, syllables on a grid of beats, pauses as between phrases."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from melisma.text.phones import VOWELS

Float64 = npt.NDArray[np.float64]
Phone = tuple[str, float, float]  # label, start and end in seconds

# A shorter gap between phones is a stop's closure or a slip of the alignment, no pause.
PAUSE_S = 0.12
# The ends of a vowel glide to and from its neighbours, and an alignment may be off by as much: held is the middle.
_GLIDE_S, _GLIDE_SHARE, _GLIDE_PACE = 0.03, 0.25, 1.3
_PAUSE_EDGE_S = 0.06  # beside a pause, breath and closures keep their pace
_LONGEST_NUCLEUS_S = 3.5
_UNITS = np.array([1, 2, 3, 4, 6, 8, 12])  # note lengths in sixteenths


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of speech [start, end) in seconds that is sung at one pace: a vowel, consonant, closure or pause."""

    kind: str  # "vowel", "consonant" or "pause"
    start: float
    end: float
    phone: int = -1  # index among the phones, -1 for none

    @property
    def length(self) -> float:
        """Seconds of speech."""
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class Note:
    """A syllable's nucleus in song time, seconds; `last` of its phrase."""

    start: float
    end: float
    last: bool


@dataclass(frozen=True, slots=True)
class TimePlan:
    """Song time against speech time, both float64 [n_knots] in seconds and rising, and where the notes are."""

    song: Float64
    speech: Float64
    notes: tuple[Note, ...]

    @property
    def duration_s(self) -> float:
        """Length of the song in seconds."""
        return float(self.song[-1])

    def to_speech(self, times: Float64) -> Float64:
        """Return where in the speech each time of the song lies."""
        return np.interp(times, self.song, self.speech)

    def to_song(self, phones: Sequence[Phone]) -> tuple[Phone, ...]:
        """Return the phones with the times at which they are sung."""
        return tuple(
            (label, float(np.interp(a, self.speech, self.song)), float(np.interp(b, self.speech, self.song)))
            for label, a, b in phones
        )


def segments(phones: Sequence[Phone], duration_s: float) -> list[Segment]:
    """Cover a clip with segments, end to end, phones and what lies between them."""
    found: list[Segment] = []
    at = 0.0
    for i, (label, start, end) in enumerate(phones):
        if start > at:
            # Before the first phone there is a pause however short.
            pause = start - at >= PAUSE_S or not found
            found.append(Segment("pause" if pause else "consonant", at, start))
        found.append(Segment("vowel" if label in VOWELS else "consonant", start, end, i))
        at = end
    if duration_s > at:
        found.append(Segment("pause", at, duration_s))
    return found


def plan(phones: Sequence[Phone], duration_s: float, held: float, beat_s: float, rng: np.random.Generator) -> TimePlan:
    """Draw a rhythm for a clip and lay its sounds out in it.

    Parameters
    ----------
    phones : sequence of (str, float, float)
        Labels and times in seconds, in order.
    duration_s : float
        Length of the speech.
    held : float
        How long vowels are held, from 0 (as short as in rap) to 1 (eight times as long as spoken).
    beat_s : float
        Seconds a beat.
    """
    parts = segments(phones, duration_s)
    lengths = np.array([s.length for s in parts])
    consonants = [i for i, s in enumerate(parts) if s.kind == "consonant"]
    lengths[consonants] *= rng.uniform(0.8, 1.5, len(consonants))
    pauses = [i for i, s in enumerate(parts) if s.kind == "pause"]
    lengths[pauses] = np.minimum(rng.gamma(2.0, 0.25, len(pauses)) + 0.1, 2.0)
    for i in {0, len(parts) - 1} & set(pauses):
        lengths[i] = rng.uniform(0.05, 0.5)
    nuclei = list(_nuclei(parts))
    unit = beat_s / 4
    for k, nucleus in enumerate(nuclei):
        follow = slice(nucleus[-1] + 1, nuclei[k + 1][0] if k + 1 < len(nuclei) else len(parts))
        spoken = float(lengths[nucleus].sum())
        sung = _note_length(spoken, float(lengths[follow].sum()), unit, held, rng)
        lengths[nucleus] = _shared(lengths[nucleus], sung, rng)
    starts = np.concatenate([[0.0], np.cumsum(lengths)])
    notes = tuple(
        Note(float(starts[n[0]]), float(starts[n[-1] + 1]), _ends_phrase(parts, n[-1] + 1, nuclei, k))
        for k, n in enumerate(nuclei)
    )
    song, speech = _knots(parts, lengths)
    return TimePlan(song, speech, notes)


def _nuclei(parts: Sequence[Segment]) -> Iterator[list[int]]:
    """Group vowels that touch, two at most: a diphthong is sung on one note."""
    group: list[int] = []
    for i, part in enumerate(parts):
        if part.kind != "vowel":
            if group:
                yield group
            group = []
        elif len(group) == 2:
            yield group
            group = [i]
        else:
            group.append(i)
    if group:
        yield group


def _ends_phrase(parts: Sequence[Segment], after: int, nuclei: Sequence[list[int]], k: int) -> bool:
    end = nuclei[k + 1][0] if k + 1 < len(nuclei) else len(parts)
    return k + 1 == len(nuclei) or any(p.kind == "pause" for p in parts[after:end])


def _note_length(spoken: float, following: float, unit: float, held: float, rng: np.random.Generator) -> float:
    """Choose how long a nucleus is sung so that the next one falls on the grid, if it can."""
    low = spoken * (1.2 + 0.8 * held)
    high = max(min(spoken * (2 + 6 * held), _LONGEST_NUCLEUS_S), low)
    weights = np.exp(-0.5 * ((np.log2(_UNITS) - 1 - 1.6 * held) / 0.9) ** 2)
    wished = int(rng.choice(_UNITS, p=weights / weights.sum()))
    fewest, most = int(np.ceil((low + following) / unit)), int((high + following) / unit)
    if fewest <= most:
        return float(np.clip(wished, fewest, most)) * unit - following
    return float(np.clip(wished * unit - following, low, high))


def _shared(spoken: Float64, sung: float, rng: np.random.Generator) -> Float64:
    """Share a note among its vowels: singers hold the first of two, mostly."""
    share = spoken / spoken.sum()
    if len(spoken) == 2:
        longest = 8 * spoken / sung  # neither more than eight times as long as spoken
        first = float(np.clip(rng.beta(5, 2), max(0.1, 1 - longest[1]), min(0.9, longest[0])))
        share = np.array([first, 1 - first])
    return np.asarray(share * sung)


def _knots(parts: Sequence[Segment], lengths: Float64) -> tuple[Float64, Float64]:
    """Return song and speech times between which the pace is constant."""
    song, speech = [0.0], [parts[0].start]
    for part, length in zip(parts, lengths, strict=True):
        spoken_edge, sung_edge = _edges(part, float(length))
        if spoken_edge > 0:
            begin = song[-1]
            song += [begin + sung_edge, begin + length - sung_edge]
            speech += [part.start + spoken_edge, part.end - spoken_edge]
            song.append(begin + length)
        else:
            song.append(song[-1] + length)
        speech.append(part.end)
    return np.array(song), np.array(speech)


def _edges(part: Segment, length: float) -> tuple[float, float]:
    """Return how much of both ends keeps its own pace, in seconds of speech and of song."""
    if part.kind == "vowel" and length > _GLIDE_PACE * part.length:
        edge = min(_GLIDE_S, _GLIDE_SHARE * part.length)
        return edge, edge * _GLIDE_PACE
    if part.kind == "pause":
        edge = 0.4 * min(_PAUSE_EDGE_S, part.length, length)
        return edge, edge
    return 0.0, 0.0
