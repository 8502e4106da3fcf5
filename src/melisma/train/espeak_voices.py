"""espeak-ng's voices, drawn at random, speaking and singing: takes with exact phone times.

What is spoken is spoken in phrases, as long as their sounds are those that the grapheme-to-phoneme step gives word by
word; a phrase that comes out differently (weak forms, liaison) is halved, down to single words. What is sung is made of
words that were spoken alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import soxr

from melisma.core.errors import InputError, LyricsError
from melisma.core.records import Float32
from melisma.synth.accompaniment import PROGRESSIONS, Key
from melisma.synth.melody import bars_needed, compose
from melisma.synth.singing import Style, SungLine, lay_out, sing, syllables
from melisma.synth.speech import SAMPLE_RATE, utter
from melisma.synth.voice import Singer, SpokenWord, speak_as, timed
from melisma.text import espeak
from melisma.text.g2p import EspeakG2P, speakable
from melisma.train.takes import Span, Take, spell, take_of, trimmed

# espeak-ng's timbres by the pitch they are made for; left out are robots, echoes and those that hardly voice.
LOW = (
    *("", "adam", "Alex", "Andy", "announcer", "antonio", "benjamin", "boris", "david", "Denis", "Diogo", "ed"),
    *("edward", "Gene", "Gene2", "grandpa", "gustave", "Henrique", "Hugo", "ian", "iven", "iven2", "iven3", "iven4"),
    *("Jacky", "john", "klatt", "klatt2", "klatt3", "klatt4", "Lee", "m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8"),
    *("marcelo", "Marco", "Mario", "max", "Michael", "michel", "miguel", "Mike", "mike2", "Nguyen", "norbert"),
    *("pablo", "paul", "pedro", "quincy", "Reed", "rob", "robert", "sandro", "travis", "victor"),
)
HIGH = (
    *("Alicia", "Andrea", "anika", "Annie", "aunty", "belinda", "f1", "f2", "f3", "f4", "f5", "grandma", "linda"),
    *("shelby", "steph", "steph2", "steph3"),
)
_WHISPERS = ("whisper", "whisperf")  # spoken only, and seldom

_KEYS = ("C", "D", "Eb", "E", "F", "G", "A", "Bb", "Am", "Bm", "Cm", "Dm", "Em", "F#m", "Gm")
_LONGEST_PHRASE = 90  # characters, within one of espeak-ng's pieces
_WORDS_A_LINE = (3, 8)


class Mismatch(LyricsError):
    """What a voice says is not what the grapheme-to-phoneme step promises."""


@dataclass(frozen=True, slots=True)
class Speaker:
    """A voice that speaks: a timbre, its tract, and how it talks."""

    variant: str
    formant_scale: float
    speed: int
    pitch: int
    pitch_range: int
    word_gap: int


def draw_speaker(rng: np.random.Generator) -> Speaker:
    """Draw a speaking voice: one in four is a woman's, one in forty whispers."""
    kind = rng.random()
    variants = _WHISPERS if kind < 0.025 else HIGH if kind < 0.35 else LOW
    return Speaker(
        variant=str(rng.choice(variants)),
        formant_scale=float(rng.uniform(0.88, 1.18)),
        speed=int(rng.integers(110, 230)),
        pitch=int(rng.integers(25, 80)),
        pitch_range=int(rng.integers(0, 90)),
        word_gap=int(rng.choice((0, 0, 0, 1, 3))),
    )


def draw_singer(rng: np.random.Generator) -> Singer:
    """Draw a singing voice, with the pitch of its speech low enough to be measured and near to its range."""
    high = rng.random() < 0.4
    lowest = int(rng.integers(50, 62) if high else rng.integers(38, 53))
    return Singer(
        variant=str(rng.choice(HIGH if high and rng.random() < 0.8 else LOW)) if high else str(rng.choice(LOW)),
        formant_scale=float(rng.uniform(0.95, 1.22) if high else rng.uniform(0.86, 1.12)),
        lowest=lowest,
        highest=lowest + int(rng.integers(10, 18)),
        speed=int(rng.integers(115, 190)),
        pitch=int(rng.integers(30, 55) if high else rng.integers(60, 95)),
    )


def draw_style(rng: np.random.Generator) -> Style:
    """Draw a way of singing, from straight tones to a wide vibrato, with and without gaps between words."""
    return Style(
        vibrato_hz=float(rng.uniform(4.5, 7.0)),
        vibrato_cents=float(rng.choice((0.0, 1.0)) * rng.uniform(10, 110)),
        glide_s=float(rng.uniform(0.02, 0.15)),
        gap=float(rng.uniform(0.0, 1.3)),
    )


class Reader:
    """Reads texts of one language aloud and checks each sound against the grapheme-to-phoneme step."""

    def __init__(self, language: str) -> None:
        self.language = language
        self.code = espeak.voice_code(language)
        self._g2p = EspeakG2P()

    def words(self, text: str) -> list[str]:
        """Return what of each word is read aloud, words without a sound left out; shouting is lowered."""
        words = [word for raw in text.split() for word in speakable(raw).split()]
        words = [word.lower() if word.isupper() and len(word) > 1 else word for word in words]
        return [word for word in words if self._g2p.phones(word, self.language)]

    def labels(self, words: Sequence[str]) -> tuple[str, ...]:
        """Return the labels that the words promise."""
        return tuple(label for word in words for label in self._g2p.phones(word, self.language))

    def say(self, words: Sequence[str], speaker: Speaker, rng: np.random.Generator) -> Take:
        """Speak words of a text.

        Raises
        ------
        Mismatch
            If a word by itself sounds otherwise than promised.
        """
        parts: list[Float32] = []
        spans: list[Span] = []
        at = 0
        for samples, found in self._phrases(words, speaker):
            if parts:
                gap = round(rng.exponential(0.06) * SAMPLE_RATE)
                parts.append(np.zeros(gap, np.float32))
                at += gap
            spans += [Span(s.label, at + s.start, at + s.end) for s in found]
            parts.append(samples)
            at += len(samples)
        return take_of(np.concatenate(parts), spans, SAMPLE_RATE, _peak(rng), _margins(rng))

    def _phrases(self, words: Sequence[str], speaker: Speaker) -> list[tuple[Float32, list[Span]]]:
        """Speak words in as few phrases as give the promised sounds."""
        if len(" ".join(words)) <= _LONGEST_PHRASE or len(words) == 1:
            found = self._phrase(" ".join(words), speaker)
            if tuple(s.label for s in found[1]) == self.labels(words):
                return [found]
            if len(words) == 1:
                raise Mismatch(f"{words[0]!r} sounds otherwise than spelt")
        half = len(words) // 2
        return self._phrases(words[:half], speaker) + self._phrases(words[half:], speaker)

    def _phrase(self, text: str, speaker: Speaker) -> tuple[Float32, list[Span]]:
        speed = round(speaker.speed / speaker.formant_scale)
        manner = {"pitch_range": speaker.pitch_range, "word_gap": speaker.word_gap}
        samples, events = utter(text, self.code, speaker.variant, speed, speaker.pitch, **manner)
        if not np.any(samples):
            raise Mismatch(f"{text!r} has no sound")
        spans = trimmed(spell(timed(events, len(samples))), samples)
        if not spans:
            raise Mismatch(f"{text!r} has no sound")
        first, last = int(spans[0].start), round(spans[-1].end)
        shifted = soxr.resample(samples[first:last], speaker.formant_scale, 1.0)
        moved = [Span(s.label, *((t - first) / speaker.formant_scale for t in (s.start, s.end))) for s in spans]
        return np.asarray(shifted, np.float32), moved

    def sing(self, words: Sequence[str], singer: Singer, rng: np.random.Generator) -> Take:
        """Sing words of a text in a key and tempo, line by line.

        Raises
        ------
        Mismatch
            If a word by itself sounds otherwise than promised, or cannot be sung.
        """
        key, style = Key.named(str(rng.choice(_KEYS))), draw_style(rng)
        beat_s = 60 / rng.uniform(65, 165)
        loops = PROGRESSIONS[key.mode]
        loop = loops[int(rng.integers(len(loops)))]
        parts: list[Float32] = []
        spans: list[Span] = []
        at = 0
        for line in _lines(words, rng):
            if parts:
                parts.append(np.zeros(round(rng.uniform(0.1, 0.9) * SAMPLE_RATE), np.float32))
                at += len(parts[-1])
            spoken = [self._spoken(word, singer) for word in line]
            n_notes = syllables(spoken)
            chords = [loop[i % len(loop)] for i in range(bars_needed(n_notes))]
            notes = compose(n_notes, chords, key, (singer.lowest, singer.highest), beat_s, rng)
            samples, found = _sung(lay_out(spoken, notes, style), rng)
            spans += [Span(s.label, at + s.start, at + s.end) for s in found]
            parts.append(samples)
            at += len(samples)
        return take_of(np.concatenate(parts), spans, SAMPLE_RATE, _peak(rng), _margins(rng))

    def _spoken(self, word: str, singer: Singer) -> SpokenWord:
        try:
            spoken = speak_as(word, self.language, singer)
        except InputError as error:
            raise Mismatch(str(error)) from error
        if tuple(s.label for s in spell(spoken.phones)) != self.labels([word]):
            raise Mismatch(f"{word!r} sounds otherwise than spelt")
        return spoken


def _sung(line: SungLine, rng: np.random.Generator) -> tuple[Float32, list[Span]]:
    """Sing a line; its spans are in samples from the start of its first word."""
    origin = line.spans[0][0]
    samples = sing(line) * _dynamics(line.spans[-1][1] - origin, rng)
    spans = [
        Span(span.label, *(at - origin for at in line.at(k, (span.start, span.end))))
        for k, word in enumerate(line.words)
        for span in spell(word.phones)
    ]
    return samples, trimmed(spans, samples)


def _lines(words: Sequence[str], rng: np.random.Generator) -> list[Sequence[str]]:
    """Break words into lines of a few words each; no line is a single word where there are more."""
    size = int(rng.integers(*_WORDS_A_LINE, endpoint=True))
    n = max(1, round(len(words) / size))
    edges = [round(i * len(words) / n) for i in range(n + 1)]
    return [words[a:b] for a, b in pairwise(edges)]


def _dynamics(n: int, rng: np.random.Generator) -> Float32:
    """Draw a loudness that wanders by a few dB over a line, float32 [n]."""
    knots = rng.uniform(-4, 0, 5)
    return np.asarray(10 ** (np.interp(np.linspace(0, 4, n), np.arange(5), knots) / 20), np.float32)


def _peak(rng: np.random.Generator) -> float:
    return float(10 ** (rng.uniform(-12, -1) / 20))


def _margins(rng: np.random.Generator) -> tuple[float, float]:
    return float(rng.uniform(0.05, 0.5)), float(rng.uniform(0.05, 0.5))
