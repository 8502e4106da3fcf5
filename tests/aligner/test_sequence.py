"""Two sequences side by side: the best path that a plain recursion finds, and the same between anchors."""

from __future__ import annotations

from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rapidfuzz.distance import Levenshtein

from melisma.aligner import sequence
from melisma.aligner.sequence import PairingCosts, Spelt, pair

COSTS = PairingCosts()
MOVES = ((1, 1), (1, 2), (2, 1), (1, 3), (3, 1), (1, 4), (4, 1))


def spelt(text, joins=()):
    return Spelt(tuple(text.split()), (), joins)


def found(heard, known):
    """The pairs as text."""
    ours, theirs = heard.split(), known.split()
    return [
        (" ".join(ours[p.heard : p.heard_stop]), " ".join(theirs[p.known : p.known_stop]))
        for p in pair(spelt(heard), spelt(known))
    ]


def gain(heard, known):
    """What a pair of joined spellings gains, or None if it may not be."""
    alike = Levenshtein.normalized_similarity("".join(heard), "".join(known))
    single = len(heard) == len(known) == 1
    if alike < (COSTS.least if single else COSTS.least_joined):
        return -COSTS.mistaken if single else None
    weight = 0.3 + 0.7 * min(len("".join(known)) / COSTS.letters, 1)
    return weight * (2 * alike - 1) - COSTS.joining * (len(heard) + len(known) - 2)


def best_score(heard, known):
    """The best path's score by plain recursion over what was done last."""

    @cache
    def best(i, j, last):
        if i == 0 and j == 0:
            return 0.0 if last == "pair" else float("-inf")
        if last == "pair":
            options = [
                whole(i - a, j - b) + got
                for a, b in MOVES
                if a <= i and b <= j and (got := gain(heard[i - a : i], known[j - b : j])) is not None
            ]
            return max(options, default=float("-inf"))
        if last == "known":
            return float("-inf") if j == 0 else gap(i, j - 1, "known")
        return float("-inf") if i == 0 else gap(i - 1, j, "heard")

    def gap(i, j, kind):
        return max(whole(i, j) - COSTS.gap_open, best(i, j, kind) - COSTS.gap_extend)

    @cache
    def whole(i, j):
        return max(best(i, j, last) for last in ("pair", "known", "heard"))

    return whole(len(heard), len(known))


def score_of(heard, known):
    """The score that the search found: that of its table's last cell."""
    block = sequence._Block(0, len(heard), 0, len(known))
    ours, theirs = Spelt(tuple(heard)), Spelt(tuple(known))
    likeness = [sequence._likeness(ours, theirs, block, move) for move in MOVES]
    gains = [
        sequence._gains(ours, theirs, block, each, move, COSTS) for each, move in zip(likeness, MOVES, strict=True)
    ]
    table = sequence._fill(gains, COSTS)
    return max(float(t[-1, -1]) for t in (table.paired, table.skip_known, table.skip_heard))


WORDS = st.lists(st.text("abcd", min_size=1, max_size=4), max_size=7)


@settings(max_examples=60, deadline=None)
@given(WORDS, WORDS)
def test_the_best_path_is_the_one_of_a_plain_recursion(heard, known):
    assert score_of(heard, known) == pytest.approx(best_score(tuple(heard), tuple(known)), abs=1e-4)


@given(WORDS, WORDS)
def test_pairs_rise_on_both_sides_and_share_nothing(heard, known):
    at = (0, 0)
    for each in pair(Spelt(tuple(heard)), Spelt(tuple(known))):
        assert at[0] <= each.heard < each.heard_stop <= len(heard)
        assert at[1] <= each.known < each.known_stop <= len(known)
        assert COSTS.least <= each.similarity <= 1
        at = each.heard_stop, each.known_stop


def test_equal_sequences_pair_word_by_word():
    text = "the sea is wide and the sea is deep"
    assert found(text, text) == [(w, w) for w in text.split()]


def test_words_are_joined_on_either_side():
    assert found("im goingto love la bas now", "im going to love labas now") == [
        ("im", "im"),
        ("goingto", "going to"),
        ("love", "love"),
        ("la bas", "labas"),
        ("now", "now"),
    ]


def test_heard_words_that_are_far_apart_are_not_joined():
    (joined,) = pair(spelt("la bas", (True, True)), spelt("labas"))
    (apart,) = pair(spelt("la bas", (True, False)), spelt("labas"))
    assert (joined.heard, joined.heard_stop) == (0, 2)
    assert (apart.heard, apart.heard_stop) == (1, 2)


def test_a_passage_that_was_not_heard_keeps_its_small_words():
    known = "blue moon over me the river and the stone in the valley of the king green light under you"
    heard = "blue moon over me green light under you"
    assert [k for _, k in found(heard, known)] == ["blue", "moon", "over", "me", "green", "light", "under", "you"]


def test_a_misheard_word_stands_between_its_neighbours_and_is_no_pair():
    assert found("take the boat home", "take the xylo home") == [("take", "take"), ("the", "the"), ("home", "home")]


def test_sounds_pair_what_letters_do_not():
    heard = Spelt(("a", "ninety", "nine", "b"), ("1", "234", "56", "7"))
    known = Spelt(("a", "99", "b"), ("1", "23456", "7"))
    assert [(p.heard, p.heard_stop) for p in pair(heard, known)] == [(0, 1), (1, 3), (3, 4)]


def verses(rng, n):
    vocabulary = ["".join(rng.choice(list("abcdefghij"), rng.integers(2, 8))) for _ in range(400)]
    return [str(rng.choice(vocabulary)) for _ in range(n)]


@pytest.mark.parametrize("seed", range(3))
def test_anchors_change_nothing_where_most_was_heard(seed, monkeypatch):
    rng = np.random.default_rng(seed)
    known = verses(rng, 500)
    heard = [word for word in known if rng.random() > 0.1]
    whole = pair(Spelt(tuple(heard)), Spelt(tuple(known)))
    monkeypatch.setattr(sequence, "_MOST_CELLS", 400)
    cut = pair(Spelt(tuple(heard)), Spelt(tuple(known)))
    same = {(p.heard, p.known) for p in whole} & {(p.heard, p.known) for p in cut}
    assert len(same) >= 0.98 * len(whole)


@pytest.mark.parametrize("kind", ["nothing in common", "one word over and over", "the same twice"])
def test_what_has_no_anchor_is_cut_all_the_same(kind, monkeypatch):
    monkeypatch.setattr(sequence, "_MOST_CELLS", 400)
    rng = np.random.default_rng(1)
    known = verses(rng, 150)
    heard = {
        "nothing in common": ["zzzz"] * 200,
        "one word over and over": ["na"] * 200,
        "the same twice": known + known,
    }[kind]
    if kind == "one word over and over":
        known = ["na"] * 150
    pairs = pair(Spelt(tuple(heard)), Spelt(tuple(known)))
    assert all(a.heard_stop <= b.heard and a.known_stop <= b.known for a, b in pairwise(pairs))
    if kind == "nothing in common":
        assert pairs == ()
    else:
        assert len(pairs) >= 140


def test_a_run_that_stands_once_is_an_anchor_and_others_are_not():
    heard, known = ["x", "a", "b", "c", "d", "y", "a", "b"], ["a", "b", "q", "a", "b", "c", "d"]
    block = sequence._Block(0, len(heard), 0, len(known))
    assert sequence._unique_runs(heard, known, block, 4) == [(1, 3), (2, 4), (3, 5), (4, 6)]
    assert sequence._unique_runs(["a", "b"], known, sequence._Block(0, 2, 0, 7), 2) == []
