"""No sample in two pieces, no word cut, nothing longer or shorter than asked: for any recording and any words."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from melisma.core.errors import InputError
from melisma.data.levels import HOP
from melisma.data.manifest import TimedWord
from melisma.data.pieces import Lengths, around, between_pauses, chunks

RATE = 16000
LENGTHS = Lengths(shortest=0.5, longest=4.0, target=2.0, padding=0.1)


@st.composite
def timed_words(draw, longest_s: float = 1.0) -> list[TimedWord]:
    """Words in order, with gaps, touching, overlapping, and of no length."""
    found, at = [], draw(st.floats(0, 3))
    for i in range(draw(st.integers(0, 40))):
        at = max(0.0, at + draw(st.sampled_from([0.0, 0.0, 0.01, 0.05, 0.3, 0.9, 5.0, -0.1])))
        length = draw(st.floats(0.0, longest_s))
        found.append(TimedWord(text=f"w{i}", start=round(at, 4), end=round(at + length, 4)))
        at += length
    return sorted(found, key=lambda word: word.start)


def in_samples(word: TimedWord) -> tuple[int, int]:
    return round(word.start * RATE), round(word.end * RATE)


def check(found: list[tuple[int, int]], n_samples: int) -> None:
    assert all(0 <= first < last <= n_samples for first, last in found)
    assert all(a[1] <= b[0] for a, b in pairwise(found))  # in order, none in two


@given(
    st.lists(st.tuples(st.booleans(), st.integers(1, 400)), min_size=1, max_size=20),
    timed_words(),
    st.integers(0, HOP - 1),
    st.integers(0, 2**31),
)
def test_pieces_between_pauses(runs_of, words, rest, seed):
    loud = np.concatenate([np.full(n, voiced) for voiced, n in runs_of])
    n_samples = len(loud) * HOP - rest
    words = [word for word in words if in_samples(word)[1] <= n_samples]
    heard = np.where(loud, np.random.default_rng(seed).uniform(-30, -10, len(loud)), -90).astype(np.float32)
    found = between_pauses(~loud, heard, n_samples, words, 0.5, LENGTHS)
    every = sorted(found.kept + found.dropped)
    check(every, n_samples)
    assert all(LENGTHS.shortest <= (last - first) / RATE <= LENGTHS.longest for first, last in found.kept)
    for first, last in map(in_samples, words):
        assert not any(first < cut < last for piece in every for cut in piece)  # no word is cut
    covered = np.zeros(n_samples, bool)
    for first, last in every:
        covered[first:last] = True
    assert covered[np.repeat(loud, HOP)[:n_samples]].all()  # all that is said is in a piece


@given(timed_words(), st.booleans(), st.sets(st.integers(0, 40)))
def test_chunks_are_all_words_in_order_and_cut_none(words, by_lines, line_ends):
    groups = chunks(words, line_ends, LENGTHS, by_lines=by_lines)
    assert [i for a, b in groups for i in range(a, b)] == list(range(len(words)))
    n_samples = max((in_samples(word)[1] for word in words), default=0) + RATE
    found = around(words, groups, n_samples, LENGTHS)
    every = sorted(found.kept + found.dropped)
    check([each for each in every if each[0] < each[1]], n_samples)
    for first, last in map(in_samples, words):
        assert not any(first < cut < last for piece in every for cut in piece)


def cost(words: list[TimedWord], groups: list[tuple[int, int]]) -> float:
    """What these chunks cost by length alone, for words without tight or long gaps."""
    lengths = [words[b - 1].end - words[a].start for a, b in groups]
    return sum(((length - LENGTHS.target) / LENGTHS.target) ** 2 + 0.1 for length in lengths) - 0.1


@given(st.lists(st.tuples(st.floats(0.1, 1.0), st.floats(0.25, 1.5)), min_size=1, max_size=9))
def test_the_chunks_are_the_cheapest_of_all(lengths_and_gaps):
    words, at = [], 0.0
    for length, gap in lengths_and_gaps:
        words.append(TimedWord(text="w", start=at, end=at + length))
        at += length + gap
    found = chunks(words, set(), LENGTHS, by_lines=False)
    n = len(words)
    every = []
    for mask in range(1 << (n - 1)):
        edges = [0, *(i + 1 for i in range(n - 1) if mask >> i & 1), n]
        groups = list(pairwise(edges))
        if all(words[b - 1].end - words[a].start <= LENGTHS.longest - 0.2 for a, b in groups):
            every.append(cost(words, groups))
    assert cost(words, found) == pytest.approx(min(every))


def song(n_lines: int, words_per_line: int) -> tuple[list[TimedWord], set[int]]:
    words = [
        TimedWord(text="la", start=line * 4 + i * 0.5, end=line * 4 + i * 0.5 + 0.5)
        for line in range(n_lines)
        for i in range(words_per_line)
    ]
    return words, {words_per_line * (i + 1) - 1 for i in range(n_lines)}


def test_chunks_of_lines_end_where_lines_end_and_last_about_the_target():
    words, line_ends = song(20, 7)
    groups = chunks(words, line_ends, Lengths(), by_lines=True)
    assert all(last - 1 in line_ends for _, last in groups)
    assert {(last - first) // 7 for first, last in groups} == {4}  # four lines are 15.5 s


def test_a_line_that_is_too_long_is_cut_between_words():
    words = [TimedWord(text="la", start=i * 1.0, end=i + 0.9) for i in range(60)]
    groups = chunks(words, {59}, Lengths(longest=20.0), by_lines=True)
    assert len(groups) > 2
    assert all(words[b - 1].end - words[a].start <= 20 for a, b in groups)


def test_music_between_two_verses_is_in_no_chunk():
    words, line_ends = song(2, 6)
    later = [TimedWord(text="la", start=w.start + 40, end=w.end + 40) for w in words]
    groups = chunks(words + later, line_ends | {i + 12 for i in line_ends}, Lengths(longest=100.0), by_lines=True)
    assert (0, 12) in groups


def test_a_long_piece_is_cut_where_it_is_quietest():
    heard = np.full(6000, -20.0, np.float32)
    heard[2500:2530] = -35.0
    found = between_pauses(np.zeros(6000, bool), heard, 6000 * HOP, [], 0.5, Lengths(longest=40.0))
    (first, second) = found.kept
    assert first[1] == second[0]
    assert 2500 * HOP < first[1] < 2530 * HOP


def test_a_short_piece_joins_its_nearer_neighbour_or_is_dropped():
    loud = np.zeros(3000, bool)
    loud[100:400] = loud[480:500] = loud[900:1300] = loud[2500:2520] = True
    heard = np.where(loud, -20, -90).astype(np.float32)
    found = between_pauses(~loud, heard, 3000 * HOP, [], 0.5, Lengths())
    assert [(a // HOP, b // HOP) for a, b in found.kept] == [(90, 510), (890, 1310)]
    assert [(a // HOP, b // HOP) for a, b in found.dropped] == [(2490, 2530)]


def test_padding_is_shared_in_a_pause_that_is_too_short_for_two():
    loud = np.ones(400, bool)
    loud[200:255] = False
    found = between_pauses(~loud, np.zeros(400, np.float32), 400 * HOP, [], 0.5, Lengths(padding=0.4))
    assert found.kept == [(0, 227 * HOP + HOP // 2), (227 * HOP + HOP // 2, 400 * HOP)]


@pytest.mark.parametrize(
    "wrong", [{"shortest": 40.0}, {"target": 50.0}, {"padding": 9.0}, {"padding": -1.0}, {"longest": float("nan")}]
)
def test_lengths_that_make_no_sense_are_refused(wrong):
    with pytest.raises(InputError):
        Lengths(**wrong)
