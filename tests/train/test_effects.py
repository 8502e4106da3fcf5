import numpy as np
import pytest

from melisma.train import effects
from melisma.train.effects import EffectsConfig

RATE = 16000
NOISE = np.random.default_rng(0).normal(0, 0.1, RATE).astype(np.float32)


def band(samples, low, high):
    power = np.abs(np.fft.rfft(samples)) ** 2
    return power[int(low * len(samples) / RATE) : int(high * len(samples) / RATE)].sum()


def lag(a, b):
    cross = np.fft.irfft(np.conj(np.fft.rfft(a, 1 << 15)) * np.fft.rfft(b, 1 << 15))
    return int(np.argmax(cross))


def test_lowpass_takes_what_is_above_its_edge_and_leaves_the_rest():
    out = effects.lowpass(NOISE, RATE, 4000)
    assert band(out, 5000, 8000) < 1e-4 * band(NOISE, 5000, 8000)
    assert band(out, 100, 3900) == pytest.approx(band(NOISE, 100, 3900), rel=0.02)


@pytest.mark.parametrize("seed", range(8))
def test_a_studio_moves_nothing_in_time(seed):
    every = EffectsConfig(equaliser=1, drive=1, reverb=1, lowpass=1)
    out = effects.studio(NOISE, RATE, every, np.random.default_rng(seed))
    assert out.shape == NOISE.shape
    assert out.dtype == np.float32
    assert lag(NOISE, out) == 0


def test_an_equaliser_changes_the_colour():
    out = effects.equalise(NOISE, RATE, 6.0, np.random.default_rng(1))
    shares = [band(out, a, 2 * a) / band(NOISE, a, 2 * a) for a in (100, 400, 1600)]
    assert max(shares) > 1.2 * min(shares)


def test_drive_evens_loudness_out():
    loud_and_soft = np.concatenate([NOISE, 0.1 * NOISE])
    out = effects.drive(loud_and_soft, 3.0)
    assert out[:RATE].std() / out[RATE:].std() < 0.95 * 10
    assert effects.drive(NOISE, 0.0) is NOISE


def test_a_room_sounds_after_the_sound_and_not_before():
    click = np.zeros(RATE, np.float32)
    click[4000] = 1
    out = effects.reverberate(click, RATE, 0.8, 6.0, np.random.default_rng(0))
    assert np.abs(out[:4000]).max() < 1e-6
    assert np.sum(out[4001:] ** 2) == pytest.approx(10**-0.6, rel=0.1)


def test_a_double_is_late_and_softer():
    click = np.zeros(1000, np.float32)
    click[100] = 1
    out = effects.doubled(click, click, 300, 6.0)
    assert out[100] == 1
    assert out[400] == pytest.approx(10 ** (-6 / 20))
    assert np.count_nonzero(out) == 2
