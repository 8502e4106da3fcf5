"""A line of spoken words made to sing: consonants as spoken, vowels held to their notes, the pitch of the melody.

A note begins where its vowel begins; the consonants before a vowel take their time from the end of the note before,
as singers do. Where notes are too short for the consonants between them, the later notes give way, so that every
word keeps its sounds and its true time is where they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from melisma.core.errors import LyricsError
from melisma.core.records import Float32, Int64
from melisma.synth.psola import render
from melisma.synth.speech import SAMPLE_RATE
from melisma.synth.voice import SpokenWord

# All times below are those of unhurried singing, in seconds.
_SHORTEST_VOWEL = 0.09
_CLOSURE = 0.045  # silence before a word that begins with a plosive
_GLOTTAL = 0.03  # silence before a word that begins with a vowel
_JOINT = 0.008  # silence before any other word
_VIBRATO_DELAY, _VIBRATO_RISE = 0.25, 0.3
_ATTACK, _RELEASE = 0.002, 0.03
# Of a vowel's spoken length, what is passed at the spoken pace before the held part, and the held part itself: early
# enough that a diphthong is held on its first half and a merged liquid (ɛl, ɔːɹ) comes at the end.
_HEAD, _HELD = 0.2, 0.2


@dataclass(frozen=True, slots=True)
class Style:
    """How a line is sung: its vibrato, its glide from note to note, and how much of the usual gap parts two words."""

    vibrato_hz: float = 5.6
    vibrato_cents: float = 30.0
    glide_s: float = 0.06
    gap: float = 1.0


@dataclass(frozen=True, slots=True)
class Note:
    """A note of the melody: MIDI pitch, and the time of its vowel in seconds from the line's first beat.

    A vowel that is sung on more than one pitch (a melisma) has the further ones in `turns`; all take equal parts of it.
    """

    midi: int
    start_s: float
    length_s: float
    turns: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Held:
    """Where one syllable's vowel lies: [start, end) in samples from the line's first beat."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class SungLine:
    """Words with their notes and their exact places, ready to be heard.

    `spans` holds each word's [start, end), from its first to its last audible sound, in samples from the line's first
    beat; consonants may sound before that beat, so the first start may be negative. `vowels` is one per note.
    """

    words: tuple[SpokenWord, ...]
    notes: tuple[Note, ...]
    vowels: tuple[Held, ...]
    spans: tuple[tuple[int, int], ...]
    style: Style = Style()

    def at(self, word: int, moments: Sequence[float]) -> list[float]:
        """Map moments of a spoken word, in its samples, to the line's time, in samples from its first beat."""
        placed = list(_with_vowels(self.words, self.vowels))
        out_edges, in_edges = _time_map(*placed[word])
        return [float(t) for t in np.interp(moments, in_edges, out_edges)]


def syllables(words: Sequence[SpokenWord]) -> int:
    """Count the notes that words need."""
    return sum(len(word.nuclei) for word in words)


def lay_out(words: Sequence[SpokenWord], notes: Sequence[Note], style: Style | None = None) -> SungLine:
    """Find each word's place when it is sung to its notes, one note a syllable, without making a sound yet.

    Raises
    ------
    LyricsError
        If the number of notes is not that of the syllables, or there is no word.
    """
    needed = syllables(words)
    if not words or needed != len(notes):
        raise LyricsError(f"{len(words)} words of {needed} syllables cannot be sung to {len(notes)} notes")
    style = style or Style()
    vowels = _place(words, notes, style)
    spans = []
    for word, held in _with_vowels(words, vowels):
        first, last = word.phones[word.nuclei[0]], word.phones[word.nuclei[-1]]
        spans.append((held[0].start - first.start, held[-1].end + len(word.samples) - last.end))
    return SungLine(tuple(words), tuple(notes), tuple(vowels), tuple(spans), style)


def sing(line: SungLine) -> Float32:
    """Sing a line: float32 [n_samples] at `SAMPLE_RATE`, from the start of its first word to the end of its last."""
    origin, stop = line.spans[0][0], line.spans[-1][1]
    samples = np.zeros(stop - origin, np.float32)
    f0_hz = _pitch(line, origin, len(samples))
    for (word, held), (start, end) in zip(_with_vowels(line.words, line.vowels), line.spans, strict=True):
        out_edges, in_edges = _time_map(word, held)
        part = slice(start - origin, end - origin)
        samples[part] = render(word, out_edges - start, in_edges, f0_hz[part]) * _fades(end - start)
    return samples


def _with_vowels(words: Sequence[SpokenWord], vowels: Sequence[Held]) -> Iterator[tuple[SpokenWord, Sequence[Held]]]:
    """Pair each word with the vowels it holds."""
    at = 0
    for word in words:
        n = len(word.nuclei)
        yield word, vowels[at : at + n]
        at += n


def _samples(seconds: float) -> int:
    return round(seconds * SAMPLE_RATE)


def _gap(word: SpokenWord) -> int:
    """Silence before a word inside a line, in samples."""
    first = word.phones[0]
    return _samples(_CLOSURE if first.plosive else _GLOTTAL if first.nucleus else _JOINT)


def _place(words: Sequence[SpokenWord], notes: Sequence[Note], style: Style) -> list[Held]:
    """Give each vowel its start and end: on its note, but never so early that the vowel before it has no room."""
    around = _consonants(words, style)
    shortest = _samples(_SHORTEST_VOWEL)
    starts: list[int] = []
    for (before, _), note, previous in zip(around, notes, [None, *around[:-1]], strict=True):
        start = _samples(note.start_s)
        if previous is not None:
            start = max(start, starts[-1] + shortest + previous[1] + before)
        starts.append(start)
    begins = set(np.cumsum([len(word.nuclei) for word in words]).tolist())
    held = []
    for i, ((_, after), note) in enumerate(zip(around, notes, strict=True)):
        end = starts[i] + max(shortest, _samples(note.length_s) - after)
        if i + 1 < len(starts):
            room = starts[i + 1] - around[i + 1][0] - after
            # Inside a word there is no rest: its sounds hang together.
            end = min(end, room) if i + 1 in begins else room
        held.append(Held(starts[i], end))
    return held


def _consonants(words: Sequence[SpokenWord], style: Style) -> list[tuple[int, int]]:
    """Count the samples of consonants (and of silence between words) before and after each vowel.

    Those between two vowels of one word all count as before the second; those after a word's last vowel as after it.
    """
    out: list[tuple[int, int]] = []
    for k, word in enumerate(words):
        nuclei = word.nuclei
        for j, i in enumerate(nuclei):
            if j:
                before = word.phones[i].start - word.phones[nuclei[j - 1]].end
            else:
                before = word.phones[i].start + (round(style.gap * _gap(word)) if k else 0)
            last = j == len(nuclei) - 1
            out.append((before, len(word.samples) - word.phones[i].end if last else 0))
    return out


def _time_map(word: SpokenWord, held: Sequence[Held]) -> tuple[Int64, Int64]:
    """Map the word's time to the line's: consonants at the spoken pace, the middle of each vowel stretched."""
    first = word.phones[word.nuclei[0]]
    out, spoken = [held[0].start - first.start], [0]
    for i, place in zip(word.nuclei, held, strict=True):
        phone = word.phones[i]
        length, wanted = phone.end - phone.start, place.end - place.start
        out.append(place.start)
        spoken.append(phone.start)
        head, stretch = round(_HEAD * length), round(_HELD * length)
        if wanted > length:
            out += [place.start + head, place.end - (length - head - stretch)]
            spoken += [phone.start + head, phone.start + head + stretch]
        out.append(place.end)
        spoken.append(phone.end)
    out.append(held[-1].end + len(word.samples) - word.phones[word.nuclei[-1]].end)
    spoken.append(len(word.samples))
    return np.array(out, np.int64), np.array(spoken, np.int64)


def _pitch(line: SungLine, origin: int, n: int) -> Float32:
    """Draw the melody's pitch in Hz, float32 [n], from sample `origin`: glides between notes, vibrato on long ones."""
    notes, vowels, style = line.notes, line.vowels, line.style
    glide = _samples(style.glide_s)
    times: list[int] = []
    midi: list[float] = []
    for i, (note, vowel) in enumerate(zip(notes, vowels, strict=True)):
        # The glide ends as the vowel begins, so that the vowel itself stands on its note.
        begin = vowel.start - origin if i else 0
        for pitch, (start, end) in zip((note.midi, *note.turns), _parts(begin, vowel.end - origin, note), strict=True):
            times += [start + (min(glide, (end - start) // 2) if start > begin else 0), end]
            midi += [pitch, pitch]
        if i + 1 < len(notes):
            times[-1] = min(times[-1], max(times[-2] + 1, vowels[i + 1].start - origin - glide))
    semitones = np.interp(np.arange(n), times, midi)
    clock = np.arange(n) / SAMPLE_RATE
    for vowel in vowels:
        since = np.arange(vowel.end - vowel.start) / SAMPLE_RATE
        depth = np.clip((since - _VIBRATO_DELAY) / _VIBRATO_RISE, 0, 1) * style.vibrato_cents / 100
        part = slice(vowel.start - origin, vowel.end - origin)
        semitones[part] += depth * np.sin(2 * np.pi * style.vibrato_hz * clock[part])
    return (440.0 * 2.0 ** ((semitones - 69) / 12)).astype(np.float32)


def _parts(start: int, end: int, note: Note) -> Iterator[tuple[int, int]]:
    """Cut the time of a vowel into equal parts, one for each of its pitches."""
    n = len(note.turns) + 1
    edges = [start + (end - start) * k // n for k in range(n + 1)]
    return pairwise(edges)


def _fades(n: int) -> Float32:
    """Ramps that keep a word's ends from clicking, float32 [n]."""
    gain = np.ones(n, np.float32)
    attack, release = min(_samples(_ATTACK), n // 4), min(_samples(_RELEASE), n // 4)
    gain[:attack] = np.linspace(0, 1, attack + 1)[1:]
    gain[n - release :] = np.linspace(1, 0, release + 1)[1:]
    return gain
