"""Agreement of units with phones: against counting by hand and scikit-learn's mutual information."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from melisma.metrics.units import agreement, count_pairs, usage

PAIRS = st.lists(st.tuples(st.integers(-1, 4), st.integers(0, 6)), min_size=1, max_size=80)


@given(PAIRS)
def test_pairs_are_counted_as_one_by_one(pairs):
    phones, units = (np.array(each, np.int64) for each in zip(*pairs, strict=True))
    by_hand = np.zeros((5, 7), np.int64)
    for phone, unit in pairs:
        if phone >= 0:
            by_hand[phone, unit] += 1
    assert count_pairs(phones, units, 5, 7).tolist() == by_hand.tolist()


@settings(deadline=None)
@given(PAIRS)
def test_mutual_information_is_that_of_scikit_learn(pairs):
    metrics = pytest.importorskip("sklearn.metrics", reason="needs the extra [units]")
    known = [pair for pair in pairs if pair[0] >= 0]
    phones, units = (np.array([pair[i] for pair in pairs], np.int64) for i in (0, 1))
    found = agreement(count_pairs(phones, units, 5, 7))
    if not known:
        assert found is None
        return
    assert found is not None
    theirs = metrics.mutual_info_score([p for p, _ in known], [u for _, u in known])
    shares = [sum(p == phone for p, _ in known) / len(known) for phone in {p for p, _ in known}]
    entropy = -sum(share * math.log(share) for share in shares)
    assert found.phone_entropy == pytest.approx(entropy, abs=1e-12)
    assert found.pnmi == pytest.approx(theirs / entropy if entropy > 0 else 0.0, abs=1e-9)
    assert 0 <= found.chance <= found.phone_purity <= 1


def test_purities_by_hand():
    found = agreement(np.array([[6, 2, 0], [1, 3, 4]]))
    assert found is not None
    assert (found.phone_purity, found.cluster_purity, found.chance) == (13 / 16, 10 / 16, 0.5)


def test_units_that_are_phones_tell_all():
    found = agreement(np.diag([3, 4, 5]))
    assert found is not None
    assert (found.phone_purity, found.cluster_purity, found.pnmi) == (1.0, 1.0, 1.0)


def test_one_phone_alone_tells_nothing():
    found = agreement(np.array([[3, 4]]))
    assert found is not None
    assert (found.pnmi, found.phone_entropy) == (0.0, 0.0)


def test_usage_names_the_dead():
    found = usage(np.array([4, 0, 4, 0]))
    assert (found.n_frames, found.dead) == (8, (1, 3))
    assert found.perplexity == pytest.approx(2.0)
    assert usage(np.zeros(3, np.int64)).dead == (0, 1, 2)


@pytest.mark.parametrize(
    ("phones", "units", "why"),
    [([0, 1], [0], "not of the same frames"), ([5], [0], "is none"), ([0], [7], "is none"), ([0], [-1], "is none")],
)
def test_pairs_that_cannot_be_are_refused(phones, units, why):
    with pytest.raises(ValueError, match=why):
        count_pairs(np.array(phones, np.int64), np.array(units, np.int64), 5, 7)
