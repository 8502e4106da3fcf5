"""Measures of synthesised speech against known values and independent computations."""

from __future__ import annotations

import numpy as np
import pytest

from melisma.core.errors import InputError
from melisma.metrics import cepstra, synthesis, world

RATE = 16000
FORMANTS = ((700, 80), (1200, 100), (2600, 150))


def vowel(f0_hz, n=RATE, formants=FORMANTS):
    """Pulses through resonances: a voice whose pitch and envelope are known."""
    phase = np.cumsum(np.broadcast_to(f0_hz, n)) / RATE
    sound = np.diff(np.floor(phase), prepend=0).astype(float)
    for hz, width in formants:
        radius, angle = np.exp(-np.pi * width / RATE), 2 * np.pi * hz / RATE
        a1, a2 = 2 * radius * np.cos(angle), -(radius**2)
        out = np.zeros(n)
        for t in range(n):
            out[t] = sound[t] + a1 * out[t - 1] * (t > 0) + a2 * out[t - 2] * (t > 1)
        sound = out
    return (0.3 * sound / np.abs(sound).max()).astype(np.float32)


@pytest.fixture(scope="module")
def voice():
    return vowel(150.0)


@pytest.fixture(scope="module")
def heard(voice):
    return synthesis.hear(voice)


def test_a_recording_differs_nowhere_from_itself(heard):
    scores = synthesis.compare(heard, heard)
    assert (scores.snr_db, scores.length_ratio) == (100.0, 1.0)
    assert (scores.mcd_db, scores.mcd_dtw_db, scores.log_mel, scores.voicing_error) == (0, 0, 0, 0)
    assert (scores.f0_hz, scores.f0_cents, scores.f0_gross) == (0, 0, 0)


def test_the_pitch_is_that_of_the_pulses(heard):
    voiced = heard.f0_hz[heard.f0_hz > 0]
    assert len(voiced) > 0.9 * len(heard.f0_hz)
    assert np.median(voiced) == pytest.approx(150, rel=0.005)


def test_a_semitone_is_a_hundred_cents(heard):
    higher = synthesis.hear(vowel(150 * 2 ** (1 / 12)))
    scores = synthesis.compare(heard, higher)
    assert scores.f0_cents == pytest.approx(100, abs=5)
    assert scores.f0_hz == pytest.approx(150 * (2 ** (1 / 12) - 1), abs=1)
    assert scores.f0_gross == 0
    assert synthesis.compare(heard, synthesis.hear(vowel(225.0))).f0_gross == pytest.approx(1, abs=0.03)


def test_f0_errors_are_of_frames_with_a_voice_in_both():
    said, made = np.array([100.0, 100, 0, 0, 200, 100]), np.array([110.0, 0, 0, 90, 400])
    hz, cents, gross, unlike = synthesis.f0_errors(said, made)
    assert hz == pytest.approx(np.sqrt((10**2 + 200**2) / 2))
    assert cents == pytest.approx(np.sqrt(((1200 * np.log2(1.1)) ** 2 + 1200**2) / 2))
    assert (gross, unlike) == (0.5, 0.4)
    assert synthesis.f0_errors(said[2:4], made[2:4]) == (None, None, None, 0.5)


def test_the_signal_to_noise_ratio_is_that_of_the_powers(voice):
    noise = np.random.default_rng(1).standard_normal(len(voice)).astype(np.float32)
    noise *= np.sqrt((voice**2).sum() / (noise**2).sum() / 10)
    assert synthesis.snr_db(voice, voice + noise) == pytest.approx(10, abs=1e-3)
    assert synthesis.snr_db(voice, -voice) == pytest.approx(-20 * np.log10(2), abs=1e-4)
    assert synthesis.snr_db(voice, np.zeros(0, np.float32)) is None
    assert synthesis.snr_db(np.zeros(9, np.float32), voice) is None
    assert synthesis.snr_db(voice, np.concatenate([voice, noise])) == 100.0


def test_the_distortion_is_the_formula_on_planted_cepstra():
    rng = np.random.default_rng(2)
    x, y = rng.standard_normal((2, 40, 25))
    squares = [sum((a - b) ** 2 for a, b in zip(x[t, 1:], y[t, 1:], strict=True)) for t in range(40)]
    expected = 10 / np.log(10) * sum(np.sqrt(2 * each) for each in squares) / 40
    assert synthesis.mcd_db(x, y) == pytest.approx(expected)
    louder = x.copy()
    louder[:, 0] += 9
    assert synthesis.mcd_db(x, louder) == 0
    assert synthesis.mcd_db(x, np.concatenate([x, y])) == 0


def test_what_is_said_more_slowly_is_near_when_warped():
    x = np.cumsum(np.random.default_rng(3).standard_normal((50, 25)), axis=0)
    slowly = np.repeat(x, 2, axis=0)
    assert synthesis.mcd_db(x, slowly, warped=True) == 0
    assert synthesis.mcd_db(x, slowly) > 10


def test_another_vowel_is_further_than_noise_on_the_same(voice, heard):
    other = synthesis.hear(vowel(150.0, formants=((300, 80), (2300, 100), (3000, 150))))
    noisy = synthesis.hear(voice + 1e-5 * np.random.default_rng(4).standard_normal(len(voice)).astype(np.float32))
    far, near = synthesis.compare(heard, other), synthesis.compare(heard, noisy)
    assert far.mcd_db > 2 * near.mcd_db > 0
    assert far.log_mel > near.log_mel > 0


def test_log_mels_see_a_gain_as_its_logarithm(voice, heard):
    twice = synthesis.log_mel(2 * voice)
    assert twice.shape == (50, 80)
    loud = heard.log_mel > np.log(1e-4)
    np.testing.assert_allclose((twice - heard.log_mel)[loud], np.log(2), atol=1e-4)
    assert synthesis.log_mel_distance(heard.log_mel, twice) == pytest.approx(np.log(2), rel=0.1)


def test_a_tone_is_in_its_band_and_at_its_time():
    tone = np.zeros(RATE, np.float32)
    tone[8000:] = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(8000) / RATE)
    mel = synthesis.log_mel(tone)
    edges = 700 * (10 ** (np.linspace(0, 2595 * np.log10(1 + 8000 / 700), 82) / 2595) - 1)
    band = int(mel[40].argmax())
    assert edges[band] < 1000 < edges[band + 2]
    assert mel[:23, band].max() < mel[26:49, band].min() - 5


def test_log_mels_of_a_long_recording_are_those_of_its_parts(voice, monkeypatch):
    whole = synthesis.log_mel(voice)
    monkeypatch.setattr(synthesis, "_BLOCK", 7)
    np.testing.assert_allclose(synthesis.log_mel(voice), whole, atol=1e-12)


def test_silence_is_near_silence():
    rng = np.random.default_rng(5)
    still = synthesis.hear(np.zeros(RATE, np.float32))
    dither = synthesis.hear((rng.uniform(-0.5, 0.5, RATE) / 32768).astype(np.float32))
    scores = synthesis.compare(still, dither)
    assert (scores.snr_db, scores.f0_hz) == (None, None)
    assert scores.mcd_db < 6
    assert np.isfinite([scores.mcd_dtw_db, scores.log_mel]).all()


@pytest.mark.parametrize(("sound", "said"), [(np.zeros(319), "too few"), (np.full(9000, np.nan), "no numbers")])
def test_what_cannot_be_measured_is_refused(sound, said):
    with pytest.raises(InputError, match=said):
        synthesis.hear(sound.astype(np.float32))


def test_units_are_counted_frame_by_frame_and_without_repeats():
    assert synthesis.unit_errors([5, 5, 7, 7], [5, 5, 5, 7]) == (1, 4)
    assert synthesis.unit_edits([5, 5, 7, 7], [5, 5, 5, 7]) == (0, 2)
    assert synthesis.unit_edits([1, 2, 3], []) == (3, 3)
    assert synthesis.unit_errors([], [1]) == (0, 0)


def test_a_voice_is_spoken_again_as_it_was(voice, heard):
    f0 = heard.f0_hz
    power = cepstra.to_envelope(heard.cepstra, world.N_FFT // 2 + 1)
    again = world.speak(f0, power, world.breath(voice, f0))
    assert abs(len(again) - len(voice)) <= 2 * world.HOP
    scores = synthesis.compare(heard, synthesis.hear(again))
    assert scores.mcd_db < 4
    assert scores.f0_cents < 50
    assert len(heard.f0_hz) == world.n_frames(len(voice))
