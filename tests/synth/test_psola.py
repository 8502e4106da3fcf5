import numpy as np
import pytest

from melisma.synth import psola
from melisma.synth.speech import SAMPLE_RATE
from melisma.synth.voice import speak


def f0_of(samples, near_hz):
    """Pitch in Hz within a fifth of `near_hz`, from a long autocorrelation with parabolic interpolation."""
    x = samples.astype(np.float64) - samples.mean()
    correlation = np.fft.irfft(np.abs(np.fft.rfft(x, 2 * len(x))) ** 2)[: len(x) // 2]
    # Many periods away an error of a cent is large: look at the tenth multiple of the period.
    n = min(10, int(len(correlation) * near_hz / SAMPLE_RATE) - 1)
    period = SAMPLE_RATE / near_hz
    for multiple in range(1, n + 1):
        centre = period * multiple
        slack = SAMPLE_RATE / near_hz / (5 if multiple == 1 else 4)
        low = int(centre - slack)
        k = low + int(correlation[low : int(centre + slack) + 1].argmax())
        left, middle, right = correlation[k - 1 : k + 2]
        period = (k + 0.5 * (left - right) / (left - 2 * middle + right)) / multiple
    return SAMPLE_RATE / period


def envelope_db(samples, f0_hz):
    """Spectral envelope at 150..5000 Hz on a logarithmic axis, harmonics smoothed away."""
    size = 1 << 15
    power = np.abs(np.fft.rfft(samples * np.hanning(len(samples)), size)) ** 2
    width = int(1.2 * f0_hz * size / SAMPLE_RATE) | 1
    smooth = np.convolve(power, np.hanning(width + 2)[1:-1], mode="same")
    axis = np.geomspace(150, 5000, 400)
    return 10 * np.log10(np.interp(axis, np.fft.rfftfreq(size, 1 / SAMPLE_RATE), smooth) + 1e-12)


def stretch_vowel(text, language, times, f0_hz):
    """Sing the first vowel of a word `times` as long on one pitch; return the word, the sound and the held span."""
    word = speak(text, language)
    phone = word.phones[word.nuclei[0]]
    length = phone.end - phone.start
    grown = round((times - 1) * length)
    a, b = phone.start + length // 4, phone.start + length // 2
    inner = np.array([0, a, b, len(word.samples)])
    outer = np.array([0, a, b + grown, len(word.samples) + grown])
    sung = psola.render(word, outer, inner, np.full(outer[-1], f0_hz, np.float32))
    return word, sung, (a, b), (a, b + grown)


def test_marks_rise_by_one_period_each():
    word = speak("morning", "en")
    marks = psola.pitch_marks(word)
    steps = np.diff(marks[(marks > 400) & (marks < len(word.samples) - 400)])
    assert steps.min() > 0.88 * word.period
    assert steps.max() < 1.12 * word.period
    assert marks[0] < 1.2 * word.period
    assert len(word.samples) - marks[-1] < 1.2 * word.period


@pytest.mark.parametrize("f0_hz", [110.0, 146.0, 196.0, 246.9])
@pytest.mark.parametrize(("text", "language"), [("father", "en"), ("lune", "fr"), ("zima", "hr")])
def test_pitch_is_the_one_asked_for_within_three_cents(text, language, f0_hz):
    _, sung, _, (start, end) = stretch_vowel(text, language, 5, f0_hz)
    measured = f0_of(sung[start:end], f0_hz)
    assert abs(1200 * np.log2(measured / f0_hz)) < 3


@pytest.mark.parametrize("f0_hz", [110.0, 196.0, 233.1])
@pytest.mark.parametrize(("text", "language"), [("father", "en"), ("see", "en"), ("lune", "fr"), ("zima", "hr")])
def test_formants_stay_where_they_were(text, language, f0_hz):
    word, sung, (a, b), (start, end) = stretch_vowel(text, language, 5, f0_hz)
    widest = max(f0_hz, SAMPLE_RATE / word.period)
    # Both with the same smoothing, so that only the resonances can differ.
    spoken, held = (envelope_db(x, widest) for x in (word.samples[a - 200 : b + 200], sung[start:end]))
    step = np.log(5000 / 150) / 399

    def likeness(shift):
        left, right = spoken[max(0, -shift) : 400 - max(0, shift)], held[max(0, shift) : 400 + min(0, shift)]
        return np.corrcoef(left, right)[0, 1]

    shifts = np.arange(-40, 41)
    best = shifts[int(np.argmax([likeness(int(s)) for s in shifts]))]
    assert abs(np.exp(best * step) - 1) < 0.06  # a resampled voice would stand at the ratio of the pitches
    assert likeness(0) > 0.9


def test_voiceless_sounds_are_copied_as_spoken():
    word = speak("kiša", "hr")
    phone = next(p for p in word.phones if p.symbol == "ʃ")
    edges = np.array([0, phone.start, len(word.samples)])
    out = np.array([0, phone.start + 3000, len(word.samples) + 3000])
    sung = psola.render(word, out, edges, np.full(out[-1], 180.0, np.float32))
    inner = slice(phone.start + 100, phone.end - 100)
    np.testing.assert_allclose(sung[inner.start + 3000 : inner.stop + 3000], word.samples[inner], atol=1e-6)


def test_power_hardly_depends_on_the_pitch():
    levels = []
    for f0_hz in (110.0, 220.0):
        _, sung, _, (start, end) = stretch_vowel("father", "en", 5, f0_hz)
        levels.append(10 * np.log10(np.mean(sung[start:end] ** 2)))
    assert abs(levels[0] - levels[1]) < 3


def test_an_unchanged_word_keeps_its_sound():
    word = speak("morning", "en")
    edges = np.array([0, len(word.samples)])
    f0 = np.full(len(word.samples), SAMPLE_RATE / word.period, np.float32)
    sung = psola.render(word, edges, edges, f0)
    assert len(sung) == len(word.samples)
    assert np.isfinite(sung).all()
    spoken, again = (envelope_db(x, SAMPLE_RATE / word.period) for x in (word.samples, sung))
    strong = spoken > spoken.max() - 40
    assert np.abs(spoken - again)[strong].max() < 2.5


def test_pitch_marks_stay_inside_the_word():
    # Of this word the last mark came out one sample past the end, and rendering it failed.
    word = speak("Zeg", "nl", "middle")
    assert psola.pitch_marks(word).max() < len(word.samples)
