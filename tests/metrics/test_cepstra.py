"""Mel-cepstra against the definition by integrals, and back to the envelope that they came from."""

from __future__ import annotations

import numpy as np
import pytest

from melisma.metrics import cepstra


@pytest.fixture
def power():
    """Two smooth envelopes with peaks, as of vowels."""
    hz = np.linspace(0, 8000, 513)
    peaks = [(700, 1200, 2600), (300, 2300, 3000)]
    logs = [sum(3 * np.exp(-(((hz - peak) / 300) ** 2)) for peak in each) - hz / 2000 for each in peaks]
    return np.exp(np.array(logs))


def test_they_are_the_cosine_series_of_the_log_amplitude_over_the_warped_scale(power):
    bins = np.linspace(0, np.pi, 513)
    # The warp by the phase of the all-pass itself, and its inverse by interpolation on a fine grid.
    z = np.exp(-1j * bins)
    warped = -np.unwrap(np.angle((z - cepstra.ALPHA) / (1 - cepstra.ALPHA * z)))
    grid = np.linspace(0, np.pi, 20001)
    log_amplitude = np.array([np.interp(np.interp(grid, warped, bins), bins, np.log(each) / 2) for each in power])
    waves = np.cos(np.outer(np.arange(25), grid))
    expected = 2 / np.pi * np.trapezoid(log_amplitude[:, None] * waves, grid, axis=2)
    expected[:, 0] /= 2
    np.testing.assert_allclose(cepstra.of_envelope(power), expected, atol=2e-3)


def test_a_smooth_envelope_comes_back(power):
    many = cepstra.of_envelope(power, order=200)
    np.testing.assert_allclose(np.log(cepstra.to_envelope(many, 513)), np.log(power), atol=0.02)
    few = np.log(cepstra.to_envelope(cepstra.of_envelope(power), 513))
    assert np.sqrt(((few - np.log(power)) ** 2).mean()) < 0.2


def test_without_a_warp_they_are_the_cepstrum(power):
    plain = np.fft.irfft(np.log(power) / 2)
    expected = np.concatenate([plain[:, :1], 2 * plain[:, 1:25]], axis=1)
    np.testing.assert_allclose(cepstra.of_envelope(power, alpha=0.0), expected, atol=1e-12)


def test_a_gain_moves_the_zeroth_alone(power):
    quiet, loud = cepstra.of_envelope(power), cepstra.of_envelope(100 * power)
    np.testing.assert_allclose(loud[:, 0] - quiet[:, 0], np.log(10))
    np.testing.assert_allclose(loud[:, 1:], quiet[:, 1:], atol=1e-9)
