from __future__ import annotations

import numpy as np
import pytest

from melisma.train.sound_effects import LOUDNESS_DB, Effects, compress, filtered, normalise, process, saturate, widen

RATE = 16000


def rng(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


def tone(hertz: float, seconds: float = 1.0, gain: float = 0.1) -> np.ndarray:
    wave = gain * np.sin(2 * np.pi * hertz * np.arange(round(seconds * RATE)) / RATE)
    return np.stack([wave, wave], axis=1).astype(np.float32)


def noise(seconds: float = 1.0, gain: float = 0.1) -> np.ndarray:
    return rng().normal(0, gain, (round(seconds * RATE), 2)).astype(np.float32)


def rms_db(sound: np.ndarray) -> float:
    return float(10 * np.log10((sound.astype(np.float64) ** 2).mean()))


@pytest.mark.parametrize("gain", [0.001, 0.1, 30.0])
def test_every_mix_comes_out_equally_loud(gain):
    assert rms_db(normalise(noise(gain=gain), RATE)) == pytest.approx(LOUDNESS_DB, abs=0.2)


def test_pauses_do_not_make_the_rest_louder():
    with_pause = np.concatenate([tone(440), np.zeros((3 * RATE, 2), np.float32)])
    assert rms_db(normalise(with_pause, RATE)[:RATE]) == pytest.approx(LOUDNESS_DB, abs=0.2)


def test_peaks_are_rounded_below_full_scale():
    clicks = noise(gain=0.01)
    clicks[::4000] = 5.0
    out = normalise(clicks, RATE)
    assert 0.7 < np.abs(out).max() < 1.0


def test_silence_stays_silence():
    silence = np.zeros((RATE, 2), np.float32)
    out = process(silence, RATE, RATE, Effects(drive=0.5, room_s=0.5, room_share=0.3, ratio=4))
    assert np.abs(out).max() < 1e-6


def test_width_zero_is_mono():
    out = widen(noise(), 0.0)
    assert np.allclose(out[:, 0], out[:, 1])


def test_sides_never_drown_the_middle():
    left = noise()
    left[:, 1] = -0.9 * left[:, 0]  # nearly out of phase
    out = widen(left, 1.4)
    middle, sides = out.sum(axis=1), out[:, 0] - out[:, 1]
    assert (sides**2).mean() == pytest.approx(0.6 * (middle**2).mean(), rel=1e-3)


def test_a_narrow_mix_is_left_as_it_is():
    sound = tone(300) + np.float32(0.1) * noise()
    assert np.allclose(widen(sound, 1.0), sound, atol=1e-6)


def test_drive_adds_harmonics():
    def third(sound: np.ndarray) -> float:
        spectrum = np.abs(np.fft.rfft(sound[:, 0]))
        return float(spectrum[1500] / spectrum[500])

    sound = tone(500)
    assert third(saturate(sound, 0.0)) < 1e-3
    assert third(saturate(sound, 0.8)) > 0.1


@pytest.mark.parametrize(("hertz", "gain_db"), [(500.0, -3.0), (1000.0, 0.0), (4000.0, 6.0)])
def test_tilt_raises_each_octave_by_as_much(hertz, gain_db):
    sound = tone(hertz)
    out = filtered(sound, RATE, Effects(tilt_db=3.0))
    assert rms_db(out[2000:-2000]) - rms_db(sound) == pytest.approx(gain_db, abs=0.2)


def test_a_bell_raises_what_is_about_it():
    effects = Effects(bells=((1000.0, 6.0),))
    assert rms_db(filtered(tone(1000), RATE, effects)[2000:-2000]) - rms_db(tone(1000)) == pytest.approx(6, abs=0.2)
    assert rms_db(filtered(tone(100), RATE, effects)[2000:-2000]) - rms_db(tone(100)) == pytest.approx(0, abs=0.2)


def test_a_room_rings_on_after_the_sound_and_never_before_it():
    click = np.zeros((RATE, 2), np.float32)
    click[4000] = 1.0
    out = filtered(click, RATE, Effects(room_s=0.5, room_share=0.3, seed=3))
    assert np.abs(out[:3999]).max() < 1e-4
    assert out[4000, 0] == pytest.approx(1.0, abs=0.01)
    ringing = (out[4050:].astype(np.float64) ** 2).sum() / 2
    assert ringing == pytest.approx(0.3, rel=0.05)
    assert (out[4000 + 4000 : 4000 + 8000] ** 2).sum() < 0.05 * ringing


def test_compression_brings_loud_and_soft_together():
    sound = np.concatenate([tone(440, gain=0.02), tone(440, gain=0.02), tone(440, gain=0.2)])
    out = compress(sound, RATE, 4.0)
    before = rms_db(sound[-8000:]) - rms_db(sound[:8000])
    after = rms_db(out[-8000:]) - rms_db(out[:8000])
    assert before == pytest.approx(20, abs=0.1)
    assert after == pytest.approx(5, abs=0.7)


def test_the_new_rate_keeps_the_length():
    assert process(noise(2.0), RATE, RATE // 2, Effects()).shape == (RATE, 2)


@pytest.mark.parametrize("seed", range(6))
def test_drawn_effects_keep_a_mix_whole(seed):
    effects = Effects.draw((0.0, 1.0), rng(seed))
    out = process(noise(1.5), RATE, RATE, effects)
    assert out.dtype == np.float32
    assert out.shape == (RATE * 3 // 2, 2)
    assert np.isfinite(out).all()
    assert rms_db(out) == pytest.approx(LOUDNESS_DB, abs=0.5)


def test_drawn_effects_differ_and_repeat():
    drawn = [Effects.draw((0.0, 1.0), rng(seed)) for seed in range(8)]
    assert len(set(drawn)) == 8
    assert drawn[0] == Effects.draw((0.0, 1.0), rng(0))
