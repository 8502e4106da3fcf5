from __future__ import annotations

import numpy as np
import pytest

from melisma.data import fingerprint
from melisma.data.near_duplicates import Index


def words(rng, n: int):
    return rng.integers(1, 2**32, n, np.uint32)


def worn(found, rng, share: float):
    """The same words with a share of their bits turned over."""
    flips = np.packbits(rng.random((len(found), 32)) < share, axis=1).view(">u4")[:, 0].astype(np.uint32)
    return found ^ flips


def test_pairs_are_those_that_comparing_all_finds():
    rng = np.random.default_rng(1)
    recordings = [words(rng, int(n)) for n in rng.integers(60, 200, 24)]
    recordings += [worn(recordings[i], rng, 0.1) for i in range(0, 24, 4)]
    recordings += [recordings[5][15:], recordings[6][: int(0.8 * len(recordings[6]))]]
    index = Index()
    for each in recordings:
        index.add(each)
    expected = [
        (i, j)
        for i in range(len(recordings))
        for j in range(i + 1, len(recordings))
        if fingerprint.similar(recordings[i], recordings[j]) >= fingerprint.NEAR
    ]
    assert len(expected) == 8
    assert [(pair.first, pair.second) for pair in index.pairs()] == expected


def test_a_pair_says_where_the_second_begins_in_the_first():
    rng = np.random.default_rng(2)
    whole = words(rng, 400)
    index = Index()
    index.add(whole)
    index.add(whole[150:300])
    [pair] = index.pairs()
    assert (pair.first, pair.second, pair.similarity, pair.offset_s) == (0, 1, 1.0, 3.0)


def test_of_very_many_copies_each_is_in_the_group():
    rng = np.random.default_rng(3)
    one = words(rng, 120)
    index = Index()
    for _ in range(100):
        index.add(worn(one, rng, 0.02))
    index.add(words(rng, 120))
    assert index.groups() == [list(range(100))]


def test_a_cut_of_a_long_recording_is_found_though_that_is_known_by_a_sample():
    rng = np.random.default_rng(4)
    whole = words(rng, 20_000)
    index = Index()
    index.add(whole)
    index.add(worn(whole[9000:10_000], rng, 0.05))
    assert [(pair.first, pair.second) for pair in index.pairs()] == [(0, 1)]


@pytest.mark.parametrize("recordings", [[], [np.zeros(0, np.uint32)] * 3, [np.zeros(100, np.uint32)] * 3])
def test_what_says_nothing_has_no_copies(recordings):
    index = Index()
    for each in recordings:
        index.add(each)
    assert index.pairs() == []
    assert index.groups() == []
