"""Union-find against the groups that a search through a graph finds."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from melisma.data.groups import Groups


def by_search(n, columns):
    """Label each of n by the first that can be reached from it over equal keys."""
    labels = [-1] * n
    for first in range(n):
        if labels[first] >= 0:
            continue
        waiting = [first]
        while waiting:
            at = waiting.pop()
            if labels[at] >= 0:
                continue
            labels[at] = first
            waiting += [k for k in range(n) for keys in columns if keys[k] and keys[k] == keys[at]]
    return labels


@given(st.integers(1, 25).flatmap(lambda n: st.lists(st.lists(st.integers(0, 6), min_size=n, max_size=n), max_size=4)))
def test_groups_are_what_a_search_finds(columns):
    if not columns:
        return
    n = len(columns[0])
    groups = Groups(n)
    for keys in columns:
        groups.join_equal(np.array(keys, np.uint64))
    assert groups.labels().tolist() == by_search(n, columns)


def test_a_long_chain_is_one_group():
    n = 50_000
    keys = np.arange(n, dtype=np.uint64)
    groups = Groups(n)
    groups.join_equal(keys // 2 + 1)
    groups.join_equal((keys + 1) // 2 + 1)
    assert not groups.labels().any()


def test_one_utterance_may_have_several_keys():
    groups = Groups(4)
    groups.join_across(np.array([7, 8, 8, 9, 9, 0], np.uint64), np.array([0, 1, 2, 2, 3, 0]))
    assert groups.labels().tolist() == [0, 1, 1, 1]


def test_pairs_join_what_is_with_them():
    groups = Groups(5)
    groups.join([(3, 4), (1, 2)])
    groups.join([(4, 1)])
    assert groups.labels().tolist() == [0, 1, 1, 1, 1]
