"""Batches: every clip once a pass, none too long, the same whenever they are asked for, in however many pieces."""

from __future__ import annotations

import numpy as np
import pytest

from melisma.train.ctc.batches import Key, Plan, Share, StepSampler


@pytest.fixture
def plan():
    rng = np.random.default_rng(5)
    lengths = rng.uniform(0.5, 12, 300).astype(np.float32)
    return Plan(lengths, rng.integers(2, 90, 300), 40.0, seed=3)


@pytest.mark.parametrize("which", [0, 1, 7])
def test_a_pass_holds_every_clip_once(plan, which):
    first = which * plan.n_per_pass
    clips = np.concatenate([plan.batch(first + k) for k in range(plan.n_per_pass)])
    assert sorted(clips) == list(range(300))


def test_no_batch_is_longer_than_asked_by_more_than_a_tenth(plan):
    for number in range(3 * plan.n_per_pass):
        clips = plan.batch(number)
        assert plan.lengths_s[clips].max() * len(clips) <= 44.001 or len(clips) == 1


def test_little_is_padding(plan):
    assert 0 < plan.padding() < 0.1


def test_the_first_pass_goes_from_short_to_long_and_the_next_does_not(plan):
    def longest(which):
        first = which * plan.n_per_pass
        return [float(plan.lengths_s[plan.batch(first + k)].max()) for k in range(plan.n_per_pass)]

    assert all(later > earlier * 0.9 for earlier, later in zip(longest(0), longest(0)[1:], strict=False))
    assert longest(1) != sorted(longest(1))


def test_passes_differ_and_seeds_differ(plan):
    other = Plan(plan.lengths_s, plan.n_labels, 40.0, seed=4)
    drawn = [set(map(tuple, (np.sort(p.batch(n)).tolist() for n in range(k, k + p.n_per_pass))))
             for p, k in ((plan, 0), (plan, plan.n_per_pass), (other, 0))]  # fmt: skip
    assert drawn[0] != drawn[1]
    assert drawn[0] != drawn[2]


def test_a_sampler_that_begins_later_gives_what_came_then(plan):
    whole = StepSampler(plan, 60)
    late = StepSampler(plan, 60)
    late.first = 37
    assert list(late) == list(whole)[37:]
    assert len(late) == 60


def test_processes_share_every_batch_of_one(plan):
    alone = list(StepSampler(plan, 20))
    shares = [list(StepSampler(plan, 20, Share(1, rank, 2))) for rank in (0, 1)]
    for keys, parts in zip(alone, zip(*shares, strict=True), strict=True):
        whole = {(key.row, key.clip) for key in keys}
        assert {(key.row, key.clip) for part in parts for key in part} == whole
        assert {key.longest for part in parts for key in part} == {keys[0].longest}
        assert sum(part[0].weight for part in parts) == pytest.approx(2)


def test_pieces_of_processes_are_all_different(plan):
    shares = [list(StepSampler(plan, 4, Share(2, rank, 2))) for rank in (0, 1)]
    rows = [key.row for share in shares for keys in share[:2] for key in keys if key.weight]
    assert sorted(rows) == list(range(len(plan.batch(0))))


def test_pieces_make_up_their_batch_and_weigh_what_their_labels_are(plan):
    pieces = StepSampler(plan, 12, Share(pieces=3))
    keys = [pieces.keys(4, piece) for piece in range(3)]
    whole = StepSampler(plan, 4).keys(4)
    assert sorted(key.row for part in keys for key in part) == [key.row for key in whole]
    assert {(key.row, key.clip) for part in keys for key in part} == {(key.row, key.clip) for key in whole}
    assert sum(part[0].weight for part in keys) == pytest.approx(3)
    labels = [sum(plan.n_labels[key.clip] for key in part) for part in keys]
    assert keys[0][0].weight == pytest.approx(3 * labels[0] / sum(labels))


def test_a_piece_too_many_weighs_nothing():
    plan = Plan(np.array([1.0], np.float32), np.array([5]), 10.0)
    sampler = StepSampler(plan, 2, Share(pieces=2))
    assert list(sampler) == [[Key(0, 0, 0, 2.0, 16000)], [Key(0, 0, 0, 0.0, 16000)]]


def test_one_clip_that_is_longer_than_a_batch_is_a_batch():
    plan = Plan(np.array([30.0, 1.0], np.float32), np.array([5, 5]), 10.0)
    assert sorted(plan.batch(k).tolist() for k in range(plan.n_per_pass)) == [[0], [1]]
