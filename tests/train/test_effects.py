import numpy as np
import pytest

from melisma.train import effects
from melisma.train.effects import EffectsConfig

RATE = 16000
NOISE = np.random.default_rng(0).normal(0, 0.1, RATE).astype(np.float32)


def lag(a, b):
    cross = np.fft.irfft(np.conj(np.fft.rfft(a, 1 << 15)) * np.fft.rfft(b, 1 << 15))
    return int(np.argmax(cross))


@pytest.mark.parametrize("seed", range(8))
def test_a_studio_moves_nothing_in_time(seed):
    every = EffectsConfig(equaliser=1, drive=1, reverb=1, lowpass=1)
    out = effects.studio(NOISE, RATE, every, np.random.default_rng(seed))
    assert out.shape == NOISE.shape
    assert out.dtype == np.float32
    assert lag(NOISE, out) == 0


def test_a_double_is_late_and_softer():
    click = np.zeros(1000, np.float32)
    click[100] = 1
    out = effects.doubled(click, click, 300, 6.0)
    assert out[100] == 1
    assert out[400] == pytest.approx(10 ** (-6 / 20))
    assert np.count_nonzero(out) == 2
