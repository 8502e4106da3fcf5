import numpy as np
import pytest

from melisma.synth.voice import Phone
from melisma.train.takes import SAMPLE_RATE, Span, spell, take_of, trimmed


def test_an_affricate_and_a_diphthong_are_parted():
    spans = spell([Phone("tʃ", 0, 100), Phone("eɪ", 100, 300)])
    assert [s.label for s in spans] == ["t", "ʃ", "e", "ɪ"]
    assert [s.start for s in spans] == pytest.approx([0, 30, 100, 210])
    assert [s.end for s in spans] == pytest.approx([30, 100, 210, 300])


def test_a_sound_without_a_name_belongs_to_the_sound_before_it():
    assert spell([Phone("b", 0, 10), Phone("", 10, 14), Phone("r", 14, 20)]) == [Span("b", 0, 14), Span("r", 14, 20)]


def test_a_stop_begins_at_its_burst_and_a_vowel_ends_before_the_closure():
    samples = np.ones(4000, np.float32)
    samples[1000:1500] = 0.01  # a breath
    samples[1500:1600] = 0
    found = trimmed([Span("a", 0, 1550), Span("t", 1550, 2000), Span("a", 2000, 4000)], samples)
    assert found == [Span("a", 0, 1000), Span("t", 1600, 2000), Span("a", 2000, 4000)]


def test_a_dark_l_that_is_not_heard_by_itself_lies_in_its_vowel():
    samples = np.ones(150, np.float32)
    samples[100:] = 0
    vowel, dark = trimmed([Span("ɛ", 0, 100), Span("l", 100, 150)], samples)
    assert (vowel.label, dark.label) == ("ɛ", "l")
    assert vowel.end == dark.start == pytest.approx(55)
    assert dark.end == 100


def test_times_stay_with_the_sound_when_the_rate_changes():
    rate = 22050
    samples = np.zeros(rate, np.float32)
    samples[rate // 2 :] = np.sin(2 * np.pi * 440 * np.arange(rate - rate // 2) / rate)
    take = take_of(samples, [Span("a", rate / 2, rate)], rate, 0.25, (0.2, 0.1))
    ((label, start, end),) = take.phones
    assert (label, start, end) == ("a", pytest.approx(0.7), pytest.approx(1.2))
    heard = np.flatnonzero(np.abs(take.samples) > 0.02)
    assert heard[0] / SAMPLE_RATE == pytest.approx(0.7, abs=0.001)
    assert np.abs(take.samples).max() == pytest.approx(0.25, rel=0.05)
    assert take.duration_s == pytest.approx(1.3)
