"""A breaker opens, lets one probe pass, closes; over processes, and whatever its file holds."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from melisma.pipeline.breaker import Breaker, Health, Kind, State
from melisma.pipeline.settings import BreakerSettings

SETTINGS = BreakerSettings(failures=3, window_s=600, cool_down_s=300)


class Clock:
    """Seconds that a test sets."""

    def __init__(self):
        self.now = 1_000_000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def breaker(tmp_path, clock):
    return Breaker(tmp_path / "state" / "breaker.json", SETTINGS, clock)


def open_it(breaker, kind=Kind.OUT_OF_MEMORY):
    for _ in range(3):
        health = breaker.failed("one", kind)
    return health


def test_it_begins_closed_and_writes_nothing(breaker, tmp_path):
    assert breaker.admit("one") == Health()
    breaker.worked("one")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", list(Kind))
def test_repeated_failures_open_it(breaker, kind):
    assert breaker.failed("one", kind).state is State.CLOSED
    assert breaker.failed("one", kind).state is State.CLOSED
    assert breaker.failed("one", kind) == Health(State.OPEN, kind, 300)
    assert breaker.admit("one").state is State.OPEN
    assert breaker.admit("two").state is State.CLOSED


def test_failures_of_different_kinds_do_not_add_up(breaker):
    for kind in (Kind.TIMEOUT, Kind.TIMEOUT, Kind.GATE, Kind.GATE):
        health = breaker.failed("one", kind)
    assert health.state is State.CLOSED
    assert health.n_failures == 4


def test_failures_outside_the_window_do_not_count(breaker, clock):
    for _ in range(5):
        assert breaker.failed("one", Kind.TIMEOUT).state is State.CLOSED
        clock.now += 301


def test_a_success_forgets_the_failures_before_it(breaker):
    breaker.failed("one", Kind.TIMEOUT)
    breaker.failed("one", Kind.TIMEOUT)
    breaker.worked("one")
    assert breaker.failed("one", Kind.TIMEOUT).state is State.CLOSED


def test_after_the_cool_down_one_attempt_may_try(breaker, clock):
    open_it(breaker)
    clock.now += 299
    assert breaker.admit("one").state is State.OPEN
    clock.now += 1
    assert breaker.health("one").state is State.HALF_OPEN  # looking takes nothing
    assert breaker.admit("one").state is State.HALF_OPEN
    assert breaker.admit("one").state is State.OPEN  # the probe is under way
    assert breaker.health("one").wait_s == 300


def test_a_probe_that_works_closes_it(breaker, clock):
    open_it(breaker)
    clock.now += 300
    breaker.admit("one")
    breaker.worked("one")
    assert breaker.health("one") == Health()


def test_a_probe_that_fails_opens_it_at_once(breaker, clock):
    open_it(breaker)
    clock.now += 300
    breaker.admit("one")
    assert breaker.failed("one", Kind.TIMEOUT) == Health(State.OPEN, Kind.TIMEOUT, 300)


def test_a_probe_that_never_reports_is_not_waited_for(breaker, clock):
    open_it(breaker)
    clock.now += 300
    assert breaker.admit("one").state is State.HALF_OPEN
    clock.now += 300
    assert breaker.admit("one").state is State.HALF_OPEN


def test_a_clock_that_was_set_back_keeps_no_breaker_open_for_ever(breaker, clock):
    open_it(breaker)
    clock.now -= 10_000_000
    assert breaker.admit("one").state is State.HALF_OPEN


def test_another_process_sees_it(breaker, clock):
    open_it(breaker)
    again = Breaker(breaker.path, SETTINGS, clock)
    assert again.admit("one").state is State.OPEN
    clock.now += 300
    assert again.admit("one").state is State.HALF_OPEN
    assert breaker.admit("one").state is State.OPEN


FAIL_OFTEN = """
import sys
from pathlib import Path
from melisma.pipeline import breaker as breakers
from melisma.pipeline.breaker import Breaker, Kind
from melisma.pipeline.settings import BreakerSettings
breakers._LOCK_S = 300.0  # a slow disk is no stuck process
breaker = Breaker(Path(sys.argv[1]), BreakerSettings(failures=10_000))
for _ in range(10):
    breaker.failed(sys.argv[2], Kind.TIMEOUT)
"""


def test_processes_at_the_same_time_lose_no_failure(tmp_path):
    path = tmp_path / "breaker.json"
    jobs = [subprocess.Popen([sys.executable, "-c", FAIL_OFTEN, path, name]) for name in ("one", "one", "two")]
    assert [job.wait() for job in jobs] == [0, 0, 0]
    breaker = Breaker(path, BreakerSettings(failures=10_000))
    assert (breaker.health("one").n_failures, breaker.health("two").n_failures) == (20, 10)


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", "[" * 5000, '{"engines": 3}', '{"engines": {"one": null}}', '{"engines": {"one": {}}}',
     '{"engines": {"one": {"failures": [[1, "tired"]], "opened": null, "kind": null, "probed": null}}}',
     '{"engines": {"one": {"failures": [], "opened": NaN, "kind": null, "probed": null}}}',
     '{"engines": {"one": {"failures": [[1]], "opened": null, "kind": null, "probed": null}}}'],
)  # fmt: skip
def test_a_damaged_file_closes_all_and_is_replaced(breaker, text):
    breaker.path.parent.mkdir()
    breaker.path.write_text(text, encoding="utf-8")
    assert breaker.admit("one") == Health()
    breaker.failed("one", Kind.TIMEOUT)
    assert json.loads(breaker.path.read_text(encoding="utf-8"))["engines"]["one"]["failures"]


def test_where_nothing_can_be_kept_the_process_remembers(tmp_path, clock):
    (tmp_path / "file").write_text("", encoding="utf-8")
    breaker = Breaker(tmp_path / "file" / "breaker.json", SETTINGS, clock)
    assert open_it(breaker).state is State.OPEN
    assert breaker.admit("one").state is State.OPEN
    clock.now += 300
    assert breaker.admit("one").state is State.HALF_OPEN
    breaker.worked("one")
    assert breaker.admit("one").state is State.CLOSED


def test_it_says_how_it_stands(breaker, clock):
    assert str(breaker.health("one")) == "closed"
    breaker.failed("one", Kind.TIMEOUT)
    assert str(breaker.health("one")) == "closed (1 failed of late)"
    assert str(open_it(breaker)) == "open (out of memory, next try in 300 s)"
    clock.now += 300
    assert str(breaker.health("one")) == "half-open (out of memory)"


def test_only_the_state_and_its_lock_are_left(breaker):
    open_it(breaker)
    assert set(os.listdir(breaker.path.parent)) <= {"breaker.json", "breaker.lock"}
