"""The breaker and the clock beside it."""

from __future__ import annotations

import threading

import pytest

from melisma.core.errors import CacheError
from melisma.store.guard import Guard, within


def test_work_that_ends_gives_its_result():
    assert within(60, lambda: 5) == 5
    assert within(60, lambda: None) is None


def test_what_work_raises_is_raised_where_it_was_asked_for():
    def fail():
        raise KeyError("x")

    with pytest.raises(KeyError, match="x"):
        within(60, fail)


def test_work_that_never_ends_is_left():
    forever = threading.Event()
    with pytest.raises(CacheError, match=r"no answer within 0.05 s"):
        within(0.05, forever.wait)
    forever.set()


@pytest.fixture
def guarded():
    clock, said = [100.0], []
    return Guard(60.0, said.append, lambda: clock[0]), clock, said


def test_it_rests_after_a_failure_and_then_tries_again(guarded):
    guard, clock, _ = guarded
    assert not guard.resting
    guard.trip("it fell over")
    assert guard.resting
    clock[0] += 59.9
    assert guard.resting
    clock[0] += 0.2
    assert not guard.resting


def test_one_failure_is_said_once_however_often_it_comes(guarded):
    guard, clock, said = guarded
    for _ in range(3):
        guard.trip("it fell over")
        clock[0] += 61
    guard.trip("it caught fire")
    guard.say("it fell over")
    assert said == ["it fell over", "it caught fire"]
