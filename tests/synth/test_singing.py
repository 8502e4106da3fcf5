from itertools import pairwise

import numpy as np
import pytest

from melisma.core.errors import LyricsError
from melisma.synth.singing import Note, lay_out, sing, syllables
from melisma.synth.speech import SAMPLE_RATE
from melisma.synth.voice import speak


def spoken(text, language="en", singer="low"):
    return [speak(word, language, singer) for word in text.split()]


def steady(n, length_s=0.6, midi=50):
    return [Note(midi + i % 3, i * length_s, length_s) for i in range(n)]


def test_vowels_begin_on_their_notes_when_there_is_time():
    words = spoken("silver rain is on the hill")
    notes = steady(syllables(words))
    line = lay_out(words, notes)
    assert [v.start for v in line.vowels] == [round(n.start_s * SAMPLE_RATE) for n in notes]


def test_vowels_are_held_to_the_notes_and_consonants_keep_their_length():
    words = spoken("morning")
    line = lay_out(words, [Note(50, 0.0, 1.0), Note(52, 1.0, 1.5)])
    word, (first, second) = words[0], line.vowels
    between = word.phones[word.nuclei[1]].start - word.phones[word.nuclei[0]].end
    assert second.start - first.end == between
    assert 2 < (second.end - second.start) / 1792 < 20
    tail = len(word.samples) - word.phones[word.nuclei[-1]].end
    assert line.spans[0] == (-word.phones[word.nuclei[0]].start, second.end + tail)
    assert abs(line.spans[0][1] - 2.5 * SAMPLE_RATE) <= 1


@pytest.mark.parametrize("length_s", [0.05, 0.2, 0.6])
def test_words_never_overlap_however_short_the_notes(length_s):
    words = spoken("strange strict scripts crush twelve strengths")
    line = lay_out(words, steady(syllables(words), length_s))
    for (_, end), (start, _) in pairwise(line.spans):
        assert end < start
    assert all(v.end - v.start >= round(0.09 * SAMPLE_RATE) for v in line.vowels)


def test_each_word_sounds_exactly_where_its_span_says():
    words = spoken("tell me what a bell can keep")
    line = lay_out(words, steady(syllables(words)))
    samples = sing(line)
    origin = line.spans[0][0]
    loud = np.abs(samples) > 10 ** (-45 / 20) * np.abs(samples).max()
    for start, end in line.spans:
        heard = np.flatnonzero(loud[start - origin : end - origin])
        assert heard[0] < 0.005 * SAMPLE_RATE
        assert end - start - heard[-1] < 0.05 * SAMPLE_RATE  # the release fades
    silent = np.ones(len(samples), bool)
    for start, end in line.spans:
        silent[start - origin : end - origin] = False
    assert not np.any(samples[silent])


def test_a_plosive_is_sung_after_a_closure():
    words = spoken("my tree")
    line = lay_out(words, steady(2))
    assert line.spans[1][0] - line.spans[0][1] == round(0.045 * SAMPLE_RATE)


def test_vibrato_stays_around_the_note():
    words = spoken("see")
    samples = sing(lay_out(words, [Note(50, 0.0, 2.5)]))
    wanted = 440 * 2 ** ((50 - 69) / 12)
    spectrum = np.abs(np.fft.rfft(samples[SAMPLE_RATE : 2 * SAMPLE_RATE] * np.hanning(SAMPLE_RATE), 1 << 17)) ** 2
    hertz = np.fft.rfftfreq(1 << 17, 1 / SAMPLE_RATE)
    near = (hertz > 0.85 * wanted) & (hertz < 1.15 * wanted)
    centre = np.sum(spectrum[near] * hertz[near]) / np.sum(spectrum[near])
    assert abs(1200 * np.log2(centre / wanted)) < 8


@pytest.mark.parametrize("k", [0, 1, 2])
def test_a_melisma_goes_through_its_pitches_in_equal_parts(k):
    midi = (50, 55, 52)
    line = lay_out(spoken("see"), [Note(midi[0], 0.0, 3.0, turns=midi[1:])])
    samples, vowel, origin = sing(line), line.vowels[0], line.spans[0][0]
    part = (vowel.end - vowel.start) // 3
    middle = vowel.start - origin + k * part + part // 2
    n = 2 * round(0.25 * SAMPLE_RATE)
    spectrum = np.abs(np.fft.rfft(samples[middle - n // 2 : middle + n // 2] * np.hanning(n), 1 << 17)) ** 2
    hertz = np.fft.rfftfreq(1 << 17, 1 / SAMPLE_RATE)
    wanted = 440 * 2 ** ((midi[k] - 69) / 12)
    near = (hertz > 0.7 * wanted) & (hertz < 1.4 * wanted)
    centre = np.sum(spectrum[near] * hertz[near]) / np.sum(spectrum[near])
    assert abs(1200 * np.log2(centre / wanted)) < 20


def test_a_melisma_moves_no_word():
    words = spoken("la la", "fr")
    plain = lay_out(words, [Note(52, 0.0, 1.0), Note(55, 1.0, 2.0)])
    turned = lay_out(words, [Note(52, 0.0, 1.0, (54, 55)), Note(55, 1.0, 2.0, (57,))])
    assert turned.spans == plain.spans
    assert len(sing(turned)) == len(sing(plain))
    assert not np.array_equal(sing(turned), sing(plain))


def test_sound_is_finite_and_held_vowels_keep_their_energy():
    words = spoken("la la", "fr")
    line = lay_out(words, [Note(52, 0.0, 1.0), Note(55, 1.0, 3.0)])
    samples = sing(line)
    assert np.isfinite(samples).all()
    origin = line.spans[0][0]
    held = samples[line.vowels[1].start - origin : line.vowels[1].end - origin]
    tenths = [np.sqrt(np.mean(part**2)) for part in np.array_split(held, 10)]
    assert min(tenths[:-1]) > 0.4 * max(tenths)


def test_a_wrong_number_of_notes_is_refused():
    with pytest.raises(LyricsError, match="1 words of 2 syllables cannot be sung to 1 notes"):
        lay_out(spoken("window"), steady(1))


def test_no_words_are_refused():
    with pytest.raises(LyricsError, match="0 words"):
        lay_out([], [])
