"""Counts of transcripts, against an independent count."""

from __future__ import annotations

from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from melisma.metrics.edit import edit_distance
from melisma.metrics.transcription import Counts, counts, edits, total, units

WORDS = st.lists(st.sampled_from(["a", "b", "c", "ab", "č", "љ"]), max_size=9)


def fewest(a: tuple[str, ...], b: tuple[str, ...]) -> int:
    """Count by the definition: the cheapest of the three ways to end."""

    @cache
    def cost(i: int, j: int) -> int:
        if not i or not j:
            return i + j
        return min(cost(i - 1, j) + 1, cost(i, j - 1) + 1, cost(i - 1, j - 1) + (a[i - 1] != b[j - 1]))

    return cost(len(a), len(b))


@given(WORDS, WORDS)
def test_words_need_as_many_edits_as_by_the_definition(reference, hypothesis):
    found = counts(" ".join(reference), " ".join(hypothesis))
    assert found.errors == fewest(tuple(reference), tuple(hypothesis))
    assert (found.n_reference, found.n_hypothesis) == (len(reference), len(hypothesis))


@given(st.text("ab č", max_size=12), st.text("ab č", max_size=12))
def test_characters_need_as_many_edits_as_by_the_definition(reference, hypothesis):
    said, heard = " ".join(reference.split()), " ".join(hypothesis.split())
    found = counts(reference, hypothesis, "character")
    assert found.errors == fewest(tuple(said), tuple(heard))
    assert found.errors == edit_distance([ord(c) for c in said], [ord(c) for c in heard])


@given(WORDS, WORDS)
def test_an_alignment_walks_through_both_in_order_and_agrees_with_the_counts(reference, hypothesis):
    found = edits(reference, hypothesis)
    assert [pair.reference for pair in found.pairs if pair.reference is not None] == list(range(len(reference)))
    assert [pair.hypothesis for pair in found.pairs if pair.hypothesis is not None] == list(range(len(hypothesis)))
    for said, heard, equal in found.pairs:
        assert equal == (said is not None and heard is not None and reference[said] == hypothesis[heard])
    assert found.counts == counts(" ".join(reference), " ".join(hypothesis))
    assert len(list(found.wrong)) == found.counts.errors


def test_a_rate_needs_a_reference_and_may_exceed_one():
    assert counts("", "a b").rate is None
    assert counts("", "a b").insertions == 2
    assert counts("a", "b c d").rate == 3.0
    assert counts("", "") == Counts()


def test_nothing_heard_is_all_deletions():
    assert counts("a b c", "") == Counts(deletions=3)


def test_rates_of_many_are_those_of_their_sums():
    every = [counts("a", "b"), counts("a b c d e f g h i", "a b c d e f g h i")]
    assert total(every).rate == pytest.approx(0.1)
    assert total([]) == Counts()


def test_characters_have_one_space_between_words():
    assert units("  a \t b ", "character") == ["a", " ", "b"]
    assert counts("ab", "a b", "character") == Counts(hits=2, insertions=1)
