"""Resampling keeps time: lengths and impulses at every rate."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from melisma.audio.resample import Resampler, n_resampled

RATES = (8000, 11025, 16000, 22050, 24000, 32000, 44100, 48000, 88200, 96000, 192000)


def run(x, rate, cuts=()):
    stage = Resampler(rate, 16000, x.shape[1])
    return np.concatenate([*(stage.push(part) for part in np.split(x, sorted(cuts))), stage.flush()])


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("n_channels", [1, 2])
def test_an_impulse_comes_out_at_its_time(rate, n_channels):
    for at_s in (0.0, 0.1, 0.73):
        x = np.zeros((rate, n_channels), np.float32)
        x[round(at_s * rate)] = 1
        out = run(x, rate, [rate // 3])
        assert abs(len(out) - 16000) <= 1
        assert abs(int(np.argmax(np.abs(out[:, -1]))) - at_s * 16000) <= 1


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(RATES), st.integers(1, 30_000), st.lists(st.integers(0, 30_000), max_size=5))
def test_the_result_does_not_depend_on_the_blocks(rate, n, cuts):
    x = np.random.default_rng(n).standard_normal((n, 2)).astype(np.float32)
    whole = run(x, rate)
    np.testing.assert_allclose(run(x, rate, [min(c, n) for c in cuts]), whole, atol=1e-5)
    assert abs(len(whole) - n * 16000 / rate) <= 1.5


@given(st.integers(1, 10**9), st.sampled_from(RATES))
def test_the_length_is_the_nearest_whole_number_and_never_none(n, rate):
    assert n_resampled(n, rate, 16000) >= 1
    assert abs(n_resampled(n, rate, 16000) - max(1.0, n * 16000 / rate)) <= 0.5 + 1e-6
