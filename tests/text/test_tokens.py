from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from melisma.core.records import LyricLine, Lyrics
from melisma.text.tokens import tokenize

LABELS = ("", "a", "b", "c")
WORDS = st.text("abc-", min_size=1, max_size=4)
LYRICS = st.lists(st.lists(WORDS, min_size=1, max_size=4), max_size=4).map(
    lambda lines: Lyrics(tuple(LyricLine(tuple(words)) for words in lines))
)


def letters(word: str) -> list[str]:
    return [letter for letter in word if letter != "-"]


def test_every_token_knows_its_word_and_every_word_its_line():
    tokens = tokenize(Lyrics((LyricLine(("ab", "-", "c")), LyricLine(("a",)))), letters, LABELS)
    assert tokens.ids.tolist() == [1, 2, 3, 1]
    assert tokens.word.tolist() == [0, 0, 2, 3]
    assert tokens.line.tolist() == [0, 0, 0, 1]


@given(LYRICS)
def test_the_lyrics_can_be_spelt_back(lyrics):
    tokens = tokenize(lyrics, letters, LABELS)
    assert {tokens.ids.dtype, tokens.word.dtype, tokens.line.dtype} == {np.dtype(np.int64)}
    spelt = ["".join(LABELS[i] for i in tokens.ids[tokens.word == n]) for n in range(len(lyrics.words))]
    assert spelt == [word.replace("-", "") for word in lyrics.words]
    assert (np.diff(tokens.word) >= 0).all()
    assert tokens.line.tolist() == [n for n, line in enumerate(lyrics.lines) for _ in line.words]


def test_no_lyrics_give_no_tokens():
    tokens = tokenize(Lyrics(()), letters, LABELS)
    assert (tokens.ids.tolist(), tokens.word.tolist(), tokens.line.tolist()) == ([], [], [])


def test_each_word_is_spelt_as_the_user_wrote_it():
    seen: list[str] = []
    tokenize(Lyrics((LyricLine(("L’Amour,", "♪")),)), lambda word: seen.append(word) or (), LABELS)
    assert seen == ["L’Amour,", "♪"]


def test_a_label_that_the_engine_does_not_have_is_a_fault_of_its_speller():
    with pytest.raises(KeyError, match="z"):
        tokenize(Lyrics((LyricLine(("a",)),)), lambda word: ["z"], LABELS)
