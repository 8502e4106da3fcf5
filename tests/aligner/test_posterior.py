"""Posteriors of onsets: held to the sum over all paths, one by one, and to what they are for."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from melisma.aligner import posterior
from melisma.aligner.posterior import starts
from melisma.aligner.search import search
from melisma.aligner.viterbi import Path
from melisma.core.records import Emission, Tokens
from melisma.core.timebase import Timebase

CLOCK = Timebase(16000, 480)
LABELS = ("", "a", "b", "c")
SHARPNESS = posterior._SHARPNESS


def spelt(words, line_of=None):
    ids = [LABELS.index(c) for word in words for c in word]
    owners = [i for i, word in enumerate(words) for _ in word]
    lines = [0] * len(words) if line_of is None else line_of
    return Tokens(np.array(ids, np.int64), np.array(owners, np.int64), np.array(lines, np.int64))


def said(log_probs, vocal=None):
    log_probs = np.asarray(log_probs, np.float32)
    return Emission(log_probs, LABELS, 0, CLOCK, len(log_probs) * 480, vocal)


def spikes(n_frames, at, other=1e-4):
    """Labels that are heard, {frame: label}, in silence."""
    probs = np.full((n_frames, len(LABELS)), other)
    probs[np.arange(n_frames), [LABELS.index(at.get(frame, "")) for frame in range(n_frames)]] = 1 - 3 * other
    return said(np.log(probs))


def noise(n_frames, rng, sharp=0.3, vocal=True):
    log_probs = np.log(rng.dirichlet(np.full(len(LABELS), sharp), n_frames) + 1e-5)
    return said(log_probs, rng.random(n_frames).astype(np.float32) if vocal else None)


def paths(n_frames, ids, first, last):
    """Every CTC path of so many frames between two states."""
    found = [[first]]
    for _ in range(n_frames - 1):
        longer = []
        for path in found:
            state = path[-1]
            longer += [[*path, to] for to in (state, state + 1) if to <= 2 * len(ids)]
            if state % 2 and state + 2 < 2 * len(ids) and ids[state // 2] != ids[state // 2 + 1]:
                longer.append([*path, state + 2])
        found = longer
    return np.array([path for path in found if path[-1] == last])


def pause_cost(emission, tokens, blank):
    """What a blank costs in each frame: 5 nats a second in a word, 2.5 in a line, 5 more where nobody sings."""
    owners = tokens.word
    if blank in (0, len(owners)) or tokens.line[owners[blank - 1]] != tokens.line[owners[blank]]:
        return np.zeros(len(emission.log_probs))
    silent = 0 if emission.vocal is None else 5 * (1 - emission.vocal)
    return 0.03 * ((5 if owners[blank - 1] == owners[blank] else 2.5) + silent) * np.ones(len(emission.log_probs))


def by_brute_force(path, emission, tokens, reach):
    """Add up the paths between the ends of the best one, and those of them that begin each word near it.

    The second result is how far from it they begin each word, in the mean, in seconds.
    """
    rows = paths(len(path.states), tokens.ids, int(path.states[0]), int(path.states[-1]))
    frames = np.arange(len(path.states))
    table = np.stack(
        [
            emission.log_probs[:, tokens.ids[state // 2]]
            if state % 2
            else emission.log_probs[:, 0] - pause_cost(emission, tokens, state // 2)
            for state in range(2 * len(tokens.ids) + 1)
        ],
        axis=1,
    )
    weights = np.exp(SHARPNESS * table[frames, rows][:, 1:].sum(axis=1))
    near, spread = [], []
    for begin in np.unique(tokens.word, return_index=True)[1]:
        started = (rows < 2 * begin + 1).sum(axis=1)
        off = abs(started - (path.states < 2 * begin + 1).sum())
        near.append(weights[off <= reach].sum() / weights.sum())
        spread.append((weights * off).sum() / weights.sum() * 0.03)
    return np.array(near), np.array(spread)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.lists(st.text("abc", min_size=1, max_size=2), min_size=1, max_size=3))
def test_posteriors_are_the_share_of_all_paths_that_begin_a_word_there(seed, spelling):
    rng = np.random.default_rng(seed)
    emission = noise(11, rng, vocal=bool(rng.random() < 0.5))
    tokens = spelt(spelling, sorted(rng.integers(0, 2, len(spelling)).tolist()))
    path = search(emission, tokens)
    got = starts(path, emission, tokens, 0.03)
    near, spread_s = by_brute_force(path, emission, tokens, 1)
    np.testing.assert_allclose(got.near, near, atol=2e-5)
    np.testing.assert_allclose(got.spread_s, spread_s, atol=2e-5)


def test_a_word_that_is_heard_once_is_sure_and_one_that_is_heard_twice_is_not():
    once, twice = spikes(90, {20: "a"}), spikes(90, {20: "a", 60: "a"})
    tokens = spelt(["a"])
    assert starts(search(once, tokens), once, tokens, 0.3).near[0] > 0.95
    assert starts(search(twice, tokens), twice, tokens, 0.3).near[0] == pytest.approx(0.5, abs=0.05)


def test_a_word_that_is_heard_twice_is_spread_between_both_places():
    once, twice = spikes(90, {20: "a"}), spikes(90, {20: "a", 60: "a"})
    tokens = spelt(["a"])
    assert starts(search(once, tokens), once, tokens, 0.3).spread_s[0] < 0.1
    assert starts(search(twice, tokens), twice, tokens, 0.3).spread_s[0] == pytest.approx(0.6, abs=0.1)  # half of 1.2


def test_a_path_that_begins_a_word_where_it_is_not_heard_is_doubted():
    emission, tokens = spikes(90, {20: "a", 60: "b"}), spelt(["a", "b"])
    states = np.zeros(90, np.int64)
    states[40:], states[41:], states[60:], states[61:] = 1, 2, 3, 4  # a is put at 40, b at 60
    got = starts(Path(states, 0.0), emission, tokens, 0.3).near
    assert got[0] < 0.05
    assert got[1] > 0.95


def test_the_wider_the_tolerance_the_surer():
    emission, tokens = noise(200, np.random.default_rng(3), sharp=1.0), spelt(["ab", "ca", "bc"])
    path = search(emission, tokens)
    steps = [starts(path, emission, tokens, within).near for within in (0.0, 0.09, 0.3, 1.0)]
    assert all((narrow <= wide + 1e-6).all() and (narrow < wide).any() for narrow, wide in pairwise(steps))


def test_where_the_text_leaves_no_choice_there_is_no_doubt():
    emission, tokens = noise(6, np.random.default_rng(0)), spelt(["aa", "b", "b"])  # four labels and two blanks
    path = search(emission, tokens)
    np.testing.assert_allclose(starts(path, emission, tokens, 0.0).near, 1.0, atol=1e-6)


def a_song(n_words, seed):
    """Words in the rhythm of a song, some of their sounds mumbled, and the text."""
    rng = np.random.default_rng(seed)
    words = ["".join(rng.permutation(list("abc"))[: rng.integers(1, 4)]) for _ in range(n_words)]
    rows: list[int] = []
    for word in words:
        rows += [0] * int(rng.integers(2, 40)) + [x for letter in word for x in (LABELS.index(letter), 0)]
    probs = np.full((len(rows), len(LABELS)), 1e-4)
    probs[np.arange(len(rows)), rows] = 1
    mumbled = rng.random(len(rows)) < 0.1
    probs[mumbled] = rng.dirichlet(np.ones(len(LABELS)), mumbled.sum())
    return said(np.log(probs)), spelt(words, [i // 5 for i in range(n_words)])


def test_stretch_by_stretch_is_as_good_as_all_at_once(monkeypatch):
    emission, tokens = a_song(60, 1)
    path = search(emission, tokens)
    parts = starts(path, emission, tokens, 0.3).near
    monkeypatch.setattr(posterior, "_CORE_S", 1e4)
    whole = starts(path, emission, tokens, 0.3).near
    assert len(emission.log_probs) * 0.03 > 3 * 6.0
    assert whole.min() < 0.8
    assert whole.max() > 0.99
    np.testing.assert_allclose(parts, whole, atol=0.01)


def test_how_many_stretches_are_weighed_at_once_changes_nothing(monkeypatch):
    emission, tokens = a_song(80, 2)
    path = search(emission, tokens)
    many = starts(path, emission, tokens, 0.3).near
    monkeypatch.setattr(posterior, "_AT_ONCE", 3)
    np.testing.assert_allclose(starts(path, emission, tokens, 0.3).near, many, atol=1e-6)


def test_a_label_that_is_all_but_impossible_for_long_breaks_no_sum():
    emission = spikes(3000, {}, other=1e-9)
    tokens = spelt(["abc"] * 40)
    got = starts(search(emission, tokens), emission, tokens, 0.3).near
    assert np.isfinite(got).all()
    assert (got >= 0).all()
    assert (got <= 1).all()
