"""Loudness in a stream is what pyloudnorm measures of the whole."""

from __future__ import annotations

import numpy as np
import pyloudnorm
import pytest

from melisma.data.loudness import measure


def speechlike(seconds: float, rate: int) -> np.ndarray:
    random = np.random.default_rng(3)
    loud = np.repeat(10 ** random.uniform(-3.5, -0.5, int(seconds * 5) + 1), rate // 5)[: int(seconds * rate)]
    return (loud * random.standard_normal(len(loud)) * 0.3).astype(np.float32)


@pytest.mark.parametrize("rate", [16000, 44100])
@pytest.mark.parametrize("cut", [997, 65536])
def test_it_agrees_with_pyloudnorm(rate, cut):
    samples = speechlike(12.35, rate)
    wanted = pyloudnorm.Meter(rate).integrated_loudness(samples.astype(np.float64))
    assert measure((samples[at : at + cut] for at in range(0, len(samples), cut)), rate) == pytest.approx(
        wanted, abs=0.05
    )


def test_twice_as_loud_is_six_decibels_more():
    samples = speechlike(3, 16000)
    assert measure([2 * samples], 16000) - measure([samples], 16000) == pytest.approx(6.0206, abs=1e-3)


def test_less_than_a_block_is_measured_and_silence_is_not():
    tone = np.sin(np.arange(3000)).astype(np.float32)
    assert -6 < measure([tone], 16000) < 3
    assert measure([np.zeros(32000, np.float32)], 16000) is None
    assert measure([], 16000) is None
