import numpy as np
import pytest

from melisma.audio import effects

RATE = 16000
NOISE = np.random.default_rng(0).normal(0, 0.1, RATE).astype(np.float32)


def band(samples, low, high):
    power = np.abs(np.fft.rfft(samples)) ** 2
    return power[int(low * len(samples) / RATE) : int(high * len(samples) / RATE)].sum()


def test_lowpass_takes_what_is_above_its_edge_and_leaves_the_rest():
    out = effects.lowpass(NOISE, RATE, 4000)
    assert band(out, 5000, 8000) < 1e-4 * band(NOISE, 5000, 8000)
    assert band(out, 100, 3900) == pytest.approx(band(NOISE, 100, 3900), rel=0.02)


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


def test_a_telephones_band_keeps_what_lies_in_it_and_takes_the_rest():
    out = effects.band(NOISE, RATE, 300, 3400)
    assert band(out, 400, 3300) == pytest.approx(band(NOISE, 400, 3300), rel=0.02)
    assert band(out, 3800, 8000) < 1e-3 * band(NOISE, 3800, 8000)
    assert band(out, 20, 150) < 1e-4 * band(NOISE, 20, 150)


@pytest.mark.parametrize(("exponent", "db_per_octave"), [(0, 0.0), (1, -3.0), (2, -6.0)])
def test_coloured_noise_falls_by_its_slope(exponent, db_per_octave):
    noise = effects.coloured_noise(4 * RATE, exponent, np.random.default_rng(3))
    power = np.abs(np.fft.rfft(noise)) ** 2
    octaves = [(125 * 2**k, 250 * 2**k) for k in range(6)]
    density = [10 * np.log10(power[4 * low : 4 * high].mean()) for low, high in octaves]
    assert np.polyfit(range(6), density, 1)[0] == pytest.approx(db_per_octave, abs=0.35)
    assert np.sqrt(np.mean(noise**2)) == pytest.approx(1, abs=1e-3)


def decay_s(response):
    """RT60 by Schroeder's backward integration, from -5 to -25 dB."""
    left = np.cumsum(response[::-1].astype(np.float64) ** 2)[::-1]
    level = 10 * np.log10(left / left[0] + 1e-12)
    at = np.flatnonzero((level < -5) & (level > -25))
    return -60 / (np.polyfit(at / RATE, level[at], 1)[0])


@pytest.mark.parametrize("rt60_s", [0.2, 0.5, 1.0, 2.0])
def test_a_room_fades_in_the_time_that_was_asked_for(rt60_s):
    click = np.zeros(4 * RATE, np.float32)
    click[0] = 1
    wet = effects.reverberate(click, RATE, rt60_s, 0.0, np.random.default_rng(5))[1:]
    assert decay_s(wet[np.flatnonzero(np.abs(wet) > 1e-6)[0] :]) == pytest.approx(rt60_s, rel=0.1)


def test_an_impulse_response_keeps_the_place_and_the_loudness():
    rng = np.random.default_rng(2)
    response = np.zeros(3000, np.float32)
    response[800:] = 0.2 * rng.normal(0, 1, 2200) * 10 ** (-3 * np.arange(2200) / 2200)
    response[800] = -1.5  # the direct sound, late and upside down
    out = effects.respond(NOISE, response)
    assert out.shape == NOISE.shape
    cross = np.fft.irfft(np.conj(np.fft.rfft(NOISE, 1 << 15)) * np.fft.rfft(out, 1 << 15))
    assert int(np.argmax(cross)) == 0
    assert 20 * np.log10(out.std() / NOISE.std()) == pytest.approx(0, abs=0.7)


def test_a_silent_impulse_response_is_none():
    assert effects.respond(NOISE, np.zeros(100, np.float32)) is NOISE


def test_clipping_cuts_at_a_level_below_the_peak():
    out = effects.clip(NOISE, 6.0)
    assert np.abs(out).max() == pytest.approx(np.abs(NOISE).max() * 10 ** (-6 / 20))
    untouched = np.abs(NOISE) < np.abs(out).max()
    np.testing.assert_array_equal(out[untouched], NOISE[untouched])


def test_holes_are_silent_and_as_long_as_they_should_be():
    tone = np.ones(RATE, np.float32)
    out = effects.drop_out(tone, RATE, [0.1], np.random.default_rng(0))
    assert np.count_nonzero(out < 1) == pytest.approx(0.1 * RATE, abs=2)
    assert np.count_nonzero(out == 0) == pytest.approx(0.09 * RATE, abs=4)
    assert np.abs(np.diff(out)).max() < 0.02


def test_a_hole_is_never_longer_than_the_sound():
    out = effects.drop_out(np.ones(500, np.float32), RATE, [2.0], np.random.default_rng(0))
    assert out.shape == (500,)
    assert out.min() == 0


def test_pauses_do_not_count_as_speech():
    with_pause = np.concatenate([NOISE, np.zeros(3 * RATE, np.float32)])
    assert effects.speech_power(with_pause, RATE) == pytest.approx(effects.speech_power(NOISE, RATE), rel=1e-6)
    assert effects.speech_power(NOISE, RATE) == pytest.approx(0.01, rel=0.05)
    assert effects.speech_power(np.zeros(10, np.float32), RATE) == 0
