import numpy as np
import pytest

from melisma.audio import stretch

RATE = 16000


def tone(hz, seconds=2.0):
    """Make a voice-like tone: a fundamental and four overtones."""
    t = np.arange(round(seconds * RATE)) / RATE
    return sum(0.2 / k * np.sin(2 * np.pi * hz * k * t) for k in range(1, 6)).astype(np.float32)


def pitch_hz(samples):
    """The fundamental, from the peak of the spectrum, to a fraction of a bin."""
    middle = samples[len(samples) // 4 : len(samples) * 3 // 4].astype(np.float64)
    power = np.abs(np.fft.rfft(middle * np.hanning(len(middle)), 1 << 18))
    return int(power.argmax()) * RATE / (1 << 18)


def cents(a, b):
    return 1200 * np.log2(a / b)


@pytest.mark.parametrize("factor", [0.5, 0.85, 0.9371, 1.1, 2.0])
def test_speed_moves_length_and_pitch_together(factor):
    sound = tone(220)
    out = stretch.speed(sound, RATE, factor)
    assert out.dtype == np.float32
    assert len(out) == round(len(sound) / factor)
    assert cents(pitch_hz(out), 220) == pytest.approx(1200 * np.log2(factor), abs=3)


@pytest.mark.parametrize("hz", [80, 220, 600])
@pytest.mark.parametrize("factor", [0.5, 0.85, 1.2, 2.0])
def test_tempo_moves_the_length_and_leaves_the_pitch(hz, factor):
    sound = tone(hz)
    out = stretch.tempo(sound, RATE, factor)
    assert out.dtype == np.float32
    assert len(out) == round(len(sound) / factor)
    assert cents(pitch_hz(out), hz) == pytest.approx(0, abs=5)
    assert 20 * np.log10(out.std() / sound.std()) == pytest.approx(0, abs=0.5)


@pytest.mark.parametrize("wanted", [-1200, -350, -100, 50, 200, 1200])
def test_pitch_moves_by_cents_and_keeps_the_length(wanted):
    sound = tone(220)
    out = stretch.pitch(sound, RATE, wanted)
    assert out.dtype == np.float32
    assert len(out) == len(sound)
    assert cents(pitch_hz(out), 220) == pytest.approx(wanted, abs=5)


@pytest.mark.parametrize("factor", [0.7, 0.9, 1.15, 1.6])
def test_what_happens_in_a_sound_happens_at_its_time_divided_by_the_factor(factor):
    rng = np.random.default_rng(1)
    at = np.array([0.3, 0.8, 1.1, 1.75])
    sound = 0.001 * rng.standard_normal(2 * RATE, np.float32)
    for second in at:
        sound[round(second * RATE) :][: RATE // 20] += 0.3 * rng.standard_normal(RATE // 20, np.float32)
    for out in (stretch.tempo(sound, RATE, factor), stretch.speed(sound, RATE, factor)):
        loud = np.convolve(np.abs(out), np.ones(32) / 32, "same") > 0.05
        begins = np.flatnonzero(np.diff(loud.astype(int)) == 1) / RATE
        nearest = [float(np.abs(begins - second / factor).min()) for second in at]
        assert max(nearest) < 0.02


def test_a_tempo_of_one_and_no_cents_leave_the_samples():
    sound = tone(220, 0.1)
    np.testing.assert_array_equal(stretch.tempo(sound, RATE, 1.0), sound)
    np.testing.assert_array_equal(stretch.speed(sound, RATE, 1.0), sound)
    np.testing.assert_array_equal(stretch.pitch(sound, RATE, 0.0), sound)


@pytest.mark.parametrize("n", [0, 1, 2, 100, 511, 513])
def test_short_sounds_come_out_as_long_as_they_should(n):
    sound = np.full(n, 0.1, np.float32)
    for factor in (0.5, 1.3, 2.0):
        assert len(stretch.tempo(sound, RATE, factor)) == round(n / factor)
        assert len(stretch.speed(sound, RATE, factor)) == round(n / factor)
    assert len(stretch.pitch(sound, RATE, 300)) == n


def test_silence_stays_silent():
    assert not stretch.tempo(np.zeros(RATE, np.float32), RATE, 0.8).any()
