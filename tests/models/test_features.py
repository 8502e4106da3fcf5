from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from melisma.models import features
from melisma.models.features import FLOOR, HOP, N_MELS, SAMPLE_RATE, WINDOW, log_mel, mel_power, n_frames, normalise

EDGE = -(-WINDOW // HOP)  # frames whose window may reach over the end of a piece


def noise(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.1, n).astype(np.float32)


@pytest.mark.parametrize("n", [0, 1, HOP - 1, HOP, HOP + 1, WINDOW, 16000, 16001])
def test_there_is_one_frame_per_hop_begun(n):
    got = log_mel(noise(n))
    assert got.shape == (-(-n // HOP), N_MELS) == (n_frames(n), N_MELS)
    assert got.dtype == np.float32
    assert np.isfinite(got).all()


@pytest.mark.parametrize("frame", [0, 1, 17, 99])
def test_an_impulse_peaks_in_the_frame_that_it_is_in_the_middle_of(frame):
    samples = np.zeros(100 * HOP, np.float32)
    samples[frame * HOP + HOP // 2] = 1.0
    power = mel_power(samples).sum(axis=1)
    assert power.argmax() == frame
    if 0 < frame < 99:
        assert power[frame - 1] == pytest.approx(power[frame + 1], rel=0.02)


@settings(max_examples=25)
@given(st.integers(1, 400), st.integers(1, 400), st.integers(1, 60))
def test_memory_is_bounded_by_blocks_that_leave_no_trace(n_hops, extra, block):
    samples = noise(n_hops * 50 + extra)
    whole = mel_power(samples)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(features, "_BLOCK", block)
        np.testing.assert_allclose(mel_power(samples), whole, rtol=1e-4, atol=1e-9)


@pytest.mark.parametrize("cut", [50 * HOP, 3000 * HOP])
def test_a_long_signal_is_its_parts_but_for_the_frames_at_the_seam(cut):
    samples = noise(cut + 40 * HOP)
    whole = mel_power(samples)
    parts = np.concatenate([mel_power(samples[:cut]), mel_power(samples[cut:])])
    seam = cut // HOP
    np.testing.assert_allclose(parts[: seam - EDGE], whole[: seam - EDGE], rtol=1e-4)
    np.testing.assert_allclose(parts[seam + EDGE :], whole[seam + EDGE :], rtol=1e-4)


def test_zeros_at_the_ends_change_nothing_inside():
    samples = noise(40 * HOP)
    padded = np.pad(samples, (10 * HOP, 7 * HOP))
    np.testing.assert_allclose(mel_power(padded)[10:50], mel_power(samples), rtol=1e-4, atol=1e-9)


@pytest.mark.parametrize("hz", [100, 440, 1000, 4000, 7500])
def test_a_tone_is_heard_in_the_band_that_it_lies_in(hz):
    tone = np.sin(2 * np.pi * hz * np.arange(SAMPLE_RATE) / SAMPLE_RATE).astype(np.float32)
    loudest = mel_power(tone)[50].argmax()
    band = features.filterbank()[:, loudest]
    hertz = np.arange(len(band)) * SAMPLE_RATE / features.N_FFT
    assert abs(float((band * hertz).sum() / band.sum()) - hz) < max(60, 0.06 * hz)


def test_the_filters_cover_every_frequency_between_their_ends():
    filters = features.filterbank()
    assert filters.shape == (features.N_FFT // 2 + 1, N_MELS)
    hertz = np.arange(len(filters)) * SAMPLE_RATE / features.N_FFT
    assert (filters.sum(axis=1)[(hertz > 100) & (hertz < 7600)] > 0).all()
    assert (filters.max(axis=0) > 0).all()


def test_silence_is_the_floor_and_normalises_to_zero():
    silent = log_mel(np.zeros(16000, np.float32))
    np.testing.assert_allclose(silent, np.log(FLOOR), rtol=1e-6)
    assert np.abs(normalise(silent)).max() < 1e-3


@pytest.mark.parametrize("gain", [0.1, 3.0, 30.0])
def test_the_gain_of_a_recording_drops_out(gain):
    # Loud enough that the floor plays no part.
    samples = noise(16000)
    np.testing.assert_allclose(normalise(log_mel(samples * gain)), normalise(log_mel(samples)), atol=2e-3)


def test_the_colour_of_a_recording_drops_out():
    log_power = log_mel(noise(16000))
    colour = np.linspace(-3, 3, N_MELS, dtype=np.float32)
    np.testing.assert_allclose(normalise(log_power + colour), normalise(log_power), atol=1e-4)


def test_every_band_has_zero_mean_and_unit_deviation():
    normal = normalise(log_mel(noise(32000)))
    np.testing.assert_allclose(normal.mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(normal.std(axis=0), 1, atol=0.05)


def test_nothing_gives_nothing():
    assert normalise(log_mel(np.zeros(0, np.float32))).shape == (0, N_MELS)
