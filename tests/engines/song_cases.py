"""Songs and speech with exact truth for engines that time given lyrics by themselves."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import soundfile
import soxr

from melisma.core.records import Float32, Heard, LyricLine, Lyrics, Waveform
from melisma.synth.score import score_of_length, write_score
from melisma.synth.songs import render

RATE = 16000


@dataclass(frozen=True, slots=True)
class Case:
    """A recording at 16 kHz, its lyrics and the true onset of every word in seconds."""

    waveform: Waveform
    lyrics: Lyrics
    onsets_s: tuple[float, ...]


def lyrics(text: str) -> Lyrics:
    return Lyrics(tuple(LyricLine(tuple(line.split())) for line in text.splitlines() if line.split()))


def song(seconds: float, language: str, seed: int = 3, snr_db: float = 60.0, break_bars: int = 0) -> Case:
    """Sing with another timbre than the engines speak with, over a band so many decibels below it."""
    score = score_of_length(seconds, language, seed=seed, singer="alto")
    lines = tuple(score.lyrics.split("\n"))
    made = render(write_score(replace(score.config, lines=lines, snr_db=snr_db, break_bars=break_bars)))
    samples = soxr.resample(made.mono.samples, made.sample_rate, RATE).astype(np.float32)
    onsets = tuple(word.start / made.sample_rate for word in made.words)
    return Case(Waveform(samples, RATE), lyrics(made.lyrics), onsets)


def read_by_flite(text: str, folder: Path, pause_s: float = 0.15) -> Case:
    """Let flite say word after word, each by itself, with a pause between two."""
    if not shutil.which("flite"):
        raise AssertionError("these tests need flite: apt-get install flite")
    parts: list[Float32] = []
    onsets: list[float] = []
    at = 0
    for word in text.split():
        wave = folder / "word.wav"
        subprocess.run(["flite", "-voice", "rms", "-t", word, "-o", str(wave)], check=True)
        samples, rate = soundfile.read(wave, dtype="float32")
        sounding = np.flatnonzero(np.abs(samples) > 0.02 * np.abs(samples).max())
        samples = soxr.resample(samples[sounding[0] : sounding[-1] + 1], rate, RATE).astype(np.float32)
        for part in (np.zeros(round(pause_s * RATE), np.float32), samples):
            at += len(part)
            parts.append(part)
        onsets.append((at - len(samples)) / RATE)
    hiss = np.random.default_rng(0).normal(0, 1e-4, at + RATE // 2).astype(np.float32)
    hiss[:at] += np.concatenate(parts)
    return Case(Waveform(hiss, RATE), lyrics(text), tuple(onsets))


def errors_s(heard: Heard, case: Case) -> np.ndarray:
    """Signed errors of the words that were placed; all of them must be, in their order."""
    assert [word.index for word in heard.words] == list(range(len(case.onsets_s)))
    assert [word.text for word in heard.words] == list(case.lyrics.words)
    return np.array([heard.unit.stride * w.start / heard.unit.sample_rate for w in heard.words]) - case.onsets_s
