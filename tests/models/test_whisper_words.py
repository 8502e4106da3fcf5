from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from melisma.models.whisper_words import split_words, token_starts, warp, word_times, words_at


def cheapest(cost):
    """Sum of the cheapest path from the first to the last cell, by going through all of them."""
    n, m = cost.shape
    sums = np.full((n + 1, m + 1), np.inf)
    sums[0, 0] = 0
    for i in range(1, n + 1):
        for j in range(1, m + 1):
            sums[i, j] = cost[i - 1, j - 1] + min(sums[i - 1, j - 1], sums[i - 1, j], sums[i, j - 1])
    return sums[n, m]


@given(st.integers(1, 9), st.integers(1, 12), st.integers(0, 10_000))
def test_the_path_is_the_cheapest_and_goes_step_by_step(n, m, seed):
    cost = np.random.default_rng(seed).normal(size=(n, m))  # no two sums are equal
    rows, columns = warp(cost)
    assert (rows[0], columns[0], rows[-1], columns[-1]) == (0, 0, n - 1, m - 1)
    steps = set(zip(np.diff(rows).tolist(), np.diff(columns).tolist(), strict=True))
    assert steps <= {(0, 1), (1, 0), (1, 1)}
    assert cost[rows, columns].sum() == pytest.approx(cheapest(cost))


@given(st.integers(1, 9), st.integers(1, 12), st.integers(0, 10_000))
def test_it_is_the_path_of_transformers(n, m, seed):
    theirs = pytest.importorskip("transformers.models.whisper.generation_whisper")
    cost = np.random.default_rng(seed).integers(-3, 4, (n, m)).astype(float)
    for ours, wanted in zip(warp(cost), theirs._dynamic_time_warping(cost), strict=True):
        assert ours.tolist() == wanted.tolist()


def attention(starts, n_states, prompt=4, heads=2):
    """Heads that look where each token sounds: rows of the prompt first, and a row for what ends the text."""
    rng = np.random.default_rng(1)
    rows = rng.uniform(0, 0.01, (heads, prompt - 1 + len(starts), n_states)).astype(np.float32)
    for i, (begin, end) in enumerate(zip(starts, [*starts[1:], n_states], strict=True)):
        rows[:, prompt - 1 + i, begin:end] += 1.0
    return rows / rows.sum(axis=2, keepdims=True)


def test_tokens_begin_where_the_decoder_looks():
    starts = [0, 20, 55, 80]
    assert np.abs(token_starts(attention(starts, 120), 3, 4) - starts).max() <= 4  # half the width of the median


def test_words_have_the_times_of_their_tokens():
    pieces = [" Š".encode(), b"uma", " šumi".encode(), b"."]
    found = word_times(attention([10, 30, 50, 80, 90], 100), pieces, [0.5, 0.7, 0.9, 0.9], 3, "hr")
    assert [word.text for word in found] == ["Šuma", "šumi."]
    assert found[0].probability == pytest.approx(0.6)
    assert found[1].start == pytest.approx(1.0, abs=0.1)
    assert all(word.start <= word.end for word in found)


def test_what_is_cut_off_ends_with_the_sound():
    (word,) = words_at(np.array([10]), 40, [b" la"], [1.0])
    assert (word.start, word.end) == (pytest.approx(0.2), pytest.approx(0.8))


def test_no_text_has_no_words():
    assert word_times(np.zeros((2, 4, 50), np.float32), [], [], 3) == ()
    assert word_times(np.zeros((2, 5, 0), np.float32), [b" a"], [1.0], 3) == ()


@pytest.mark.parametrize(
    ("pieces", "language", "words"),
    [
        ([" što".encode(), " ", b"ne"], "hr", None),
        ([" Љу".encode(), "бав".encode(), b"!"], "sr", ["Љубав!"]),
        ([b" \xd1", b"\x99", b"\xd1\x83", b" da"], "sr", ["љу", "da"]),  # a letter in two tokens
        ([" „".encode(), b"da", "“".encode(), b" ne"], "hr", ["„da“", "ne"]),
        (["愛".encode(), "し".encode()], "ja", ["愛", "し"]),
        ([b" a", b"\xff\xfe", b" b"], "en", None),  # bytes that are no text
    ],
)
def test_words_are_split_at_spaces(pieces, language, words):
    pieces = [piece.encode() if isinstance(piece, str) else piece for piece in pieces]
    found = split_words(pieces, language)
    assert [first for first, _ in found[1:]] == [stop for _, stop in found[:-1]]  # nothing lost, nothing twice
    assert (found[0][0], found[-1][1]) == (0, len(pieces))
    if words:
        texts = [b"".join(pieces[first:stop]).decode().strip() for first, stop in found]
        assert texts == words


def test_a_pause_behind_a_sentence_is_no_part_of_its_last_word():
    states = np.array([0, 20, 40, 60, 400, 420])
    words = words_at(states, 500, [b" a", b" b", b" c", b" d.", b" e"], [1.0] * 5)
    assert words[3].end - words[3].start <= 1.41
    assert words[4].start == pytest.approx(8.0)
