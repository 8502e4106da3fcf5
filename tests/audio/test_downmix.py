"""The centre of a stereo image: what passes, what is turned down, what is never lost."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from melisma.audio.downmix import FLOOR, CentreMix, MeanMix

RATE = 16000


def run(stage, stereo, cuts=()):
    """Push a signal [n, n_channels] cut at some places, and flush."""
    done = [stage.push(part) for part in np.split(stereo, sorted(cuts))]
    return np.concatenate([*done, stage.flush()])


def noise(n, seed=0, n_channels=2):
    return np.random.default_rng(seed).standard_normal((n, n_channels)).astype(np.float32) * np.float32(0.1)


def rms(x):
    return float(np.sqrt(np.mean(np.square(x, dtype=np.float64))))


@pytest.mark.parametrize("n", [1, 2, 511, 512, 513, 1024, 5000, 70_001])
def test_identical_channels_give_their_mean(n):
    mono = noise(n, n_channels=1)
    out = run(CentreMix(RATE), np.repeat(mono, 2, axis=1))
    assert out.dtype == np.float32
    np.testing.assert_allclose(out, mono[:, 0], atol=3e-7)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 60_000), st.lists(st.integers(0, 60_000), max_size=8), st.integers(0, 99))
def test_the_result_does_not_depend_on_the_blocks(n, cuts, seed):
    stereo = noise(n, seed)
    whole = run(CentreMix(RATE), stereo)
    assert len(whole) == n
    np.testing.assert_array_equal(run(CentreMix(RATE), stereo, [min(c, n) for c in cuts]), whole)


def test_a_voice_in_the_centre_stays_and_the_sides_go_down():
    t = np.arange(3 * RATE) / RATE
    voice, left, right = (np.sin(2 * np.pi * f * t).astype(np.float32) for f in (440.0, 1000.0, 2500.0))
    out = run(CentreMix(RATE), np.stack([voice + left, voice + right], axis=1))[RATE : 2 * RATE]
    spectrum = np.abs(np.fft.rfft(out)) / (len(out) / 2)
    assert spectrum[440] == pytest.approx(1.0, abs=0.01)
    assert spectrum[1000] < 1.1 * FLOOR  # the mean would leave 0.5
    assert spectrum[2500] < 1.1 * FLOOR


@pytest.mark.parametrize("silent", [0, 1])
def test_a_silent_channel_only_scales_the_other(silent):
    stereo = noise(20_000)
    stereo[:, silent] = 0
    np.testing.assert_allclose(run(CentreMix(RATE), stereo), FLOOR * stereo[:, 1 - silent], atol=1e-7)


@pytest.mark.parametrize("gain", [0.8, 1.0, 1.25])
def test_opposite_phase_falls_back_to_the_louder_channel(gain):
    left = noise(20_000)[:, 0]
    stereo = np.stack([left, np.float32(-gain) * left], axis=1)
    loud = stereo[:, 1] if gain > 1 else left
    np.testing.assert_allclose(run(CentreMix(RATE), stereo), FLOOR * loud, atol=1e-7)


def test_an_impulse_in_both_channels_comes_out_where_it_went_in():
    for at in (0, 1, 511, 512, 700, 30_000):
        stereo = np.zeros((40_000, 2), np.float32)
        stereo[at] = 1
        out = run(CentreMix(RATE), stereo)
        assert int(np.argmax(np.abs(out))) == at


def test_unrelated_channels_are_not_lost():
    stereo = noise(40_000)
    assert rms(run(CentreMix(RATE), stereo)) > FLOOR * rms(stereo[:, 0]) / 2


def test_silence_stays_silence():
    out = run(CentreMix(RATE), np.zeros((5000, 2), np.float32))
    np.testing.assert_array_equal(out, np.zeros(5000, np.float32))


@pytest.mark.parametrize("rate", [8000, 16000, 44100, 48000])
def test_every_rate_has_a_window_that_adds_up_to_one(rate):
    mono = noise(10_000, n_channels=1)
    np.testing.assert_allclose(run(CentreMix(rate), np.repeat(mono, 2, axis=1)), mono[:, 0], atol=3e-7)


@pytest.mark.parametrize("n_channels", [1, 2, 3, 6, 8])
def test_the_mean_is_over_all_channels(n_channels):
    x = noise(1000, n_channels=n_channels)
    np.testing.assert_allclose(run(MeanMix(), x, [100, 700]), x.mean(axis=1), atol=1e-7)
