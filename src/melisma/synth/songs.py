"""Songs with exact truth: a score made to sound, whole or bar by bar in bounded memory.

The voice stands in the centre of the stereo image, the band is panned around it. A word's onset is where its first
sound can be heard: a voiceless plosive at its burst, a voiced one at its voice bar, anything else where it begins.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from melisma.core.records import Float32, Waveform
from melisma.synth import company
from melisma.synth.instruments import panned
from melisma.synth.score import PlacedLine, Score, SongConfig, TrueWord, score_of_length, write_score
from melisma.synth.singing import sing
from melisma.synth.speech import SAMPLE_RATE

_VOICE_RMS = 0.09  # of full scale, while it sings; leaves room for a band as loud
_VOICE_PEAK = 0.6
_FULL = 0.97
_COMPANY_PEAK = 0.35  # hall and choir together stay below this
_FADE_S = 0.02  # at the very end, where a bar may be cut


@dataclass(frozen=True, slots=True)
class Block:
    """A stretch of a song: `voice` float32 [n_samples], `backing` float32 [n_samples, 2], at `SAMPLE_RATE`."""

    voice: Float32
    backing: Float32

    @property
    def mix(self) -> Float32:
        """Both together, float32 [n_samples, 2]."""
        mixed: Float32 = self.backing + self.voice[:, None]
        return mixed


@dataclass(frozen=True, slots=True)
class Song:
    """A song and the truth about it.

    `stereo` is float32 [n_samples, 2] within ±1 at `sample_rate`; `lyrics` holds one sung line a line, with empty
    lines between stanzas; `words` are in order and say exactly when each sounds.
    """

    stereo: Float32
    sample_rate: int
    language: str
    lyrics: str
    words: tuple[TrueWord, ...]

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return len(self.stereo) / self.sample_rate

    @property
    def mono(self) -> Waveform:
        """The mean of the two channels."""
        return Waveform(self.stereo.mean(axis=1, dtype=np.float32), self.sample_rate)


def make_song(config: SongConfig) -> Song:
    """Make a song from its record: the same record, the same bytes."""
    return render(write_score(config))


def song_of_length(seconds: float, language: str, seed: int = 0) -> Song:
    """Make a song of any length, see `score_of_length`; for hours, `blocks` and `write.save` keep memory bounded."""
    return render(score_of_length(seconds, language, seed))


def render(score: Score) -> Song:
    """Make a score sound."""
    stereo = np.concatenate([block.mix for block in blocks(score)])
    return Song(stereo, SAMPLE_RATE, score.config.language, score.lyrics, score.words)


def blocks(score: Score) -> Iterator[Block]:
    """Make a score sound bar by bar; memory does not grow with the song."""
    voice_gain, band_gain = _gains(score)
    waiting = iter(score.lines)
    sounding: list[tuple[int, Float32]] = []
    beside = _Company(score, voice_gain)
    upcoming = next(waiting, None)
    ringing = np.zeros((0, 2), np.float32)
    for k, bar in enumerate(score.bars):
        start = score.band.bar_start(k)
        stop = min(score.band.bar_start(k + 1), score.n_samples)
        # A line's first consonants may sound before its bar: fetch it a bar ahead.
        while upcoming is not None and upcoming.at + upcoming.sung.spans[0][0] < stop:
            sounding.append((upcoming.at + upcoming.sung.spans[0][0], voice_gain * _levelled(upcoming)))
            beside.join(upcoming)
            upcoming = next(waiting, None)
        voice = np.zeros(stop - start, np.float32)
        for at, samples in sounding:
            _add(voice, at - start, samples)
        sounding = [(at, samples) for at, samples in sounding if at + len(samples) > stop]
        played = score.band.bar(bar.degree, bar.kind)
        buffer = np.zeros((max(len(played), len(ringing), stop - start), 2), np.float32)
        buffer[: len(played)] += played
        buffer[: len(ringing)] += ringing
        backing, ringing = band_gain * buffer[: stop - start], buffer[stop - start :]
        backing += beside.during(voice, start)
        if stop == score.n_samples:
            yield _faded(Block(voice, backing))
            return
        yield Block(voice, backing)


class _Company:
    """Hall and choir of a song as it goes on."""

    def __init__(self, score: Score, gain: float) -> None:
        config = score.config
        self._config, self._gain = config, gain
        rng = np.random.default_rng([config.seed, 2])
        self._hall = company.Hall(config.hall_s, rng) if config.hall_s else None
        self._sounding: list[tuple[int, Float32]] = []

    def join(self, line: PlacedLine) -> None:
        if self._config.choir:
            level = self._config.choir * _VOICE_PEAK * self._gain
            for at, position, samples in company.choir(line, self._config):
                self._sounding.append((at, panned(level * samples, position) * np.float32(0.5)))

    def during(self, voice: Float32, start: int) -> Float32:
        out = np.zeros((len(voice), 2), np.float32)
        for at, samples in self._sounding:
            _add(out, at - start, samples)
        stop = start + len(voice)
        self._sounding = [(at, samples) for at, samples in self._sounding if at + len(samples) > stop]
        if self._hall:
            out += self._hall.feed(voice)
        peak = np.float32(_COMPANY_PEAK * self._gain)
        return np.clip(out, -peak, peak)


def _add(target: Float32, at: int, samples: Float32) -> None:
    """Add samples that begin at index `at` of the target, which may lie outside it, as far as they overlap."""
    first, last = max(at, 0), min(at + len(samples), len(target))
    if first < last:
        target[first:last] += samples[first - at : last - at]


def _levelled(line: PlacedLine) -> Float32:
    """Sing a line at the level of all lines, measured where words sound."""
    samples = sing(line.sung)
    origin = line.sung.spans[0][0]
    n_sung = sum(end - start for start, end in line.sung.spans)
    power = sum(float(np.sum(np.square(samples[a - origin : b - origin]))) for a, b in line.sung.spans)
    gain = _VOICE_RMS / max(np.sqrt(power / n_sung), 1e-9)
    peak = float(np.abs(samples).max())
    return samples * np.float32(min(gain, _VOICE_PEAK / max(peak, 1e-9)))


def _gains(score: Score) -> tuple[float, float]:
    """Find gains of voice and band: the ratio that the song asks for, and a sum that cannot clip."""
    kinds = sorted({(bar.degree, bar.kind) for bar in score.bars})
    verses = [score.band.bar(degree, kind) for degree, kind in kinds if kind == "verse"]
    n_bar = score.band.bar_start(1)
    power = np.mean([np.mean(np.square(bar[:n_bar], dtype=np.float64)) for bar in verses])
    band = _VOICE_RMS * 10 ** (-score.config.snr_db / 20) / float(np.sqrt(power))
    rendered = [score.band.bar(*kind) for kind in kinds]
    ring = max(float(np.abs(bar[n_bar:]).max(initial=0.0)) for bar in rendered)
    peak = max(float(np.abs(bar).max()) for bar in rendered) + ring
    beside = _COMPANY_PEAK if score.config.choir or score.config.hall_s else 0.0
    room = min(1.0, _FULL / (_VOICE_PEAK + beside + band * peak))
    return room, room * band


def _faded(block: Block) -> Block:
    """Let the last moments fall to silence."""
    n = min(len(block.voice), round(_FADE_S * SAMPLE_RATE))
    gain = np.ones(len(block.voice), np.float32)
    gain[len(gain) - n :] = np.linspace(1, 0, n)
    return Block(block.voice * gain, block.backing * gain[:, None])
