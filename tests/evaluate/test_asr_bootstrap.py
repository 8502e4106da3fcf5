"""Intervals of error rates, against draws that are made one by one."""

from __future__ import annotations

import numpy as np
import pytest

from melisma.evaluate import asr_bootstrap
from melisma.evaluate.asr_bootstrap import Bootstrap, summed


@pytest.fixture
def table():
    rng = np.random.default_rng(5)
    lengths = rng.integers(3, 15, 200)
    return np.stack([rng.binomial(lengths, 0.2), lengths], axis=1).astype(np.float64)


def test_rates_are_those_of_draws_made_one_by_one(table):
    rng = np.random.default_rng(3)
    drawn = [table[rng.integers(len(table), size=len(table))].sum(axis=0) for _ in range(50)]
    wanted = [edits / length for edits, length in drawn]
    assert Bootstrap(3, 50).rates(table)[:, 0] == pytest.approx(wanted)


def test_memory_is_bounded_and_changes_nothing(table, monkeypatch):
    whole = Bootstrap(3, 50).rates(table)
    monkeypatch.setattr(asr_bootstrap, "_AT_ONCE", 7 * len(table))
    assert np.array_equal(Bootstrap(3, 50).rates(table), whole)


def test_an_interval_holds_the_true_rate_about_as_often_as_it_says():
    held, rng = 0, np.random.default_rng(0)
    for seed in range(200):
        lengths = rng.integers(5, 20, 60)
        table = np.stack([rng.binomial(lengths, 0.3), lengths], axis=1).astype(np.float64)
        low, high = Bootstrap(seed, 300).intervals(table)[0]
        held += low <= 0.3 <= high
    assert 0.88 <= held / 200 <= 0.99


def test_speakers_who_differ_make_an_interval_wider():
    rng = np.random.default_rng(1)
    rates = np.repeat(rng.uniform(0.0, 0.6, 10), 30)
    lengths = np.full(300, 10)
    table = np.stack([rng.binomial(lengths, rates), lengths], axis=1).astype(np.float64)
    alone = Bootstrap(0, 500).intervals(table)[0]
    blocks = Bootstrap(0, 500).intervals(summed(table, [str(k // 30) for k in range(300)]))[0]
    assert blocks[1] - blocks[0] > 2 * (alone[1] - alone[0])


def test_a_paired_difference_is_surer_than_two_intervals(table):
    worse = table + np.array([[0.3, 0.0]])
    low, high = Bootstrap(0, 500).differences(worse, table)[0]
    assert low > 0
    assert high - low < 0.01
    assert Bootstrap(0, 500).differences(table, table) == [(0.0, 0.0)]


@pytest.mark.parametrize("n", [0, 1])
def test_too_few_have_no_interval(n):
    assert Bootstrap().intervals(np.ones((n, 4))) == [None, None]


def test_nothing_said_has_no_interval():
    assert Bootstrap(0, 20).intervals(np.array([[1.0, 0.0], [2.0, 0.0]])) == [None]


def test_other_units_cannot_be_paired(table):
    with pytest.raises(ValueError, match="the same units"):
        Bootstrap().differences(table, table[1:])
