from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from melisma.models import features
from melisma.models.features import (
    FLOOR,
    HOP,
    N_MELS,
    SAMPLE_RATE,
    WINDOW,
    log_mel,
    mel_power,
    n_frames,
    near_voice,
    normalise,
)

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


def test_counted_frames_alone_decide_how_all_are_normalised():
    frames = np.random.default_rng(4).normal(-5, 2, (300, N_MELS)).astype(np.float32)
    frames[200:] += 9
    counted = np.arange(300) < 200
    normal = normalise(frames, counted)
    np.testing.assert_allclose(normal[counted].mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(normal[counted].std(axis=0), 1, atol=1e-2)
    assert normal[~counted].mean() > 3
    np.testing.assert_allclose(normal[:200], normalise(frames[:200]), atol=1e-4)


@pytest.mark.parametrize("counted", [None, np.random.default_rng(1).random(300) < 0.5])
def test_blocks_of_statistics_leave_no_trace_and_the_result_may_take_the_place_of_what_it_is_of(counted, monkeypatch):
    frames = np.random.default_rng(4).normal(-5, 2, (300, N_MELS)).astype(np.float32)
    whole = normalise(frames, counted)
    monkeypatch.setattr(features, "_COUNTED", 7)
    np.testing.assert_allclose(normalise(frames, counted), whole, atol=1e-6)
    assert normalise(frames, counted, out=frames) is frames
    np.testing.assert_allclose(frames, whole, atol=1e-6)


def test_a_long_recording_has_one_copy_of_its_log_mels(monkeypatch):
    monkeypatch.setattr(features, "_BLOCK", 200)  # what blocks take does not grow with the recording
    monkeypatch.setattr(features, "_COUNTED", 2000)
    samples = noise(16000 * 600)
    size = 4 * N_MELS * n_frames(len(samples))
    tracemalloc.start()
    try:
        frames = log_mel(samples)
        normalise(frames, np.arange(len(frames)) % 2 == 0, out=frames)
        assert size < tracemalloc.get_traced_memory()[1] < 1.4 * size
    finally:
        tracemalloc.stop()


def test_where_no_frame_counts_all_do():
    frames = np.random.default_rng(4).normal(0, 1, (30, N_MELS)).astype(np.float32)
    np.testing.assert_array_equal(normalise(frames, np.zeros(30, bool)), normalise(frames))


@pytest.mark.parametrize("hops", [1, 3])
def test_a_voice_is_near_within_half_the_window(hops):
    per_s = 100 // hops
    vocal = np.zeros(100 * per_s, np.float32)
    vocal[40 * per_s : 60 * per_s] = 0.9
    near = near_voice(vocal, hops)
    assert near.shape == (len(vocal) * hops,)
    first, last = np.flatnonzero(near)[[0, -1]] / (per_s * hops)
    # 15 % of 16 s are 2.4 s: the voice begins to count where that much of it is within 8 s.
    assert first == pytest.approx(40 - 8 + 2.4, abs=0.2)
    assert last == pytest.approx(60 + 8 - 2.4, abs=0.2)
    assert near[np.flatnonzero(near)[0] : np.flatnonzero(near)[-1]].all()


def test_one_shout_in_a_long_solo_is_not_near_singing():
    vocal = np.zeros(3000, np.float32)
    vocal[1500:1530] = 1.0
    assert not near_voice(vocal, 3).any()
    assert near_voice(np.zeros(0, np.float32), 3).shape == (0,)
