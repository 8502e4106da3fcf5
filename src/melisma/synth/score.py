"""From lines of text to a score: which bar is played where, which line is sung when, and so when every word sounds."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from melisma.core.errors import InputError, LyricsError, UnknownName
from melisma.core.timebase import Timebase
from melisma.synth.accompaniment import BEATS_PER_BAR, PROGRESSIONS, STYLES, Band, Key
from melisma.synth.melody import bars_needed, compose, with_melismas
from melisma.synth.singing import SungLine, lay_out, syllables
from melisma.synth.speech import SAMPLE_RATE
from melisma.synth.voice import singer_named, speak
from melisma.synth.words import PHRASES

CLOCK = Timebase(SAMPLE_RATE)

_BREATH_S = 0.35  # rest at least between two lines
_LINES_PER_STANZA = 4
# Every so many breaks of a long song is a long one: songs get lost in instrumental gaps, so tests need some.
_LONG_BREAK_EVERY, _LONG_BREAK_BARS = 3, 8


@dataclass(frozen=True, slots=True)
class SongConfig:
    """Everything that decides a song; the same record makes the same bytes.

    `lines` are sung in order, an empty line begins a stanza. `snr_db` is the voice's power while it sings over the
    accompaniment's power in verses. `hall_s` is the time in which a hall's echo falls by 60 dB, `choir` the level of
    two voices that sing along, against the lead's; 0 is none of either. `style` is one of `accompaniment.STYLES`.
    `melisma` is the share of long notes whose vowel is sung on several pitches. Bars are of four beats.
    """

    language: str
    lines: tuple[str, ...]
    singer: str = "low"
    tempo_bpm: float = 92.0
    key: str = "C"
    seed: int = 0
    snr_db: float = 9.0
    intro_bars: int = 2
    break_bars: int = 2
    outro_bars: int = 1
    hall_s: float = 0.0
    choir: float = 0.0
    style: str = "pop"
    melisma: float = 0.0

    def __post_init__(self) -> None:
        if not 40 <= self.tempo_bpm <= 200:
            raise InputError(f"a tempo of {self.tempo_bpm} beats a minute cannot be sung: take 40 to 200")
        if self.intro_bars < 1 or self.break_bars < 0 or self.outro_bars < 0:
            raise InputError("a song needs one bar of intro at least, and no negative number of bars")
        if not -60 <= self.snr_db <= 60:
            raise InputError(f"a voice at {self.snr_db} dB over the accompaniment is out of reach: take -60 to 60")
        if not 0 <= self.hall_s <= 5:
            raise InputError(f"a hall of {self.hall_s} s is none to sing in: take 0 to 5")
        if not 0 <= self.choir <= 1:
            raise InputError(f"a choir at {self.choir} of the lead's level is out of reach: take 0 to 1")
        if not 0 <= self.melisma <= 1:
            raise InputError(f"melismas on {self.melisma} of the long notes are out of reach: take 0 to 1")
        if self.style not in STYLES:
            raise UnknownName("style of accompaniment", self.style, STYLES)
        singer_named(self.singer)
        Key.named(self.key)


@dataclass(frozen=True, slots=True)
class TrueWord:
    """A word and where it truly sounds, [start, end) in samples of the song."""

    text: str
    line: int
    start: int
    end: int

    @property
    def start_s(self) -> float:
        """Start in seconds."""
        return CLOCK.seconds(self.start)

    @property
    def end_s(self) -> float:
        """End in seconds."""
        return CLOCK.seconds(self.end)


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar: the degree of its chord, and what is played (see `accompaniment.Band.bar`)."""

    degree: int
    kind: str


@dataclass(frozen=True, slots=True)
class PlacedLine:
    """A line of the song and the sample of its first beat."""

    text: str
    at: int
    sung: SungLine


@dataclass(frozen=True, slots=True)
class Score:
    """A song before it sounds: its bars, its lines, and the true time of every word."""

    config: SongConfig
    band: Band = field(repr=False, compare=False)
    bars: tuple[Bar, ...]
    lines: tuple[PlacedLine, ...]
    words: tuple[TrueWord, ...]
    lyrics: str
    n_samples: int


class _Writer:
    """Sets bars and lines one after the other."""

    def __init__(self, config: SongConfig) -> None:
        self.config = config
        self.key = Key.named(config.key)
        compose_seed, band_seed = np.random.SeedSequence(config.seed).spawn(2)
        self.rng = np.random.default_rng(compose_seed)
        self.band = Band(self.key, config.tempo_bpm, np.random.default_rng(band_seed), config.style)
        loops = PROGRESSIONS[self.key.mode]
        self.loop = loops[int(self.rng.integers(len(loops)))]
        self.bars: list[Bar] = []
        self.lines: list[PlacedLine] = []
        self.words: list[TrueWord] = []
        self.text: list[str] = []

    def play(self, kind: str, n_bars: int) -> None:
        for _ in range(n_bars):
            degree = 0 if kind == "outro" else self.loop[len(self.bars) % len(self.loop)]
            self.bars.append(Bar(degree, kind))

    def line(self, text: str) -> tuple[PlacedLine, int]:
        """Set a line to music at the next bar; return it with the bars that it takes."""
        config = self.config
        words = [speak(word, config.language, config.singer) for word in text.split()]
        n_notes = syllables(words)
        n_bars = bars_needed(n_notes)
        chords = [self.loop[(len(self.bars) + i) % len(self.loop)] for i in range(n_bars)]
        singer = singer_named(config.singer)
        span = (singer.lowest, singer.highest)
        notes = compose(n_notes, chords, self.key, span, self.band.beat_s, self.rng)
        if config.melisma:
            # Dice of its own: a melody with melismas is the one without them, ornamented.
            dice = np.random.default_rng([config.seed, 3, len(self.lines)])
            notes = with_melismas(notes, self.key, span, config.melisma, dice)
        sung = lay_out(words, notes)
        end_s = CLOCK.seconds(sung.spans[-1][1]) + _BREATH_S
        n_bars = max(n_bars, int(np.ceil(end_s / (BEATS_PER_BAR * self.band.beat_s))))
        return PlacedLine(text, self.band.bar_start(len(self.bars)), sung), n_bars

    def add(self, placed: PlacedLine, n_bars: int) -> None:
        for word, (start, end) in zip(placed.sung.words, placed.sung.spans, strict=True):
            self.words.append(TrueWord(word.text, len(self.lines), placed.at + start, placed.at + end))
        self.lines.append(placed)
        self.text.append(placed.text)
        self.play("verse", n_bars)

    def finish(self, n_samples: int | None = None) -> Score:
        if n_samples is None:
            self.play("outro", self.config.outro_bars)
            n_samples = self.band.bar_start(len(self.bars))
        while self.band.bar_start(len(self.bars)) < n_samples:
            self.play("outro", 1)
        self.bars = [bar for i, bar in enumerate(self.bars) if self.band.bar_start(i) < n_samples]
        lyrics = "\n".join(self.text).strip() + "\n"
        parts = tuple(self.bars), tuple(self.lines), tuple(self.words)
        return Score(self.config, self.band, *parts, lyrics, n_samples)


def write_score(config: SongConfig) -> Score:
    """Set the lines of a song to music.

    Raises
    ------
    LyricsError
        If there is no line, or a word that cannot be sung.
    UnknownName
        If the language is unknown.
    """
    if not any(line.split() for line in config.lines):
        raise LyricsError("a song needs a line of words at least")
    writer = _Writer(config)
    writer.play("intro", config.intro_bars)
    for line in config.lines:
        if line.split():
            writer.add(*writer.line(" ".join(line.split())))
        elif writer.lines and writer.text[-1]:
            writer.play("break", config.break_bars)
            writer.text.append("")
    return writer.finish()


def score_of_length(seconds: float, language: str, seed: int = 0, *, singer: str = "low", snr_db: float = 9.0) -> Score:
    """Write a song of an exact length, from seconds to hours, with breaks short and long.

    Parameters
    ----------
    seconds : float
        Length of the song; the last bar is cut where it ends.
    language : str
        A language of `words.PHRASES`.
    seed : int
        Decides words, tempo, key and melody.

    Raises
    ------
    InputError
        If no line fits into the length.
    UnknownName
        If there are no words in the language.
    """
    if language not in PHRASES:
        raise UnknownName("language of synthetic songs", language, PHRASES)
    rng = np.random.default_rng([seed, 1])
    key = str(rng.choice(["C", "G", "D", "A", "F", "Am", "Em", "Dm"]))
    config = SongConfig(language, (), singer, float(rng.integers(80, 112)), key, seed, snr_db, intro_bars=1)
    openings, endings = PHRASES[language]
    n_samples = round(seconds * SAMPLE_RATE) if 0 < seconds < 1e6 else 0
    writer = _Writer(config)
    writer.play("intro", config.intro_bars)
    n_breaks = 0
    while True:
        text = f"{openings[int(rng.integers(len(openings)))]} {endings[int(rng.integers(len(endings)))]}"
        placed, n_bars = writer.line(text)
        if writer.band.bar_start(len(writer.bars) + n_bars) > n_samples:
            break
        writer.add(placed, n_bars)
        if len(writer.lines) % _LINES_PER_STANZA == 0:
            n_breaks += 1
            writer.play("break", _LONG_BREAK_BARS if n_breaks % _LONG_BREAK_EVERY == 0 else config.break_bars)
            writer.text.append("")
    if not writer.lines:
        raise InputError(f"a song of {seconds} s has no room for a line: ask for a longer one")
    return writer.finish(n_samples)
