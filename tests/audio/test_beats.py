"""Beats at a known tempo, which of them are strong, and none where nothing comes back."""

import numpy as np
import pytest

from melisma.audio import beats
from melisma.audio.onsets import flux
from melisma.core.records import Waveform

RATE = 16000


def band(bpm, metre=2, seconds=25.0, first_s=0.2, drift=0.0):
    """Give a pulse with a bass drum on each first beat of a bar, and its times."""
    rng = np.random.default_rng(4)
    samples = 0.01 * rng.standard_normal(int(seconds * RATE))
    t = np.arange(int(0.1 * RATE)) / RATE
    tick, drum = (a * np.sin(2 * np.pi * f * t) * np.exp(-35 * t) for a, f in ((0.3, 900), (0.5, 80)))
    times, at = [], first_s
    while at < seconds - 0.2:
        times.append(at)
        at += 60 / bpm * (1 + drift * np.sin(len(times) / 5))
    for i, at in enumerate(times):
        k = int(at * RATE)
        samples[k : k + len(t)] += tick + (drum if i % metre == 0 else 0)
    return Waveform(samples.astype(np.float32), RATE), np.array(times)


@pytest.mark.parametrize("bpm", [66, 80, 97, 120, 141, 170])
@pytest.mark.parametrize("metre", [2, 3])
def test_beats_are_found_within_20_ms_and_the_drum_marks_the_strong_ones(bpm, metre):
    waveform, times = band(bpm, metre)
    found = beats.track(flux(waveform))
    assert found.period_s == pytest.approx(60 / bpm, rel=0.01)
    inside = found.times_s[1:-1]
    assert np.abs(inside[:, None] - times).min(axis=1).max() <= 0.02
    assert np.abs(times[1:-1, None] - found.times_s).min(axis=1).max() <= 0.02  # and none is left out
    strong = found.times_s[found.strong]
    assert np.abs(strong[1:-1, None] - times[::metre]).min(axis=1).max() <= 0.02


def test_a_tempo_that_breathes_is_followed():
    waveform, times = band(110, drift=0.04)
    found = beats.track(flux(waveform))
    assert np.median(np.abs(found.times_s[:, None] - times).min(axis=1)) <= 0.02


@pytest.mark.parametrize("seed", range(4))
def test_noise_has_no_beat(seed):
    samples = 0.1 * np.random.default_rng(seed).standard_normal(20 * RATE)
    found = beats.track(flux(Waveform(samples.astype(np.float32), RATE)))
    assert (len(found.times_s), len(found.strong), found.period_s) == (0, 0, 0.0)


@pytest.mark.parametrize("n", [0, 1, 500, RATE // 2, RATE])
def test_what_is_short_or_silent_has_no_beat(n):
    assert len(beats.track(flux(Waveform(np.zeros(n, np.float32), RATE))).times_s) == 0


def test_the_path_is_the_best_of_all():
    """Against a search of every sequence of beats on a short envelope."""
    rng = np.random.default_rng(0)
    envelope = np.abs(rng.standard_normal(21))
    period = 5.0
    found = beats._path(envelope, period)
    reach = np.arange(-3, 4)
    local = np.convolve(envelope, np.exp(-0.5 * reach**2), "same")

    def worth(path):
        gaps = np.diff(path)
        return local[path].sum() - 100.0 * (np.log(gaps / period) ** 2).sum()

    def grow(path):
        yield path
        for gap in range(2, 11):
            if path[-1] + gap < len(envelope):
                yield from grow([*path, path[-1] + gap])

    # The first beat may lie anywhere in reach of the beginning, the last one within a period of the end.
    every = [np.array(p) for first in range(10) for p in grow([first]) if p[-1] >= len(envelope) - 5]
    best = max(worth(p) + _free(p[0], period) for p in every)
    assert worth(found) + _free(found[0], period) == pytest.approx(best)


def _free(first, period):
    """Return what the step from before the recording to the first beat costs: the nearest to a period in reach."""
    gaps = np.arange(max(first + 1, 2), 11)
    return float((-100.0 * np.log(gaps / period) ** 2).max()) if len(gaps) else 0.0
