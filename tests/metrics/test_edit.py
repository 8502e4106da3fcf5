from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from melisma.metrics.edit import edit_distance

SEQUENCES = st.lists(st.integers(0, 3), max_size=9)


def brute(a: list[int], b: list[int]) -> int:
    """The recursive definition."""

    @lru_cache(None)
    def turn(i: int, j: int) -> int:
        if not i or not j:
            return i + j
        return min(turn(i - 1, j) + 1, turn(i, j - 1) + 1, turn(i - 1, j - 1) + (a[i - 1] != b[j - 1]))

    return turn(len(a), len(b))


@given(SEQUENCES, SEQUENCES)
def test_distance_is_that_of_the_recursive_definition(a, b):
    assert edit_distance(a, b) == brute(a, b)


@given(SEQUENCES, SEQUENCES, SEQUENCES)
def test_distance_is_a_metric(a, b, c):
    assert edit_distance(a, b) == edit_distance(b, a)
    assert (edit_distance(a, b) == 0) == (a == b)
    assert edit_distance(a, c) <= edit_distance(a, b) + edit_distance(b, c)


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [([], [], 0), ([], [1, 2], 2), ([1, 2], [], 2), ([1, 2, 3], [1, 3, 4], 2), ([1], [2], 1)],
)
def test_small_cases(a, b, expected):
    assert edit_distance(a, b) == expected
    assert edit_distance(np.array(a, np.int64), np.array(b, np.int64)) == expected


def test_symbols_are_compared_and_not_counted_with():
    assert edit_distance([-7, 10**15], [10**15]) == 1
