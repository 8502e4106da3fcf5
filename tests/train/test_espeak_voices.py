from itertools import pairwise

import numpy as np
import pytest

from melisma.synth.voice import Singer
from melisma.text.g2p import EspeakG2P
from melisma.train.espeak_voices import Mismatch, Reader, Speaker, draw_singer, draw_speaker
from melisma.train.takes import SAMPLE_RATE

SPEAKER = Speaker("m3", 1.05, 150, 50, 40, 0)
SINGER = Singer("m3", 0.95, 48, 60, 150, 75)


def take_of(kind, language, text, seed=1):
    reader, rng = Reader(language), np.random.default_rng(seed)
    words = reader.words(text)
    return reader.say(words, SPEAKER, rng) if kind == "say" else reader.sing(words, SINGER, rng)


@pytest.mark.parametrize("kind", ["say", "sing"])
@pytest.mark.parametrize(
    ("language", "text"),
    [("hr", "Tiho svira gitara u zadnjoj sobi"), ("sr", "Чекај ме испод сата"), ("en", "The bell tells a story.")],
)
def test_labels_are_those_of_the_words_and_spans_are_in_order(kind, language, text):
    take = take_of(kind, language, text)
    g2p = EspeakG2P()
    assert [p[0] for p in take.phones] == [label for word in text.split() for label in g2p.phones(word, language)]
    assert all(start < end for _, start, end in take.phones)
    assert all(left[2] <= right[1] + 1e-9 for left, right in pairwise(take.phones))
    assert take.phones[0][1] > 0
    assert take.phones[-1][2] <= take.duration_s


@pytest.mark.parametrize("kind", ["say", "sing"])
def test_phones_are_heard_and_the_margins_are_silent(kind):
    take = take_of(kind, "hr", "kap po kap puni se bunar")
    floor = 10 ** (-50 / 20) * np.abs(take.samples).max()
    loud = np.flatnonzero(np.abs(take.samples) > floor) / SAMPLE_RATE
    assert loud[0] == pytest.approx(take.phones[0][1], abs=0.003)
    assert loud[-1] == pytest.approx(take.phones[-1][2], abs=0.01)


@pytest.mark.parametrize("kind", ["say", "sing"])
def test_a_stop_after_silence_begins_at_its_burst(kind):
    take = take_of(kind, "hr", "papa tata kaka")
    power = np.square(take.samples.astype(np.float64))
    n_checked = 0
    for left, (label, start, _) in pairwise(take.phones):
        if label not in "ptk" or start - left[2] < 0.015:
            continue
        at, width = round(start * SAMPLE_RATE), SAMPLE_RATE * 6 // 1000
        before, after = power[at - width : at - width // 3].mean(), power[at : at + width].mean()
        assert after > 100 * before
        n_checked += 1
    assert n_checked >= 3


def test_singing_holds_vowels_and_not_consonants():
    words = "moje srce pjeva i sad"
    said, sung = take_of("say", "hr", words), take_of("sing", "hr", words)

    def mean_length(take, vowels):
        return np.mean([end - start for label, start, end in take.phones if (label in "aeiouæɛɔɪɐ") == vowels])

    assert mean_length(sung, True) > 1.5 * mean_length(said, True)
    assert mean_length(sung, False) < 1.5 * mean_length(said, False)


def test_shouting_is_lowered_and_what_has_no_sound_is_no_word():
    assert Reader("en").words("LOUD — (words), I say…") == ["loud", "words", "I", "say"]


def test_a_word_that_comes_out_otherwise_than_spelt_is_refused(monkeypatch):
    reader = Reader("hr")
    monkeypatch.setattr(reader, "labels", lambda words: ("a",))
    for act in (reader.say, reader.sing):
        with pytest.raises(Mismatch, match="'more' sounds otherwise than spelt"):
            act(["more"], SPEAKER if act == reader.say else SINGER, np.random.default_rng(0))


def test_phrases_that_run_together_are_halved(monkeypatch):
    reader, asked = Reader("hr"), []
    whole = reader._phrase

    def one_word_only(text, speaker):
        asked.append(text)
        samples, spans = whole(text, speaker)
        return samples, spans[1:] if " " in text else spans

    monkeypatch.setattr(reader, "_phrase", one_word_only)
    take = reader.say(["more", "i", "nebo"], SPEAKER, np.random.default_rng(0))
    assert asked == ["more i nebo", "more", "i nebo", "i", "nebo"]
    assert tuple(p[0] for p in take.phones) == reader.labels(["more", "i", "nebo"])


def test_voices_drawn_from_the_same_seed_are_the_same_and_differ_otherwise():
    for draw in (draw_speaker, draw_singer):
        first, again, other = (draw(np.random.default_rng(seed)) for seed in (1, 1, 2))
        assert first == again != other
