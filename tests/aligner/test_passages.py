"""Lyrics as passages, and passages in the order of singing."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from melisma.aligner.passages import as_sung, in_parentheses, split
from melisma.core.records import LyricLine, Lyrics, Tokens

SILENT = {"—", "…"}


def text_of(*lines, phrases=False):
    """Lyrics whose words own a token for every letter; those in SILENT own none."""
    lyrics = Lyrics(tuple(LyricLine(tuple(line.split())) for line in lines))
    spelt = [0 if word in SILENT else sum(sign.isalpha() for sign in word) for word in lyrics.words]
    ids = np.arange(1, sum(spelt) + 1, dtype=np.int64)
    line = np.array([k for k, one in enumerate(lyrics.lines) for _ in one.words], np.int64)
    phrase = np.arange(len(spelt), dtype=np.int64) // 2 if phrases else None
    return Tokens(ids, np.repeat(np.arange(len(spelt)), spelt), line, phrase), lyrics


def written(passages, lyrics):
    """The words of each passage as a text."""
    return [" ".join(lyrics.words[a:b]) for a, b in pairwise(passages.words)]


@pytest.mark.parametrize(
    ("line", "inside"),
    [
        ("come (come on) home", "come on"),
        ("come （on） home", "on"),
        ("walk(ing) home", ""),
        ("(walk)ing home", "walk ing"),
        ("come (on and on", "on and on"),
        ("come on) home", ""),
        ("a (b (c) d) e", "b c d"),
        ("(ooh)", "ooh"),
        ("no( way) out", "way"),
    ],
)
def test_words_in_parentheses(line, inside):
    words = line.split()
    flags = in_parentheses(words)
    chosen = [word for word, flag in zip(words, flags, strict=True) if flag]
    plain = " ".join(chosen).replace("(", "").replace("（", "").replace(")", "").replace("）", "")
    assert plain.split() == inside.replace("walk ing", "walking").split()


def test_a_passage_is_a_line_or_the_part_of_it_inside_or_outside_parentheses():
    tokens, lyrics = text_of("come home (come on) now", "(ooh)", "and stay")
    passages = split(tokens, lyrics)
    assert written(passages, lyrics) == ["come home", "(come on)", "now", "(ooh)", "and stay"]
    assert passages.backing.tolist() == [False, True, False, True, False]


def test_parentheses_that_are_never_shut_end_with_their_line():
    tokens, lyrics = text_of("come (on", "and stay")
    assert split(tokens, lyrics).backing.tolist() == [False, True, False]


def test_words_without_sound_go_with_a_passage_that_has_some():
    tokens, lyrics = text_of("—", "come home", "…", "and stay", "—")
    passages = split(tokens, lyrics)
    assert written(passages, lyrics) == ["— come home …", "and stay —"]


def test_of_a_text_without_sound_there_is_no_passage():
    tokens, lyrics = text_of("— …", "—")
    assert len(split(tokens, lyrics)) == 0


lines = st.lists(
    st.lists(st.sampled_from(["come", "(on", "on)", "(ooh)", "—", "a"]), min_size=1, max_size=5), max_size=5
)


@given(lines)
def test_every_word_and_every_token_stands_in_one_passage(made):
    tokens, lyrics = text_of(*(" ".join(words) for words in made))
    passages = split(tokens, lyrics)
    if not len(tokens.ids):
        assert len(passages) == 0
        return
    for bounds, n in ((passages.words, len(lyrics.words)), (passages.tokens, len(tokens.ids))):
        assert (bounds[0], bounds[-1]) == (0, n)
        assert np.all(np.diff(bounds) > 0)
    for (word, after), (token, stop) in zip(pairwise(passages.words), pairwise(passages.tokens), strict=True):
        assert np.all((tokens.word[token:stop] >= word) & (tokens.word[token:stop] < after))
        lines_inside = {int(tokens.line[i]) for i in range(word, after) if np.any(tokens.word == i)}
        assert len(lines_inside) == 1


def test_as_sung_in_the_written_order_is_the_text_itself():
    tokens, lyrics = text_of("come home (come on)", "and stay", phrases=True)
    sung = as_sung(range(3), split(tokens, lyrics), tokens, lyrics)
    assert sung.lyrics == lyrics
    for name in ("ids", "word", "line"):
        assert np.array_equal(getattr(sung.tokens, name), getattr(tokens, name))
    assert sung.words.tolist() == list(range(6))
    assert sung.visit.tolist() == [0, 0, 1, 1, 2, 2]


def test_as_sung_words_come_again_in_lines_of_their_own():
    tokens, lyrics = text_of("come home", "and stay", "a — b")
    sung = as_sung([2, 0, 0], split(tokens, lyrics), tokens, lyrics)
    assert [line.words for line in sung.lyrics.lines] == [("a", "—", "b"), ("come", "home"), ("come", "home")]
    assert sung.tokens.ids.tolist() == [16, 17, *range(1, 9), *range(1, 9)]
    assert sung.tokens.word.tolist() == [0, 2, *[3] * 4, *[4] * 4, *[5] * 4, *[6] * 4]
    assert sung.tokens.line.tolist() == [0, 0, 0, 1, 1, 2, 2]
    assert sung.words.tolist() == [4, 5, 6, 0, 1, 0, 1]
    assert sung.visit.tolist() == [0, 0, 0, 1, 1, 2, 2]


def test_a_line_whose_parentheses_are_left_out_goes_on_in_a_line_of_its_own():
    tokens, lyrics = text_of("come (on) home")
    sung = as_sung([0, 2], split(tokens, lyrics), tokens, lyrics)
    assert [line.words for line in sung.lyrics.lines] == [("come",), ("home",)]


def test_phrases_begin_where_the_text_has_one_or_a_line_begins():
    tokens, lyrics = text_of("a b c d", "e f", phrases=True)
    sung = as_sung([1, 0, 0], split(tokens, lyrics), tokens, lyrics)
    assert sung.tokens.phrase.tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]


def test_nothing_sung_is_an_empty_text():
    tokens, lyrics = text_of("come home", phrases=True)
    sung = as_sung([], split(tokens, lyrics), tokens, lyrics)
    assert len(sung.tokens.ids) == len(sung.words) == len(sung.lyrics.lines) == 0
