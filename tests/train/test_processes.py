from __future__ import annotations

import os
from itertools import count, islice

import pytest

from melisma.train.processes import in_order


def task(number: int) -> str:
    """Say in words that `eval` turns into the number and the process that did so."""
    return f"({number}, __import__('os').getpid())"


@pytest.mark.parametrize("workers", [1, 2])
def test_results_come_in_the_order_of_the_items(workers):
    made = list(in_order(eval, map(task, range(20)), workers))
    assert [number for number, _ in made] == list(range(20))
    assert (os.getpid() in {process for _, process in made}) == (workers == 1)


@pytest.mark.parametrize("workers", [1, 2])
def test_endless_items_are_taken_a_few_ahead(workers):
    taken = []
    items = (taken.append(i) or task(i) for i in count())
    made = in_order(eval, items, workers)
    assert [number for number, _ in islice(made, 3)] == [0, 1, 2]
    made.close()
    assert 3 <= len(taken) <= 3 + 4 * workers


@pytest.mark.parametrize("workers", [1, 2])
def test_an_item_that_fails_says_so_in_its_turn(workers):
    made = in_order(eval, [task(0), task(1), "1 / 0", task(3)], workers)
    assert [next(made)[0], next(made)[0]] == [0, 1]
    with pytest.raises(ZeroDivisionError, match="division by zero"):
        next(made)


@pytest.mark.parametrize("workers", [1, 2])
def test_no_items_give_nothing(workers):
    assert list(in_order(eval, [], workers)) == []
