"""The embedded engine: windows leave no trace, threads and labels are the model's, silence and scraps are survived."""

from __future__ import annotations

import math

import numpy as np
import pytest
import soxr

from melisma.core import plugins
from melisma.core.records import Waveform
from melisma.engines.phone import PhoneEngine
from melisma.engines.protocol import Engine
from melisma.synth.songs import song_of_length


@pytest.fixture(scope="module")
def sung():
    mono = song_of_length(25, "en", seed=5).mono
    return Waveform(soxr.resample(mono.samples, mono.sample_rate, 16000).astype(np.float32), 16000)


def test_it_enters_by_the_door_of_every_engine():
    engine = plugins.load(plugins.ENGINES, "phone")()
    assert isinstance(engine, PhoneEngine)
    assert isinstance(engine, Engine)
    assert engine.licence.commercial


@pytest.mark.parametrize("window", [101, 256, 400])
def test_the_emission_does_not_depend_on_where_windows_fall(sung, window):
    whole = PhoneEngine(window=10**6).emit(sung)
    cut = PhoneEngine(window=window).emit(sung)
    assert len(whole.log_probs) > 2 * window
    np.testing.assert_allclose(np.exp(cut.log_probs), np.exp(whole.log_probs), atol=2e-4)
    np.testing.assert_allclose(cut.vocal, whole.vocal, atol=2e-4)


def test_an_emission_is_probabilities_one_frame_every_30_ms(sung):
    emission = PhoneEngine().emit(sung)
    assert emission.log_probs.dtype == np.float32
    assert emission.log_probs.shape == (-(-len(sung.samples) // 480), len(emission.labels))
    np.testing.assert_allclose(np.exp(emission.log_probs).sum(axis=1), 1, atol=1e-4)
    assert emission.labels[emission.blank] == ""
    assert emission.timebase.seconds(100) == 3.0
    assert emission.duration == len(sung.samples)
    assert 0 <= emission.vocal.min() <= emission.vocal.max() <= 1


@pytest.mark.parametrize("n_samples", [0, 1, 159, 160, 161, 479, 480, 481, 16000])
def test_scraps_of_any_length_give_the_frames_they_begin(n_samples):
    rng = np.random.default_rng(n_samples)
    emission = PhoneEngine().emit(Waveform(rng.normal(0, 0.1, n_samples).astype(np.float32), 16000))
    assert len(emission.log_probs) == math.ceil(n_samples / 480)
    assert np.isfinite(emission.log_probs).all()


def test_silence_is_finite():
    emission = PhoneEngine().emit(Waveform(np.zeros(32000, np.float32), 16000))
    assert np.isfinite(emission.log_probs).all()


def test_gain_changes_nothing(sung):
    engine = PhoneEngine()
    loud = engine.emit(sung)
    quiet = engine.emit(Waveform(sung.samples * np.float32(0.25), 16000))
    assert np.mean(quiet.log_probs.argmax(1) == loud.log_probs.argmax(1)) > 0.97


def test_it_hears_what_is_sung(sung):
    heard = PhoneEngine().emit(sung)
    assert np.mean(heard.vocal > 0.5) > 0.2


def test_progress_ends_at_one(sung):
    told = []
    PhoneEngine(window=200).emit(sung, told.append)
    assert told == sorted(told)
    assert told[-1] == 1.0


def test_another_rate_is_the_callers_fault(sung):
    with pytest.raises(ValueError, match="takes 16000 Hz, not 8000 Hz"):
        PhoneEngine().emit(Waveform(sung.samples, 8000))
