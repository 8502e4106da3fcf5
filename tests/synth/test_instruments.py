import numpy as np
import pytest

from melisma.synth import instruments
from melisma.synth.speech import SAMPLE_RATE

NOISE = np.random.default_rng(0).uniform(-1, 1, SAMPLE_RATE).astype(np.float32)


@pytest.mark.parametrize("tone", [instruments.pluck, instruments.bass, lambda m, n: instruments.pad(m, n)[:, 0]])
@pytest.mark.parametrize("midi", [40, 57, 69])
def test_a_note_sounds_at_its_pitch(tone, midi):
    samples = tone(midi, SAMPLE_RATE)
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(SAMPLE_RATE)))
    wanted = 440 * 2 ** ((midi - 69) / 12)
    loudest = np.argmax(spectrum[: round(1.5 * wanted)])
    assert abs(loudest - wanted) <= 2


@pytest.mark.parametrize(
    "make",
    [
        lambda n: instruments.pluck(60, n),
        lambda n: instruments.bass(40, n),
        lambda n: instruments.pad(60, n),
        instruments.kick,
        lambda n: instruments.snare(n, NOISE),
        lambda n: instruments.hat(n, NOISE),
    ],
)
@pytest.mark.parametrize("n", [1, 100, 9000])
def test_a_sound_has_the_length_asked_for_and_ends_in_silence(make, n):
    samples = make(n)
    assert len(samples) == n
    assert samples.dtype == np.float32
    assert np.abs(samples).max() < 2
    assert not np.any(samples[-1]) or n == 1


def test_high_notes_do_not_alias():
    spectrum = np.abs(np.fft.rfft(instruments.pluck(108, SAMPLE_RATE) * np.hanning(SAMPLE_RATE)))
    partials = 440 * 2 ** ((108 - 69) / 12) * np.array([1, 2])
    for partial in partials:
        spectrum[round(partial) - 60 : round(partial) + 60] = 0
    assert spectrum.max() < 0.01 * SAMPLE_RATE / 4


@pytest.mark.parametrize(("position", "left", "right"), [(-1, 2**0.5, 0), (0, 1, 1), (1, 0, 2**0.5)])
def test_panning_keeps_the_power(position, left, right):
    stereo = instruments.panned(np.ones(4, np.float32), position)
    np.testing.assert_allclose(stereo[0], [left, right], atol=1e-6)
