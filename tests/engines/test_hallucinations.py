"""What nobody sang goes; what somebody may have sung stays."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from melisma.core.records import HeardWord
from melisma.core.timebase import MILLISECONDS, SECONDS
from melisma.engines.hallucinations import (
    HALLUCINATION_CREDITS,
    HALLUCINATION_PHRASES,
    HALLUCINATION_WORDS,
    HeardSegment,
    cleaned,
)
from melisma.text.spellings import pieces


def segment(text, at=0.0, length=0.3, confidence=0.9, **facts):
    words = tuple(
        HeardWord(word, at + i * length, at + (i + 0.9) * length, confidence) for i, word in enumerate(text.split())
    )
    return HeardSegment(words, **facts)


def kept(*segments, **more):
    return " ".join(word.text for word in cleaned(segments, SECONDS, **more).words)


@pytest.mark.parametrize("phrase", HALLUCINATION_PHRASES)
def test_a_farewell_that_fills_a_segment_goes(phrase):
    assert kept(segment("la mer"), segment(f"{phrase.capitalize()}!"), segment("qu'on voit")) == "la mer qu'on voit"


@pytest.mark.parametrize("credit", HALLUCINATION_CREDITS)
def test_credits_go_with_all_that_follows_them(credit):
    assert kept(segment(f"la mer {credit.title()} Radio-Canada 2017")) == "la mer"


def test_the_usual_lines_of_subtitles_go():
    for line in (
        "Sous-titres réalisés par la communauté d'Amara.org",
        "Sous-titrage ST' 501",
        "Sous-titrage Société Radio-Canada",
        "Untertitelung des ZDF, 2020",
        "Субтитры сделал DimaTorzok",
        "Subtitles by the Amara.org community",
        "Subtítulos realizados por la comunidad de Amara.org",
        "ご視聴ありがとうございました",
    ):
        assert kept(segment(line)) == "", line


def test_words_that_only_look_like_them_stay():
    for line in (
        "thanks for watching over me",
        "I'll see you next time",
        "the next video is mine",
        "abonnez vous à la vie",
    ):
        assert kept(segment(line)) == line


def test_what_the_lyrics_hold_is_sung():
    assert kept(segment("thanks for watching"), prompt="Oh\nThanks for watching, babe") == "thanks for watching"
    assert kept(segment("a film, subtitles by you"), prompt="A film\nSubtitles by you") == "a film, subtitles by you"
    assert kept(segment("a film, subtitles by you"), prompt="A film") == "a film,"


@pytest.mark.parametrize(
    "sound", ["♪", "♪♪♪", "…", "[Musique]", "[Musique douce]", "(Music)", "*rires*", "(applause)", "【音楽】", "- -"]
)
def test_names_of_sounds_and_notes_go(sound):
    assert kept(segment(f"la {sound} mer")) == "la mer"


def test_backing_vocals_in_brackets_stay():
    assert kept(segment("la (ooh la) mer")) == "la (ooh la) mer"
    assert kept(segment("la (ooh mer")) == "la (ooh mer"


def test_silence_goes_only_where_the_words_are_doubted_too():
    assert kept(segment("la mer", confidence=0.2, no_speech=0.9)) == ""
    assert kept(segment("la mer", confidence=0.8, no_speech=0.9)) == "la mer"
    assert kept(segment("la mer", confidence=0.2, no_speech=0.3)) == "la mer"
    assert kept(segment("la mer", confidence=None, no_speech=0.9, log_prob=-1.5)) == ""
    assert kept(segment("la mer", confidence=None, no_speech=0.9, log_prob=-0.3)) == "la mer"


def test_a_loop_of_doubted_words_is_its_first_round():
    loop = segment("je suis là " * 12, confidence=0.1)
    assert kept(segment("oui"), loop, segment("non", at=20)) == "oui je suis là non"


def test_a_loop_that_nobody_could_sing_is_its_first_round():
    assert kept(segment("la la " * 30, length=0.01)) == "la"
    assert kept(segment("oh my god " * 10, length=0.02)) == "oh my god"


def test_a_chorus_is_no_loop():
    assert kept(segment("na na na hey " * 6)) == ("na na na hey " * 6).strip()
    assert kept(segment("around the world " * 7, confidence=None)) == ("around the world " * 7).strip()
    assert kept(segment("la " * 11, confidence=None)) == ("la " * 11).strip()


def test_a_loop_without_any_evidence_is_cut_where_it_is_long():
    assert kept(segment("je ne sais pas " * 20, confidence=None)) == "je ne sais pas"


def test_three_rounds_are_never_a_loop():
    assert kept(segment("oui non " * 3, confidence=0.05)) == "oui non oui non oui non"


def test_a_loop_over_several_segments_is_one():
    segments = [segment("merci", at=i, confidence=0.1) for i in range(10)]
    got = cleaned(segments, SECONDS)
    assert [word.start for word in got.words] == [0.0]
    assert got.breaks == (0,)


def test_the_unit_counts_for_what_can_be_sung():
    words = tuple(HeardWord("la", 300.0 * i, 300.0 * i + 200, 0.9) for i in range(20))
    assert len(cleaned([HeardSegment(words)], MILLISECONDS).words) == 20
    fast = tuple(HeardWord("la", 20.0 * i, 20.0 * i + 15, 0.9) for i in range(20))
    assert len(cleaned([HeardSegment(fast)], MILLISECONDS).words) == 1


def test_segments_begin_where_their_first_word_that_stays_is():
    got = cleaned([segment("♪ la mer"), segment("[Music]"), segment("qu'on ♪ voit", at=2)], SECONDS, "fr")
    assert [word.text for word in got.words] == ["la", "mer", "qu'on", "voit"]
    assert got.breaks == (0, 2)
    assert got.language == "fr"


def test_the_lists_can_be_compared():
    for text in (*HALLUCINATION_PHRASES, *HALLUCINATION_CREDITS, *HALLUCINATION_WORDS):
        assert pieces(text), text


@given(
    st.lists(
        st.lists(st.sampled_from(["la", "mer", "♪", "[Music]", "oh", "(", "sous-titrage"]), max_size=12), max_size=6
    )
)
def test_what_stays_is_in_order_and_its_segments_are_its_own(texts):
    segments = [segment(" ".join(words), at=10.0 * i) for i, words in enumerate(texts)]
    got = cleaned(segments, SECONDS)
    said = [word for each in segments for word in each.words]
    at = iter(said)
    assert all(word in at for word in got.words)
    assert all(0 <= b < len(got.words) for b in got.breaks)
    assert list(got.breaks) == sorted(set(got.breaks))
