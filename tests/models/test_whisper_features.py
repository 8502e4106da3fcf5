from __future__ import annotations

import numpy as np
import pytest

from melisma.models.whisper_features import N_FRAMES, filterbank, log_mels

transformers = pytest.importorskip("transformers")


def sound(n_samples, seed=0):
    at = np.arange(n_samples)
    noise = np.random.default_rng(seed).normal(0, 0.05, n_samples)
    return (noise + 0.3 * np.sin(at * (0.02 + at / 4e6))).astype(np.float32)


@pytest.mark.parametrize("n_mels", [80, 128])
@pytest.mark.parametrize("n_samples", [1, 399, 16_000, 100_007, 480_000])
def test_they_are_those_of_transformers(n_mels, n_samples):
    extractor = transformers.WhisperFeatureExtractor(feature_size=n_mels)
    wanted = extractor(sound(n_samples), sampling_rate=16_000, return_tensors="np").input_features[0]
    found = log_mels(sound(n_samples), n_mels)
    assert (found.shape, found.dtype) == ((n_mels, N_FRAMES), np.float32)
    assert np.abs(found - wanted).max() < 1e-4


def test_silence_has_no_power():
    assert np.unique(log_mels(np.zeros(16_000, np.float32))).tolist() == [-1.5]


def test_what_is_over_30_seconds_is_left_out():
    long = sound(500_000)
    assert np.array_equal(log_mels(long), log_mels(long[:480_000]))


@pytest.mark.parametrize("n_mels", [80, 128])
def test_filters_are_slaneys(n_mels):
    from transformers.audio_utils import mel_filter_bank

    wanted = mel_filter_bank(201, n_mels, 0.0, 8000.0, 16_000, norm="slaney", mel_scale="slaney")
    assert np.allclose(filterbank(n_mels), wanted, atol=1e-9)
