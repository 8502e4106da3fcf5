"""A classical baseline for any language: the lyrics are read aloud by espeak-ng and warped onto the song.

As aeneas does it: every word is spoken, the words are put together, and dynamic time warping lays the speech over the
recording, frame against frame by the cosine of their angle. What was spoken is known to the sample, so the way says
when each word is sung. As in aeneas silence in the recording is taken out before and put back after; music is not told
from voice, so an instrumental is spread over the words beside it. Where aeneas compares twelve mel-cepstra as they are,
this compares log-mels, each band with zero mean and unit deviation over its recording: another timbre than that of
espeak-ng is followed far better so (docs/baselines.md).

espeak-ng (GPL-3.0) is a library of its own that speaks here and now; nothing that it said is kept or shipped.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import soxr

from melisma.core.errors import LyricsError, TooFewFrames
from melisma.core.records import Float32, Heard, HeardWord, Int64, Lyrics, Waveform
from melisma.core.timebase import Timebase
from melisma.engines.protocol import EngineFacts, Licence, Progress, Task
from melisma.engines.warping import STEEPEST, unit_length, warp
from melisma.models import features
from melisma.synth import speech
from melisma.synth.voice import Singer, SpokenWord, speak_as
from melisma.text import espeak
from melisma.text.g2p import speakable

_CLOCK = Timebase(features.SAMPLE_RATE, features.HOP)
# A timbre without flutter, so that it says the same every time, at a speaker's pace and height.
_READER = Singer("michel", 1.0, 45, 57, speed=150, pitch=50)
_FASTEST = 400  # words a minute; beyond that espeak-ng leaves sounds out
_BESIDE = 5  # frames by which a word may overshoot a silence, and is moved to its other side
# A recording is silent where it is this much quieter than its loudest tenth, for as long as aeneas asks for.
_SILENT_DB, _SILENT_S = 40.0, 0.2
_ROOM = 0.8  # of the steepest way, that speech of a pace may take
_MEMORY_MB = 150  # measured: a song of four minutes, with the interpreter

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Reading:
    """Lyrics read aloud: float32 [n_samples] at `features.SAMPLE_RATE`, and where words stand in it.

    `words` are indices into the lyrics, `spans` their first and last frame (fractions), float64 [n, 2].
    """

    samples: Float32
    words: tuple[int, ...]
    spans: npt.NDArray[np.float64]


class DtwEngine:
    """Speech by espeak-ng, warped onto the song."""

    sample_rate = features.SAMPLE_RATE

    @property
    def facts(self) -> EngineFacts:
        """What it says of itself."""
        return EngineFacts(
            name="dtw",
            version="1",
            model_id="espeak-ng",
            model_revision="",
            licence=Licence("GPL-3.0-or-later", commercial=True),
            task=Task.PLACE,
            sample_rate=self.sample_rate,
            memory_mb=_MEMORY_MB,
            baseline=True,
        )

    def missing(self) -> str | None:
        """Return None: espeak-ng comes with the package."""
        return None

    def load(self) -> None:
        """Start espeak-ng, which happens once in a process."""
        espeak.library()

    def unload(self) -> None:
        """Do nothing: espeak-ng has no model to give back."""

    def place(self, waveform: Waveform, lyrics: Lyrics, language: str, progress: Progress | None = None) -> Heard:
        """Time every word that espeak-ng can say.

        Raises
        ------
        UnknownName
            If espeak-ng has no voice for the language.
        TooFewFrames
            If the words cannot be said in so short a time.
        """
        if waveform.sample_rate != self.sample_rate:
            raise ValueError(f"the dtw engine takes {self.sample_rate} Hz, not {waveform.sample_rate} Hz")
        code = espeak.voice_code(language)
        tell = progress or (lambda share: None)
        log_mel = features.log_mel(waveform.samples)
        heard = np.flatnonzero(~silent(log_mel))
        reading = _paced(lyrics, code, len(heard))
        tell(0.3)
        if not reading.words:
            tell(1.0)
            return Heard((), _CLOCK, language)
        path = warp(likeness(log_mel[heard]), likeness(features.log_mel(reading.samples)))
        tell(1.0)
        starts, ends = _in_song(path, reading, heard)
        most = len(waveform.samples) / features.HOP
        words = (
            HeardWord(lyrics.words[i], float(start), float(min(max(start, end), most)), index=i)
            for i, start, end in zip(reading.words, starts, ends, strict=True)
        )
        return Heard(tuple(words), _CLOCK, language)


def _in_song(path: Int64, reading: Reading, heard: Int64) -> tuple[Int64, Int64]:
    """Return where words begin and end in frames of the song, of which `heard` are those that were warped.

    A word begins with the first frame that goes with it and ends with the last one. A border that is a few frames off
    is off by all of a silence where one was taken out there: it is moved to the other side.
    """
    first, after = (np.searchsorted(path, np.floor(reading.spans[:, k])) for k in (0, 1))
    gaps = np.concatenate([[0], np.flatnonzero(np.diff(heard) > 1) + 1, [len(heard)]])
    behind = gaps[np.searchsorted(gaps, first)]
    first = np.where(behind - first <= _BESIDE, np.minimum(behind, len(heard) - 1), first)
    before = gaps[np.searchsorted(gaps, after, side="right") - 1]
    after = np.where((after - before <= _BESIDE) & (before > first), before, after)
    return heard[first], heard[np.maximum(after - 1, first)] + 1


def read_aloud(lyrics: Lyrics, code: str, speed: int = _READER.speed) -> Reading:
    """Speak the words one after the other; what has no sound is left out."""
    reader = replace(_READER, speed=speed)
    said: dict[str, SpokenWord | None] = {}
    parts: list[Float32] = [np.zeros(0, np.float32)]
    words: list[int] = []
    borders = [0]
    for i, word in enumerate(lyrics.words):
        if word not in said:
            said[word] = _spoken(word, code, reader)
        spoken = said[word]
        if spoken is not None:
            parts.append(spoken.samples)
            words.append(i)
            borders.append(borders[-1] + len(spoken.samples))
    samples = np.asarray(soxr.resample(np.concatenate(parts), speech.SAMPLE_RATE, features.SAMPLE_RATE), np.float32)
    frames = np.array(borders, np.float64) * features.SAMPLE_RATE / speech.SAMPLE_RATE / features.HOP
    return Reading(samples, tuple(words), np.stack([frames[:-1], frames[1:]], axis=1))


def _spoken(word: str, code: str, reader: Singer) -> SpokenWord | None:
    text = speakable(word)
    if text.isupper() and len(text) > 1:  # shouted; espeak-ng would spell it out
        text = text.lower()
    try:
        return speak_as(text, code, reader) if text else None
    except LyricsError:
        return None


def _paced(lyrics: Lyrics, code: str, n_frames: int) -> Reading:
    """Read aloud, faster than usual where the song would have no time for it otherwise."""
    reading = read_aloud(lyrics, code)
    n_spoken = features.n_frames(len(reading.samples))
    if n_spoken <= _ROOM * STEEPEST * n_frames:
        return reading
    speed = _READER.speed * n_spoken / max(1.0, _ROOM * STEEPEST * n_frames)
    if speed > _FASTEST:
        raise TooFewFrames(n_frames, round(n_spoken * _READER.speed / (_FASTEST * _ROOM * STEEPEST)))
    return read_aloud(lyrics, code, round(speed))


def silent(log_mel: Float32) -> Bools:
    """Tell the frames of silences, [n_frames]."""
    if not len(log_mel):
        return np.zeros(0, np.bool_)
    loudness = np.log(np.exp(log_mel).sum(axis=1))
    quiet: Bools = loudness < np.quantile(loudness, 0.9) - _SILENT_DB / 10 * np.log(10)
    quiet |= loudness < np.log(features.N_MELS * features.FLOOR * 2)
    edges = np.flatnonzero(np.diff(quiet.astype(np.int8), prepend=0, append=0))
    for first, last in edges.reshape(-1, 2):
        if (last - first) * features.HOP < _SILENT_S * features.SAMPLE_RATE:
            quiet[first:last] = False
    return quiet


def likeness(log_mel: Float32) -> Float32:
    """Return normalised log-mels of unit length, float32 [n_frames, N_MELS]: what a frame is compared by."""
    return unit_length(features.normalise(log_mel))
