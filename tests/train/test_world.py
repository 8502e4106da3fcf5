from __future__ import annotations

import sys

import numpy as np
import pytest

pytest.importorskip("pyworld")

from melisma.core.errors import MissingDependency
from melisma.train import world
from melisma.train.world import FRAME_S, SAMPLE_RATE, WorldVoice, analyse, pitch, resynthesise

FORMANT_HZ = 1200.0


def voice(f0: float, seconds: float = 0.6) -> np.ndarray:
    """Harmonics of a pitch under one formant, as vowels have several, with half as long a silence after them."""
    t = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    sound = np.zeros(len(t))
    for k in range(1, int(6000 / f0)):
        sound += np.cos(2 * np.pi * k * f0 * t) / (1 + ((k * f0 - FORMANT_HZ) / 200) ** 2)
    return np.pad(0.1 * sound, (0, len(t) // 2)).astype(np.float32)


def middle(f0: np.ndarray) -> np.ndarray:
    """Frames well inside of the sound, which lasts for two thirds."""
    return f0[len(f0) // 6 : len(f0) // 2]


def loudest_hz(log_envelope: np.ndarray) -> float:
    return float(middle(log_envelope).mean(axis=0).argmax()) * SAMPLE_RATE / 2 / (log_envelope.shape[1] - 1)


@pytest.mark.parametrize("f0", [80.0, 130.0, 220.0, 440.0])
def test_a_pitch_is_found_within_five_cents(f0):
    found = pitch(voice(f0))
    assert np.abs(1200 * np.log2(middle(found) / f0)).max() < 5


def test_silence_and_a_hiss_have_no_pitch():
    found = pitch(voice(150.0))
    assert (found[-len(found) // 6 :] == 0).all()
    hiss = np.diff(np.random.default_rng(0).normal(0, 0.1, SAMPLE_RATE // 2), 4).astype(np.float32)
    assert (pitch(hiss) == 0).mean() > 0.95


def test_there_is_a_frame_every_five_milliseconds_from_the_first_sample_on():
    sound = voice(150.0)
    found = pitch(sound)
    assert len(found) == int(len(sound) / SAMPLE_RATE / FRAME_S) + 1
    taken = analyse(sound, found)
    assert taken.log_envelope.shape == taken.aperiodicity.shape
    assert len(taken.log_envelope) == len(taken.f0)


def test_the_envelope_has_the_formant_and_not_the_harmonics():
    for f0 in (100.0, 160.0):
        assert loudest_hz(analyse(voice(f0), pitch(voice(f0))).log_envelope) == pytest.approx(FORMANT_HZ, abs=80)


def test_digital_silence_has_a_finite_envelope_and_breath_between_none_and_all():
    silence = np.zeros(SAMPLE_RATE // 4, np.float32)
    taken = analyse(silence, pitch(silence))
    assert np.isfinite(taken.log_envelope).all()
    assert ((taken.aperiodicity >= 0) & (taken.aperiodicity <= 1)).all()


def test_a_voice_that_is_put_together_again_sounds_as_before():
    sound = voice(150.0)
    again = resynthesise(analyse(sound, pitch(sound)))
    assert again.dtype == np.float32
    assert len(again) == pytest.approx(len(sound), abs=2 * FRAME_S * SAMPLE_RATE)
    assert middle(pitch(again)) == pytest.approx(150.0, rel=0.005)
    n = SAMPLE_RATE // 10
    power = [float(np.square(x[2 * n : 5 * n]).mean()) for x in (sound, again)]
    assert 10 * np.log10(power[1] / power[0]) == pytest.approx(0, abs=2)
    assert np.square(again[-n:]).mean() < 1e-4 * power[1]


def test_the_pitch_can_be_changed_without_the_formant():
    taken = analyse(voice(150.0), pitch(voice(150.0)))
    higher = resynthesise(WorldVoice(taken.f0 * 1.5, taken.log_envelope, taken.aperiodicity))
    assert middle(pitch(higher)) == pytest.approx(225.0, rel=0.005)
    assert loudest_hz(analyse(higher, pitch(higher)).log_envelope) == pytest.approx(FORMANT_HZ, abs=120)


def test_frames_with_a_pitch_are_voiced_whatever_they_sound_like():
    """A creaky vowel must not turn into a whisper: D4C would call it noise by itself."""
    noise = np.random.default_rng(1).normal(0, 0.05, SAMPLE_RATE // 2).astype(np.float32)
    trusted = np.full(len(pitch(noise)), 120.0)
    low = slice(0, 10)  # below 160 Hz, where the first harmonic is
    assert (analyse(noise, trusted).aperiodicity[5:-5, low].mean(axis=1) < 0.5).all()


def test_without_pyworld_the_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyworld", None)
    world._pyworld.cache_clear()
    try:
        with pytest.raises(
            MissingDependency, match=r"making speech sing needs pyworld: pip install 'melisma\[train\]'"
        ):
            pitch(np.zeros(1600, np.float32))
    finally:
        world._pyworld.cache_clear()
