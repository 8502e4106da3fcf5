"""Heard words onto known ones: every lyric word once, in order, where it was heard, and nothing invented."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from melisma.aligner.match import match, place_heard
from melisma.aligner.words import lines
from melisma.core.errors import EngineFailed, UnitsError
from melisma.core.records import Alignment, Heard, HeardWord, LyricLine, Lyrics
from melisma.core.timebase import MILLISECONDS, SECONDS, Timebase
from melisma.synth.score import CLOCK, score_of_length
from melisma.text.lyrics import from_text


def heard(text, at=1.0, gap=0.1, length=0.4, **facts):
    """Words of equal length, one after the other; `_` is a pause of half a second, `|` one of five."""
    words = []
    for word in text.split():
        if word in "_|":
            at += 0.5 if word == "_" else 5.0
            continue
        words.append(HeardWord(word, at, at + length, 0.9))
        at += length + gap
    return Heard(tuple(words), SECONDS, **facts)


def lyrics(*texts):
    return Lyrics(tuple(LyricLine(tuple(t.split())) for t in texts))


def starts(got):
    return {word.text: word.start_ms for word in got.words}


def test_equal_words_take_the_times_that_were_heard():
    got = match(heard("the sea is wide"), lyrics("The sea,", "is wide!"), 10_000)
    assert [(w.text, w.line, w.start, w.end) for w in got.words] == [
        ("The", 0, 1000, 1400),
        ("sea,", 0, 1500, 1900),
        ("is", 1, 2000, 2400),
        ("wide!", 1, 2500, 2900),
    ]
    assert (got.n_matched, got.n_interpolated, got.n_unsung, got.n_unclaimed) == (4, 0, 0, 0)
    assert all(w.confidence == 0.9 for w in got.words)


def test_one_word_heard_as_two_and_two_as_one():
    got = match(heard("we are going to see j' ai la bas stay"), lyrics("we are gonna see j'ai là-bas stay"), 10_000)
    times = {w.text: (w.start, w.end) for w in got.words}
    assert times["gonna"] == (2000, 2900)
    assert times["j'ai"] == (3500, 4400)
    assert times["là-bas"] == (4500, 5400)
    assert got.n_matched == 7
    got = match(heard("we are gonna see"), lyrics("we are going to see"), 10_000)
    times = {w.text: (w.start, w.end) for w in got.words}
    assert times["going"][0] == 2000
    assert times["going"][1] == times["to"][0]
    assert times["to"][1] == 2400


@pytest.mark.parametrize(
    ("language", "said", "written"),
    [
        ("en", "ninety nine", "99"),
        ("en", "99", "ninety-nine"),
        ("fr", "quatre-vingt-dix-neuf", "99"),
        ("de", "99", "neunundneunzig"),
    ],
)
def test_numbers_are_matched_by_their_sound(language, said, written):
    got = match(heard(f"sing {said} times", language=language), lyrics(f"sing {written} times"), 10_000)
    assert (got.n_matched, got.n_unsung) == (3, 0)
    assert starts(got)["times"] - starts(got)["sing"] == 500 * (1 + len(said.split()))


def test_words_that_sound_alike_are_matched_where_the_language_is_known():
    sheet, said = lyrics("le sang du temps"), heard("le cent du tant")
    assert match(said, sheet, 10_000, language="fr").n_matched == 4
    assert match(said, sheet, 10_000).n_matched < 4


def test_a_language_that_nobody_speaks_leaves_the_spelling():
    assert match(heard("la mer", language="xx"), lyrics("la mer"), 10_000).n_matched == 2


def test_songs_without_spaces_are_matched_character_by_character():
    said = Heard(tuple(HeardWord(c, 1 + 0.3 * i, 1.3 + 0.3 * i) for i, c in enumerate("君が好きだと叫びたい")), SECONDS)
    got = match(said, lyrics("君が好きだと", "叫びたい"), 10_000)
    assert [(w.start, w.end) for w in got.words] == [(1000, 2800), (2800, 4000)]


def test_a_misheard_word_stands_where_it_was_heard_and_is_doubted():
    got = match(heard("take the xylophone home now"), lyrics("take the boat home now"), 10_000)
    boat = got.words[2]
    assert (boat.start, boat.end) == (2000, 2400)
    assert boat.confidence < 0.45 < got.words[1].confidence
    assert (got.n_matched, got.n_interpolated) == (4, 1)


def test_a_word_that_was_not_heard_fills_a_gap_that_is_its_own():
    got = match(heard("take the _ home now"), lyrics("take the boat home now"), 10_000)
    boat = got.words[2]
    assert (boat.start, boat.end) == (1900, 2500)
    assert boat.confidence < 0.25
    assert got.n_interpolated == 1


def test_a_word_without_a_gap_takes_time_from_the_one_before_it():
    got = match(heard("take the home now", gap=0.0), lyrics("take the boat home now"), 10_000)
    the, boat = got.words[1:3]
    assert 1400 == the.start < the.end == boat.start < boat.end == 1800


def test_words_are_not_spread_over_an_instrumental():
    got = match(heard("take the | | home now"), lyrics("take the boat home now"), 20_000)
    assert got.words[2].unsung
    assert (got.n_matched, got.n_interpolated, got.n_unsung) == (4, 0, 1)


def test_a_verse_that_was_not_heard_is_unsung():
    sheet = lyrics("take the boat home", *["words that nobody ever heard in here"] * 4, "green light under you")
    got = match(heard("take the boat home _ green light under you"), sheet, 20_000)
    assert got.n_unsung == 28
    assert got.n_matched == 8


@pytest.mark.parametrize(("n_words", "n_unsung"), [(12, 0), (13, 13)])
def test_a_passage_of_many_words_is_not_interpolated(n_words, n_unsung):
    sheet = lyrics("green boat home", " ".join(["wide"] * n_words), "river light under")
    got = match(heard("green boat home | _ river light under"), sheet, 20_000)
    assert (got.n_matched, got.n_unsung) == (6, n_unsung)


def test_a_word_is_not_spread_over_a_passage_of_others():
    got = match(heard(f"take the {'xyxyx ' * 8} home now"), lyrics("take the boat home now"), 20_000)
    assert got.words[2].unsung
    assert (got.n_matched, got.n_unclaimed) == (4, 8)


def test_many_words_are_not_squeezed_under_one_that_was_heard():
    said = heard("take the home now", length=0.4)
    long = HeardWord("xyxyx", 2.0, 6.0, 0.9)
    later = tuple(dataclasses.replace(w, start=w.start + 4, end=w.end + 4) for w in said.words[2:])
    sheet = lyrics("take the wide and deep and old home now")
    got = match(Heard((*said.words[:2], long, *later), SECONDS), sheet, 20_000)
    assert (got.n_matched, got.n_unsung) == (4, 5)


def test_words_before_the_first_and_behind_the_last_match_are_unsung():
    got = match(heard("boat home"), lyrics("take the boat home again my love"), 20_000)
    assert [w.unsung for w in got.words] == [True, True, False, False, True, True, True]


def test_a_passage_that_is_sung_and_not_written_is_nobodys():
    got = match(heard("one two la la la la la la la la la la three four"), lyrics("one two three four"), 20_000)
    assert (got.n_matched, got.n_unclaimed) == (4, 10)


def test_a_match_that_stands_alone_is_doubted():
    among = match(heard("some words about green rivers here"), lyrics("some words about green rivers here"), 20_000)
    alone = match(heard("xx yy zz green qq vv kk"), lyrics("some words about green rivers here maybe now"), 20_000)
    assert starts(alone)["green"] is not None
    assert alone.words[3].confidence < 0.6 * among.words[3].confidence


def test_an_engine_that_says_nothing_of_its_confidence_is_not_trusted_blindly():
    said = Heard(tuple(dataclasses.replace(w, confidence=None) for w in heard("the sea").words), SECONDS)
    assert all(0 < w.confidence < 0.9 for w in match(said, lyrics("the sea"), 9000).words)


def test_words_with_an_index_need_no_matching():
    said = Heard((HeardWord("b", 10, 20, 0.5, 1), HeardWord("?", 30, 40, None, 2)), Timebase(1000, 20))
    got = match(said, lyrics("a b", "c"), 1000)
    assert [(w.start, w.end, w.confidence) for w in got.words] == [
        (None, None, None),
        (200, 400, 0.5),
        (600, 800, None),
    ]
    assert (got.n_matched, got.n_unsung) == (2, 1)


@pytest.mark.parametrize(
    ("indices", "fault"),
    [((0, 7), "a word 7, the lyrics have 3"), ((1, 1), "word 1 .* twice"), ((0, None), "word None")],
)
def test_an_index_that_cannot_be_is_refused(indices, fault):
    said = Heard(tuple(HeardWord("a", i, i + 1, None, index) for i, index in enumerate(indices)), SECONDS)
    with pytest.raises(EngineFailed, match=fault):
        match(said, lyrics("a b", "c"), 3000)


def test_times_that_cannot_be_are_refused_before_anything_is_matched():
    said = Heard((HeardWord("a", 0, 4000), HeardWord("b", 4000, 9000)), SECONDS)
    with pytest.raises(UnitsError, match="are seconds: the unit is wrong"):
        match(said, lyrics("a b"), 9000)


def test_nothing_heard_leaves_all_unsung():
    assert all(w.unsung for w in place_heard(Heard((), SECONDS), lyrics("a b", "♪"), 1000))


def test_words_without_a_letter_between_matched_ones_get_a_place():
    got = match(heard("the sea"), lyrics("the — sea"), 10_000)
    assert len(got.words) == 3
    assert got.n_unsung == 0


VOCABULARY = ("a", "la", "mer", "sea", "gonna", "going", "to", "99", "là-bas", "labas", "♪", "君が", "the")
TEXT = st.lists(st.sampled_from(VOCABULARY), max_size=14)
TIMES = st.lists(st.tuples(st.integers(0, 700), st.integers(20, 500)), min_size=14, max_size=14)


@settings(max_examples=80, deadline=None)
@given(
    TEXT, TIMES, st.lists(TEXT.filter(len), min_size=1, max_size=4), st.sampled_from([MILLISECONDS, Timebase(16000)])
)
def test_every_word_comes_back_once_in_order_on_the_clock(said, times, sung, clock):
    at, words = 0.0, []
    for word, (gap, length) in zip(said, times, strict=False):
        at += gap + 100
        words.append(HeardWord(word, at, at + length))
        at += length
    sheet = Lyrics(tuple(LyricLine(tuple(line)) for line in sung))
    duration = clock.ticks(at / 1000 + 1)
    got = match(Heard(tuple(words), MILLISECONDS), sheet, duration, clock)
    assert tuple(w.text for w in got.words) == sheet.words
    assert got.n_matched + got.n_interpolated + got.n_unsung == len(got.words)
    Alignment(got.words, lines(sheet), duration, clock).check()
    end = 0
    for word in got.words:
        if word.start is not None:
            assert end <= word.start
            end = word.end
            assert 0 <= word.confidence <= 1


class Transcriber:
    """What a transcriber makes of a song's truth: starts off by some, words lost, put in, misheard and torn apart."""

    def __init__(self, seed, lost=0.08, added=0.05, misheard=0.12, torn=0.04, jitter_s=0.06):
        self.rng = np.random.default_rng(seed)
        self.shares = np.array([lost, added, misheard, torn])
        self.jitter_s = jitter_s

    def wrong(self, text):
        letters = list(text)
        for _ in range(self.rng.integers(1, max(2, len(letters)))):
            letters[self.rng.integers(len(letters))] = str(self.rng.choice(list("aeioust")))
        return "".join(letters)

    def hear(self, truth):
        """Return what was heard, and for each heard word the true word that it comes from."""
        words, owners, at = [], [], 0.0
        for i, word in enumerate(truth):
            lost, added, misheard, torn = self.rng.random(4) < self.shares
            if lost:
                continue
            start = max(at, word.start_s + self.rng.normal(0, self.jitter_s))
            end = max(start + 0.05, word.end_s)
            text = self.wrong(word.text) if misheard else word.text
            cut = (text[:2], text[2:]) if torn and len(text) > 3 else (text,)
            for k, part in enumerate(cut):
                words.append(
                    HeardWord(
                        part, start + k * (end - start) / len(cut), start + (k + 1) * (end - start) / len(cut), 0.8
                    )
                )
                owners.append(i)
            at = end
            if added:
                words.append(HeardWord(str(self.rng.choice(["oh", "yeah", "and", "the"])), end, end + 0.05, 0.3))
                owners.append(None)
                at = end + 0.05
        return Heard(tuple(words), SECONDS), owners


@pytest.mark.parametrize("language", ["en", "fr", "de"])
def test_a_song_heard_badly_finds_its_words(language):
    score = score_of_length(180, language, seed=5)
    duration = round(180.0 * CLOCK.sample_rate)
    sheet = from_text(score.lyrics)
    assert sheet.words == tuple(w.text for w in score.words)
    said, _ = Transcriber(3).hear(score.words)
    got = match(said, sheet, duration, CLOCK, language)
    errors = np.array([abs(w.start_s - t.start_s) for w, t in zip(got.words, score.words, strict=True) if not w.unsung])
    assert len(errors) >= 0.95 * len(score.words)
    assert np.mean(errors < 0.3) >= 0.95


def test_the_confidence_tells_which_words_are_off():
    errors, confident = [], []
    for seed in range(6):
        score = score_of_length(180, "fr", seed=seed)
        said, _ = Transcriber(seed, lost=0.25, added=0.15, misheard=0.25, torn=0.1).hear(score.words)
        got = match(said, from_text(score.lyrics), 180 * CLOCK.sample_rate, CLOCK, "fr")
        for word, true in zip(got.words, score.words, strict=True):
            if not word.unsung:
                errors.append(abs(word.start_s - true.start_s))
                confident.append(word.confidence)
    off = np.array(errors) >= 0.3
    assert off.sum() > 10
    assert np.mean(np.array(confident)[off]) < np.mean(np.array(confident)[~off]) - 0.2


def test_words_that_were_not_heard_stay_near_their_line():
    sheet = lyrics("take the boat home", "tomorrow comes early")
    got = match(heard("take the boat _ _ _ comes early"), sheet, 10_000)
    times = {w.text: (w.start, w.end) for w in got.words}
    assert times["home"] == (2400, 2800)
    assert times["tomorrow"][1] == 4000
    assert times["tomorrow"][0] > times["home"][1]


def test_the_song_of_another_is_told_by_its_counts():
    score, other = score_of_length(180, "en", seed=5), score_of_length(180, "fr", seed=6)
    said, _ = Transcriber(3).hear(other.words)
    got = match(said, from_text(score.lyrics), 180 * CLOCK.sample_rate, CLOCK, "en")
    assert got.n_matched < 0.3 * len(got.words)
    known = [w.confidence for w in got.words if w.confidence is not None]
    assert not known or np.mean(known) < 0.3


def test_a_chorus_that_is_sung_more_often_than_written_leaves_words_over():
    sheet = lyrics("first verse goes like this", "oh my river runs", "second verse comes after that")
    text = "first verse goes like this _ oh my river runs _ oh my river runs _ second verse comes after that"
    got = match(heard(text), sheet, 30_000)
    assert (got.n_unsung, got.n_unclaimed) == (0, 4)
    assert starts(got)["second"] == 1000 + 500 * 13 + 1500
