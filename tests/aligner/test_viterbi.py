"""The decoder against every path there is, and against what must hold for all of them."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from melisma.aligner.viterbi import Pause, Wildcard, blank_kinds, frames_needed, rest_scores, viterbi
from melisma.core.errors import InputError, TooFewFrames
from melisma.core.records import Tokens

N_LABELS = 4


def make_tokens(ids, lines=None):
    ids = np.array(ids, np.int64)
    lines = np.zeros(len(ids), np.int64) if lines is None else np.array(lines, np.int64)
    return Tokens(ids, np.arange(len(ids), dtype=np.int64), lines)


def random_emission(seed, n_frames, n_labels=N_LABELS):
    rng = np.random.default_rng(seed)
    return np.log(rng.dirichlet(np.full(n_labels, 0.5), n_frames) + 1e-6).astype(np.float32)


def spelt(states, ids):
    """Collapse a path as CTC does: repeats first, then blanks."""
    labels = [0 if s % 2 == 0 else ids[s // 2] for s in states]
    return [b for a, b in pairwise([None, *labels]) if b != a and b]


def every_path(n_frames, ids):
    """Yield every state sequence that CTC allows, by plain recursion."""
    n_states = 2 * len(ids) + 1

    def go(path):
        if len(path) == n_frames:
            if path[-1] >= n_states - 2:
                yield path
            return
        for state in range(path[-1], min(path[-1] + 3, n_states)):
            skips = state == path[-1] + 2
            if skips and (state % 2 == 0 or ids[state // 2] == ids[state // 2 - 1]):
                continue
            yield from go([*path, state])

    for first in range(min(2, n_states)):
        yield from go([first])


def path_score(log_probs, states, ids, wild=frozenset(), cost=0.0):
    total = 0.0
    for frame, state in zip(log_probs, states, strict=True):
        if state % 2:
            total += frame[ids[state // 2]]
        elif state // 2 in wild:
            total += max(frame[0], frame.max() - cost)
        else:
            total += frame[0]
    return total


cases = st.tuples(
    st.integers(0, 2**32 - 1), st.integers(1, 8), st.lists(st.integers(1, N_LABELS - 1), min_size=0, max_size=4)
)


@settings(max_examples=150, deadline=None)
@given(cases)
def test_best_of_all_paths(case):
    seed, n_frames, ids = case
    log_probs = random_emission(seed, n_frames)
    if n_frames < frames_needed(np.array(ids, np.int64)):
        with pytest.raises(TooFewFrames, match="is this the right song"):
            viterbi(log_probs, make_tokens(ids))
        return
    found = viterbi(log_probs, make_tokens(ids))
    best = max(path_score(log_probs, p, ids) for p in every_path(n_frames, ids))
    assert found.score == pytest.approx(best, abs=1e-3)
    assert path_score(log_probs, found.states, ids) == pytest.approx(best, abs=1e-3)
    assert spelt(found.states, ids) == ids


@settings(max_examples=100, deadline=None)
@given(cases, st.floats(0.0, 6.0))
def test_best_of_all_paths_with_wildcards_between_lines(case, cost):
    seed, n_frames, ids = case
    lines = [i // 2 for i in range(len(ids))]
    if n_frames < frames_needed(np.array(ids, np.int64)):
        return
    log_probs = random_emission(seed, n_frames)
    wild = {0, len(ids)} | {k for k in range(1, len(ids)) if lines[k] != lines[k - 1]}
    found = viterbi(log_probs, make_tokens(ids, lines), wildcard=Wildcard(cost))
    best = max(path_score(log_probs, p, ids, wild, cost) for p in every_path(n_frames, ids))
    assert found.score == pytest.approx(best, abs=1e-3)
    assert path_score(log_probs, found.states, ids, wild, cost) == pytest.approx(best, abs=1e-3)


def paused_score(log_probs, states, ids, words, lines, pause):
    total = path_score(log_probs, states, ids)
    for k in (s // 2 for s in states if s % 2 == 0):
        if 0 < k < len(ids) and lines[words[k]] == lines[words[k - 1]]:
            total -= pause.in_word if words[k] == words[k - 1] else pause.in_line
    return total


@settings(max_examples=100, deadline=None)
@given(cases, st.floats(0.0, 3.0), st.floats(0.0, 3.0))
def test_best_of_all_paths_where_pauses_cost(case, in_word, in_line):
    seed, n_frames, ids = case
    words = np.array([0, 0, 1, 2][: len(ids)], np.int64)
    lines = np.array([0, 0, 1], np.int64)
    if n_frames < frames_needed(np.array(ids, np.int64)):
        return
    log_probs, tokens, pause = (
        random_emission(seed, n_frames),
        Tokens(np.array(ids, np.int64), words, lines),
        Pause(in_word, in_line),
    )
    found = viterbi(log_probs, tokens, pause=pause)
    best = max(paused_score(log_probs, p, ids, words, lines, pause) for p in every_path(n_frames, ids))
    assert found.score == pytest.approx(best, abs=1e-3)
    assert paused_score(log_probs, found.states, ids, words, lines, pause) == pytest.approx(best, abs=1e-3)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(20, 400), st.lists(st.integers(1, 9), min_size=1, max_size=12))
def test_long_paths_are_monotone_and_spell_every_token(seed, n_frames, ids):
    found = viterbi(random_emission(seed, n_frames, 10), make_tokens(ids))
    steps = np.diff(found.states)
    assert len(found.states) == n_frames
    assert steps.min(initial=0) >= 0
    assert steps.max(initial=0) <= 2
    assert spelt(found.states, ids) == ids
    assert path_score(random_emission(seed, n_frames, 10), found.states, ids) == pytest.approx(found.score, abs=1e-2)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 39), st.floats(-50, 50))
def test_a_constant_added_to_a_frame_moves_the_score_and_not_the_path(seed, frame, constant):
    log_probs, tokens = random_emission(seed, 40), make_tokens([1, 2, 2, 3])
    before = viterbi(log_probs, tokens)
    moved = log_probs.copy()
    moved[frame] += np.float32(constant)
    after = viterbi(moved, tokens)
    assert after.score == pytest.approx(before.score + constant, abs=1e-2)
    # Ties may fall either way: what must not change is how good the path is on the emission as it was.
    assert path_score(log_probs, after.states, tokens.ids) == pytest.approx(before.score, abs=1e-2)


def test_a_held_vowel_costs_nothing():
    # The label sounds for 200 frames: staying in its token is the path, and its cost is that of the label alone.
    log_probs = np.full((220, 3), np.log(0.01), np.float32)
    log_probs[:10, 0] = log_probs[210:, 0] = np.log(0.98)
    log_probs[10:210, 1] = np.log(0.98)
    found = viterbi(log_probs, make_tokens([1]))
    assert (found.states == 1).sum() == 200
    assert found.score == pytest.approx(220 * np.log(0.98), abs=1e-3)


def test_a_wildcard_takes_unsung_sound_between_lines():
    # Line one is label 1, line two label 2; between them somebody sings label 3 for 20 frames.
    log_probs = np.full((40, 4), np.log(1e-4), np.float32)
    for frames, label in ((range(5), 1), (range(5, 25), 3), (range(25, 30), 2), (range(30, 40), 0)):
        log_probs[list(frames), label] = np.log(0.999)
    tokens = make_tokens([1, 2], [0, 1])
    plain, wild = viterbi(log_probs, tokens), viterbi(log_probs, tokens, wildcard=Wildcard(1.0))
    assert np.flatnonzero(wild.states == 3)[0] == 25
    assert wild.score > plain.score
    dear = viterbi(log_probs, tokens, wildcard=Wildcard(100.0))
    assert dear.score == pytest.approx(plain.score, abs=1e-3)


def test_a_word_that_is_hard_to_hear_stays_with_its_line():
    # Label 1 is heard a little at frame 5 and a little less at frame 95, where its line goes on at frame 96.
    log_probs = np.full((100, 3), np.log(0.01), np.float32)
    log_probs[:, 0] = np.log(0.9)
    log_probs[5, 1], log_probs[95, 1], log_probs[96, 2] = np.log(0.09), np.log(0.05), np.log(0.9)
    tokens = make_tokens([1, 2])
    assert np.flatnonzero(viterbi(log_probs, tokens).states == 1)[0] == 5
    assert np.flatnonzero(viterbi(log_probs, tokens, pause=Pause(in_line=0.05)).states == 1)[0] == 95


@pytest.mark.parametrize("costs", [(-0.1, 0), (0, float("nan")), (float("inf"), 0)])
def test_a_pause_costs_something_finite(costs):
    with pytest.raises(InputError, match="a pause costs 0 nats a frame or more"):
        Pause(*costs)


@pytest.mark.parametrize("cost", [-0.1, float("nan"), float("inf")])
def test_a_wildcard_costs_something_finite(cost):
    with pytest.raises(InputError, match="0 nats a frame or more"):
        Wildcard(cost)


def test_too_few_frames_says_how_many_are_needed():
    with pytest.raises(TooFewFrames, match="2 frames, these lyrics need 4") as caught:
        viterbi(random_emission(0, 2), make_tokens([1, 1, 2]))
    assert (caught.value.n_frames, caught.value.n_needed) == (2, 4)


def test_as_many_frames_as_needed_is_enough():
    ids = [1, 1, 2]
    assert spelt(viterbi(random_emission(0, 4), make_tokens(ids)).states, ids) == ids


def test_no_token_is_all_blank_and_no_frame_is_empty():
    assert viterbi(random_emission(0, 5), make_tokens([])).states.tolist() == [0] * 5
    assert viterbi(random_emission(0, 0), make_tokens([])).states.tolist() == []


def test_long_audio_keeps_its_scores_exact():
    # 30,000 frames at about −5 a frame: without the offset taken off, float32 would round at 0.008 a step.
    rng = np.random.default_rng(3)
    log_probs = np.tile(random_emission(3, 300, 10) - 5, (100, 1))
    ids = rng.integers(1, 10, 2000)
    found = viterbi(log_probs, make_tokens(ids))
    exact = log_probs.astype(np.float64)
    labels = np.where(found.states % 2 == 0, 0, ids[np.minimum(found.states // 2, 1999)])
    assert found.score == pytest.approx(exact[np.arange(30000), labels].sum(), rel=1e-5)


def reference(log_probs, rest, ids, kinds):
    """The best path by the textbook: every state at every frame, in float64, all back-pointers kept."""
    n_states = 2 * len(ids) + 1
    gain = np.empty((len(log_probs), n_states))
    gain[:, 0::2], gain[:, 1::2] = rest[:, kinds], log_probs[:, ids]
    score = np.full(n_states, -np.inf)
    score[:2] = gain[0, :2]
    back = np.zeros(gain.shape, np.int64)
    for t in range(1, len(gain)):
        ways = np.full((3, n_states), -np.inf)
        ways[0], ways[1, 1:], ways[2, 3::2] = score, score[:-1], score[1:-2:2]
        ways[2, 3::2][ids[1:] == ids[:-1]] = -np.inf
        back[t] = ways.argmax(axis=0)
        score = ways.max(axis=0) + gain[t]
    states = [n_states - 2 if score[-2] >= score[-1] else n_states - 1]
    for t in range(len(gain) - 1, 0, -1):
        states.append(states[-1] - back[t, states[-1]])
    return np.array(states[::-1]), max(score[-2:])


@pytest.mark.parametrize("repeats", [0.0, 0.3])
@pytest.mark.parametrize("n_tokens", [30, 300, 440])
def test_the_path_is_the_textbooks_in_every_kind_of_song(n_tokens, repeats):
    """Short and long texts, some that leave hardly a frame to spare, with all that a blank may cost."""
    rng = np.random.default_rng(n_tokens)
    ids = rng.integers(1, 10, n_tokens)
    for k in np.flatnonzero(rng.random(n_tokens) < repeats):
        ids[k] = ids[k - 1]
    words = np.arange(n_tokens) // 4
    tokens = Tokens(ids, words, np.arange(n_tokens // 4 + 1) // 6)
    log_probs = random_emission(n_tokens, 620, 10)
    for wildcard, pause in (
        (None, None),
        (Wildcard(1.0), None),
        (None, Pause(rng.random(620).astype(np.float32), np.float32(0.1))),
    ):
        found = viterbi(log_probs, tokens, wildcard=wildcard, pause=pause)
        rest = rest_scores(log_probs, 0, wildcard, pause or Pause())
        states, score = reference(log_probs, rest, ids, blank_kinds(tokens))
        assert found.states.tolist() == states.tolist()
        assert found.score == pytest.approx(score, abs=1e-3)


def test_of_equal_paths_the_one_that_gets_on_early_is_taken():
    # All labels are equally likely everywhere: the path ends in the last token, and stays there for as long as it may.
    found = viterbi(np.zeros((6, 4), np.float32), make_tokens([1, 2, 2]))
    assert found.states.tolist() == [1, 3, 4, 5, 5, 5]


def test_what_is_impossible_stays_so():
    log_probs = random_emission(1, 30)
    log_probs[:, 3] = -np.inf  # a label that a model never gives
    log_probs[4:9, 0] = -np.inf  # and five frames that cannot be a blank
    found = viterbi(log_probs, make_tokens([1, 2, 1]))
    assert np.isfinite(found.score)
    assert (found.states[4:9] % 2 == 1).all()
    assert viterbi(log_probs, make_tokens([3])).score == -np.inf
