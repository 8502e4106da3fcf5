"""What stands around the voice: the hall that it sings in, and a choir that sings along, both without a say in truth.

The lead is heard first: the choir comes a few milliseconds late and the hall later still, so that what is written of
the words stays true. Both lie beside the centre of the stereo image.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from melisma.core.records import Float32
from melisma.synth.score import PlacedLine, SongConfig
from melisma.synth.singing import Note, Style, lay_out, sing
from melisma.synth.speech import SAMPLE_RATE
from melisma.synth.voice import SINGERS, speak

_FIRST_ECHO_S = 0.015  # after the voice: a wall at two and a half metres
_WET = 0.35  # of the voice's level, in a hall
# Of each voice of the choir: semitones above the lead, position, delay in seconds, vibrato in Hz.
_VOICES = ((-12, -0.6, 0.018, 5.1), (4, 0.65, 0.027, 6.0))
_FADE_S = 0.01


class Hall:
    """Reverberation, block by block: an echo tail of noise that decays by 60 dB in `seconds`."""

    def __init__(self, seconds: float, rng: np.random.Generator) -> None:
        n = round(seconds * SAMPLE_RATE)
        late = round(_FIRST_ECHO_S * SAMPLE_RATE)
        tail = rng.standard_normal((n, 2)) * 10 ** (-3 * np.arange(n) / max(n, 1))[:, None]
        tail *= _WET / max(float(np.sqrt(np.sum(tail[:, 0] ** 2))), 1e-9)
        self._response = np.concatenate([np.zeros((late, 2)), tail])
        self._ringing = np.zeros((0, 2))

    def feed(self, voice: Float32) -> Float32:
        """Return what the hall gives back while a block of the voice sounds, float32 [n_samples, 2]."""
        n, length = len(voice), len(voice) + len(self._response) - 1
        size = 1 << (length - 1).bit_length()
        spectrum = np.fft.rfft(voice, size)[:, None] * np.fft.rfft(self._response, size, axis=0)
        heard = np.zeros((max(length, len(self._ringing)), 2))
        heard[:length] = np.fft.irfft(spectrum, size, axis=0)[:length]
        heard[: len(self._ringing)] += self._ringing
        self._ringing = heard[n:]
        return heard[:n].astype(np.float32)


def choir(line: PlacedLine, config: SongConfig) -> Iterator[tuple[int, float, Float32]]:
    """Sing a line along: first sample in the song, position between −1 and 1, and float32 [n_samples] near ±1."""
    others = [name for name in ("low", "middle", "high") if name != config.singer]
    for name, (interval, position, delay_s, vibrato_hz) in zip(others, _VOICES, strict=False):
        words = [speak(word.text, config.language, name) for word in line.sung.words]
        notes = [_moved(note, interval, name) for note in line.sung.notes]
        if len(notes) != sum(len(word.nuclei) for word in words):
            continue  # this timbre draws two syllables together: it keeps silent
        sung = lay_out(words, notes, Style(vibrato_hz=vibrato_hz))
        samples = sing(sung)
        # A voice whose consonants are longer than the lead's waits: nobody is heard before the lead.
        at = max(sung.spans[0][0], line.sung.spans[0][0]) + round(delay_s * SAMPLE_RATE)
        yield line.at + at, position, samples / np.float32(max(float(np.abs(samples).max()), 1e-9))


def _moved(note: Note, interval: int, singer: str) -> Note:
    """Move a note, and the pitches that its vowel goes on to, into the range of another singer."""
    turns = tuple(_within(midi + interval, singer) for midi in note.turns)
    return replace(note, midi=_within(note.midi + interval, singer), turns=turns)


def _within(midi: int, singer: str) -> int:
    """Put a note into a singer's range by octaves."""
    chosen = SINGERS[singer]
    while midi > chosen.highest:
        midi -= 12
    while midi < chosen.lowest:
        midi += 12
    return midi
