"""The search that may leave the text, against a plain one that knows every arc, and against what must hold for all."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from melisma.aligner import routes
from melisma.aligner.passages import Passages
from melisma.aligner.routes import RouteCosts, find_route
from melisma.aligner.viterbi import Pause, Wildcard, blank_kinds, rest_scores, viterbi
from melisma.core.records import Tokens

N_LABELS = 4
IN_ORDER = RouteCosts(leave=1e5, token=1e4, aside=1e4, jump=None)
NOWHERE = -1e18
PAUSE = Pause(0.4, 0.2)


@dataclass(frozen=True)
class Case:
    """Everything that a search is given."""

    log_probs: np.ndarray
    rest: np.ndarray
    tokens: Tokens
    passages: Passages
    costs: RouteCosts
    dear: np.ndarray | None = None  # [n_frames, n_passages]
    wildcard: Wildcard | None = None  # what `rest` was made with

    def entries(self):
        return None if self.dear is None else lambda first, stop: self.dear[first:stop]

    def route(self):
        return find_route(self.log_probs, self.rest, self.tokens, self.passages, self.costs, self.entries())

    def entry(self, frame, passage):
        return 0.0 if self.dear is None else float(self.dear[frame, passage])

    def worth(self):
        """What each passage costs that is left out."""
        each = [self.costs.aside if aside else self.costs.token for aside in self.passages.backing]
        return [cost * n for cost, n in zip(each, np.diff(self.passages.tokens), strict=True)]

    def leap(self, a, b):
        """What going from boundary a to boundary b costs, by leaving passages out or by jumping; below zero back."""
        worth = self.worth()
        between = sum(worth[a:b]) if b >= a else -sum(worth[b:a])
        ways = [self.costs.leave] * (b > a) + [self.costs.jump] * (self.costs.jump is not None)
        return between + min(ways) if ways else -NOWHERE

    def leapt(self, at_edges):
        """Let every boundary be reached from every other one: one group in parentheses for its worth, then one leap."""
        n = len(at_edges)
        past = list(at_edges)
        for k in np.flatnonzero(self.passages.backing):
            past[k + 1] = max(past[k + 1], at_edges[k] - self.worth()[k])
        return [max([past[b], *(past[a] - self.leap(a, b) for a in range(n) if a != b)]) for b in range(n)]

    def left_out(self, k):
        """What beginning at boundary k costs."""
        return sum(self.worth()[:k]) + self.costs.leave * (k > 0)


def best_score(case):
    """Return the score of the best path, state by state and arc by arc."""
    ids, edges, kinds = case.tokens.ids, case.passages.tokens.tolist(), blank_kinds(case.tokens)
    n = len(ids)
    blanks, tokens = {}, {}
    for k, edge in enumerate(edges):
        blanks[edge] = float(case.rest[0, kinds[edge]]) - case.left_out(k)
        if edge < n:
            tokens[edge] = float(case.log_probs[0, ids[edge]]) - case.left_out(k) - case.entry(0, k)
    for t in range(1, len(case.log_probs)):
        over, under = {}, {}
        for i in range(n + 1):
            over[i] = float(case.rest[t, kinds[i]]) + max(blanks.get(i, NOWHERE), tokens.get(i - 1, NOWHERE))
        for i in range(n):
            enter = blanks.get(i, NOWHERE)
            if i and ids[i] != ids[i - 1]:
                enter = max(enter, tokens.get(i - 1, NOWHERE))
            if i in edges:
                enter -= case.entry(t, edges.index(i))
            under[i] = float(case.log_probs[t, ids[i]]) + max(tokens.get(i, NOWHERE), enter)
        over |= dict(zip(edges, case.leapt([over[edge] for edge in edges]), strict=True))
        blanks, tokens = over, under
    return max(blanks[n], tokens.get(n - 1, NOWHERE))


def score_of(case, route):
    """Add up what a route scores, from its visits and its path alone."""
    ids, edges, kinds = case.tokens.ids, case.passages.tokens.tolist(), blank_kinds(case.tokens)
    n_edges, n_frames = len(edges), len(case.log_probs)
    at = [-case.left_out(k) for k in range(n_edges)]  # of standing at each boundary before the frame that comes
    total, frame, came_from = 0.0, 0, -1

    def wait(until, at):
        for t in range(frame, until):
            here = [at[k] + float(case.rest[t, kinds[edges[k]]]) for k in range(n_edges)]
            at = here if t == 0 else case.leapt(here)
        return at

    for visit in route.visits:
        first, stop = visit.frames
        waited = wait(first, at)
        if first == frame and frame > 0:  # no blank between two passages: only the next one can follow
            low = edges[visit.passage]
            assert visit.passage == came_from + 1
            assert ids[low] != ids[low - 1]
        total = waited[visit.passage] - case.entry(first, visit.passage)
        low, high = edges[visit.passage], edges[visit.passage + 1]
        inner = route.path.states[first:stop] - 2 * visit.token
        assert inner[[0, -1]].tolist() == [1, 2 * (high - low) - 1]
        assert set(np.diff(inner).tolist()) <= {0, 1, 2}
        for t, state in zip(range(first, stop), inner.tolist(), strict=True):
            token = low + state // 2
            total += float(case.log_probs[t, ids[token]] if state % 2 else case.rest[t, kinds[token]])
        for a, b in zip(inner[:-1].tolist(), inner[1:].tolist(), strict=True):
            assert b - a < 2 or (a % 2 and ids[low + a // 2] != ids[low + b // 2])
        at = [NOWHERE] * n_edges
        at[visit.passage + 1] = total
        frame, came_from = stop, visit.passage
    return wait(n_frames, at)[-1]


@st.composite
def cases(draw, costs=None, longest=14):
    sizes = draw(st.lists(st.integers(1, 3), min_size=1, max_size=4))
    n, n_frames = sum(sizes), draw(st.integers(1, longest))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    log_probs = np.log(rng.dirichlet(np.full(N_LABELS, 0.4), n_frames) + 1e-5).astype(np.float32)
    edges = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    passage = np.repeat(np.arange(len(sizes)), sizes)
    # Some passages share a line, so that blanks at their boundaries are not free.
    line = np.cumsum([0, *(rng.random(len(sizes) - 1) < 0.7)])[passage]
    tokens = Tokens(rng.integers(1, N_LABELS, n), np.arange(n), line.astype(np.int64))
    backing = rng.random(len(sizes)) < 0.3
    wildcard = Wildcard(float(rng.uniform(0.5, 3))) if rng.random() < 0.5 else None
    rest = rest_scores(log_probs, 0, wildcard, PAUSE)
    if costs is None:
        jump = float(rng.uniform(0.5, 8)) if rng.random() < 0.7 else None
        costs = RouteCosts(*(float(x) for x in rng.uniform(0.1, (4, 3, 3))), jump)
    dear = rng.uniform(0, 3, (n_frames, len(sizes))).astype(np.float32) if rng.random() < 0.5 else None
    return Case(log_probs, rest, tokens, Passages(edges, edges, backing), costs, dear, wildcard)


@settings(max_examples=150, deadline=None)
@given(cases())
def test_no_path_is_better_and_the_score_is_that_of_the_path(case):
    route = case.route()
    assert route.path.score == pytest.approx(best_score(case), abs=2e-3)
    assert score_of(case, route) == pytest.approx(route.path.score, abs=2e-3)


@settings(max_examples=60, deadline=None)
@given(cases(longest=30), st.integers(1, 60))
def test_kept_scores_change_nothing(case, at_once):
    """However few back-pointers are held at a time, the route is the same; only the sum is rounded elsewhere."""
    whole = case.route()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(routes, "_AT_ONCE", at_once)
        pieces = case.route()
    assert pieces.path.score == pytest.approx(whole.path.score, abs=2e-3)
    assert score_of(case, pieces) == pytest.approx(best_score(case), abs=2e-3)


def test_stretches_really_are_short(monkeypatch):
    """With little memory a long search runs its frames twice, a stretch at a time: recorded ones are short."""
    lengths = []
    run = routes._run

    def spy(state, frames, *rest):
        lengths.append(frames[1] - frames[0])
        run(state, frames, *rest)

    case = spoken([1, 2], [1, 1], [1, 0, 2] + [0] * 397)
    monkeypatch.setattr(routes, "_run", spy)
    monkeypatch.setattr(routes, "_AT_ONCE", 1)
    route = case.route()
    assert max(lengths) == 20
    assert sum(lengths) == 2 * 399 - lengths[len(lengths) // 2]
    assert [visit.frames for visit in route.visits] == [(0, 1), (2, 3)]


@settings(max_examples=60, deadline=None)
@given(cases(costs=IN_ORDER, longest=24))
def test_where_leaving_is_dear_it_is_the_best_path_through_the_text(case):
    tokens = case.tokens
    n_needed = len(tokens.ids) + int(np.sum(tokens.ids[1:] == tokens.ids[:-1]))
    if len(case.log_probs) < n_needed or case.dear is not None:
        return
    found, best = case.route(), viterbi(case.log_probs, tokens, 0, case.wildcard, PAUSE)
    assert found.path.score == pytest.approx(best.score, abs=5e-2)
    assert [visit.passage for visit in found.visits] == list(range(len(case.passages)))


def spoken(ids, sizes, labels, backing=(), costs=None, wildcard=None):
    """A recording in which each frame surely holds one label, and a text of passages of such labels."""
    n_labels = max(*ids, *labels) + 1
    log_probs = np.full((len(labels), n_labels), -6.0, np.float32)
    log_probs[np.arange(len(labels)), labels] = -0.01
    n = len(ids)
    edges = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    line = np.repeat(np.arange(len(sizes)), sizes)
    aside = np.isin(np.arange(len(sizes)), backing)
    tokens = Tokens(np.array(ids, np.int64), np.arange(n), line)
    rest = rest_scores(log_probs, 0, wildcard, Pause())
    return Case(log_probs, rest, tokens, Passages(edges, edges, aside), costs or RouteCosts(2.0, 1.0, 1.0, 3.0))


def visits(case):
    return [(visit.passage, *visit.frames) for visit in case.route().visits]


FIRST, SECOND, THIRD = [1, 2, 3], [4, 5, 6], [7, 8, 9]
TEXT = FIRST + SECOND + THIRD


def test_all_that_is_sung_is_visited_in_its_frames():
    heard = [0, *FIRST, 0, *SECOND, *THIRD, 0]
    assert visits(spoken(TEXT, [3, 3, 3], heard)) == [(0, 1, 4), (1, 5, 8), (2, 8, 11)]


def test_a_passage_that_nobody_sings_is_left_out():
    assert visits(spoken(TEXT, [3, 3, 3], [0, *FIRST, 0, *THIRD, 0])) == [(0, 1, 4), (2, 5, 8)]


def test_what_is_sung_once_more_is_visited_once_more():
    heard = [0, *FIRST, 0, *SECOND, 0, *FIRST, 0, *SECOND, *THIRD]
    assert [v[0] for v in visits(spoken(TEXT, [3, 3, 3], heard))] == [0, 1, 0, 1, 2]


def test_another_order_is_found():
    heard = [*THIRD, 0, *FIRST, 0, *SECOND, 0]
    assert visits(spoken(TEXT, [3, 3, 3], heard)) == [(2, 0, 3), (0, 4, 7), (1, 8, 11)]


def test_without_jumps_no_way_goes_back():
    heard = [*THIRD, 0, *FIRST, 0, *SECOND, 0]
    costs = RouteCosts(2.0, 1.0, 1.0, None)
    assert [v[0] for v in visits(spoken(TEXT, [3, 3, 3], heard, costs=costs))] == [0, 1]


def test_what_going_back_costs_decides_whether_anything_is_sung_again():
    """Nine frames that a blank would miss by six nats each, and nine tokens given back at three: 81 nats."""
    heard = [*TEXT, 0, *TEXT, 0]
    for jump, n in ((80.0, 2), (82.0, 1)):
        costs = RouteCosts(30.0, 3.0, 3.0, jump)
        assert len(visits(spoken(TEXT, [9], heard, costs=costs))) == n


def test_leaving_out_a_passage_in_parentheses_costs_no_more_than_its_tokens():
    """Eight nats are what the frames of the group cost: cheaper than leaving a line, dearer than leaving an aside."""
    heard = [*FIRST, 0, 0, *THIRD, 0]
    costs = RouteCosts(leave=60.0, token=2.0, aside=2.0, jump=None)
    assert [v[0] for v in visits(spoken(TEXT, [3, 3, 3], heard, (), costs))] == [0, 1, 2]
    assert [v[0] for v in visits(spoken(TEXT, [3, 3, 3], heard, (1,), costs))] == [0, 2]


def test_a_group_in_parentheses_and_the_line_behind_it_are_left_out_at_once():
    """A single frame of blank has room for both."""
    heard = [0, *FIRST, 0, 10, 11, 12, 0]
    text = [*TEXT, 10, 11, 12]
    assert visits(spoken(text, [3, 3, 3, 3], heard, (1,))) == [(0, 1, 4), (3, 5, 8)]


def test_if_nothing_of_the_text_is_sung_there_are_no_visits():
    case = spoken(TEXT, [3, 3, 3], [10] * 12 + [0], wildcard=Wildcard(2.0))
    route = case.route()
    assert route.visits == ()
    assert not route.path.states.any()


def test_no_frames_are_no_route():
    case = spoken(TEXT, [3, 3, 3], [0])
    empty = find_route(case.log_probs[:0], case.rest[:0], case.tokens, case.passages, case.costs)
    assert empty.visits == ()
    assert len(empty.path.states) == 0


def test_gains_tell_what_is_heard_from_what_is_not():
    heard = [0, *FIRST, 0, 10, 10, 10, 0, *THIRD]
    case = spoken(TEXT, [3, 3, 3], heard, costs=RouteCosts(100.0, 100.0, 100.0, None))
    gains = [visit.gain for visit in case.route().visits]
    assert min(gains[0], gains[2]) > 5
    assert abs(gains[1]) < 2.1


def test_entries_keep_a_passage_from_beginning_where_it_is_not_expected():
    heard = [0, *FIRST, 0, 0, *FIRST, 0]
    case = spoken(FIRST, [3], heard, costs=RouteCosts(50.0, 50.0, 50.0, None))
    assert visits(case) in ([(0, 1, 4)], [(0, 6, 9)])
    for expected in (1, 6):
        dear = np.full((len(heard), 1), 9.0, np.float32)
        dear[expected] = 0
        assert visits(Case(case.log_probs, case.rest, case.tokens, case.passages, case.costs, dear)) == [
            (0, expected, expected + 3)
        ]
