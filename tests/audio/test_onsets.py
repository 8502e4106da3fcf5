"""Spectral flux: onsets where something begins, none where a voice only glides, the same for a louder recording."""

import numpy as np
import pytest

from melisma.audio.onsets import HOP_S, flux, onsets
from melisma.core.records import Waveform

RATE = 16000


def noise(seconds, seed=0, level=0.003):
    return level * np.random.default_rng(seed).standard_normal(int(seconds * RATE))


def tones(times_s, seconds, hertz=440.0):
    """Notes of 150 ms that begin within 5 ms and ring off, over soft noise."""
    samples = noise(seconds)
    t = np.arange(int(0.15 * RATE)) / RATE
    note = 0.2 * np.sin(2 * np.pi * hertz * t) * np.minimum(t / 0.005, 1) * np.exp(-12 * t)
    for at in times_s:
        k = int(at * RATE)
        samples[k : k + len(note)] += note[: len(samples) - k]
    return Waveform(samples.astype(np.float32), RATE)


def onset_times(waveform):
    found = flux(waveform)
    return onsets(found) * found.timebase.seconds(1)


def test_every_note_has_an_onset_within_two_hops_and_no_bias():
    times = np.cumsum(np.random.default_rng(2).uniform(0.2, 0.6, 40))
    found = onset_times(tones(times, times[-1] + 1))
    errors = np.array([found[np.abs(found - t).argmin()] - t for t in times])
    assert np.abs(errors).max() <= 0.011
    assert abs(np.median(errors)) <= HOP_S


def test_the_strongest_peaks_are_the_notes():
    times = np.arange(0.5, 9.5, 0.5)
    waveform = tones(times, 10)
    found = flux(waveform)
    peaks = onsets(found)
    strongest = peaks[np.argsort(found.total[peaks])[-len(times) :]] * found.timebase.seconds(1)
    assert np.abs(np.sort(strongest) - times).max() <= 0.011


def test_a_trembling_voice_is_no_row_of_onsets():
    t = np.arange(5 * RATE) / RATE
    phase = 2 * np.pi * np.cumsum(300 * 2 ** (0.5 / 12 * np.sin(2 * np.pi * 6 * t))) / RATE
    voice = sum(np.sin(k * phase) / k for k in range(1, 12)) * 0.1 * np.minimum(t / 0.01, 1)
    trembling = flux(Waveform((voice + noise(5)).astype(np.float32), RATE)).total[100:-100]
    struck = flux(tones(np.arange(0.5, 4.5, 0.5), 5)).total
    assert trembling.max() < 0.5 * struck.max()


@pytest.mark.parametrize("gain", [0.01, 30.0])
def test_loudness_does_not_count(gain):
    waveform = tones([0.5, 1.0, 1.7], 3)
    louder = Waveform((waveform.samples * gain).astype(np.float32), RATE)
    np.testing.assert_allclose(flux(louder).total, flux(waveform).total, rtol=1e-3, atol=1e-4)


def test_batches_leave_no_seam():
    """A batch is 2048 frames, 10.24 s."""
    waveform = tones(np.arange(0.3, 24.5, 0.31), 25)
    whole = flux(waveform)
    late = Waveform(waveform.samples[RATE * 8 :], RATE)
    scale = np.mean(np.abs(waveform.samples)) / np.mean(np.abs(late.samples))
    part = flux(Waveform(late.samples, RATE))
    assert 0.9 < scale < 1.1
    np.testing.assert_allclose(part.total[20:-20], whole.total[1620:-20], rtol=0.15, atol=0.15)
    np.testing.assert_array_equal(onsets(part)[2:-2] + 1600, onsets(whole)[-len(onsets(part)) :][2:-2])


@pytest.mark.parametrize("n", [0, 1, 79, 80, 81, 1000])
def test_short_and_silent_recordings_have_no_onset(n):
    found = flux(Waveform(np.zeros(n, np.float32), RATE))
    assert len(found.total) == len(found.bass) == -(-n // 80)
    assert len(onsets(found)) == 0


@pytest.mark.parametrize("rate", [8000, 22050, 44100])
def test_other_rates_are_heard_at_the_same_times(rate):
    import soxr

    times = [0.5, 1.1, 1.9]
    other = soxr.resample(tones(times, 3).samples, RATE, rate).astype(np.float32)
    found = onset_times(Waveform(other, rate))
    assert max(np.abs(found - t).min() for t in times) <= 0.015
