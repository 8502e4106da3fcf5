"""Time limits and repeats. Nothing here asserts how long anything took: events say what came first."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest

from melisma.core.errors import EngineFailed, EngineOutOfMemory, EngineTimeout
from melisma.engines.phone import PhoneEngine
from melisma.engines.residency import residents
from melisma.pipeline import attempt as attempts
from melisma.pipeline.attempt import DeviceBusy, Limits, attempt, lent

ENGINE = SimpleNamespace(facts=SimpleNamespace(name="one", device="cpu"))


def silent(stage, share):
    pass


@pytest.mark.parametrize("limit", [None, 60.0])
def test_work_returns_what_it_returns(limit):
    told = []
    assert attempt(ENGINE, lambda tell: tell("listen", 0.5) or 7, lambda *said: told.append(said), Limits(limit)) == 7
    assert told == [("listen", 0.5)]


@pytest.mark.parametrize("error", [EngineFailed("no"), KeyboardInterrupt(), TimeoutError("the socket")])
def test_what_work_raises_is_raised(error):
    def work(tell):
        raise error

    with pytest.raises(type(error)):
        attempt(ENGINE, work, silent, Limits(60.0, retries=3))


def test_work_that_takes_too_long_is_given_up_and_ends_at_its_next_report():
    go, ended, told = threading.Event(), threading.Event(), []

    def work(tell):
        try:
            go.wait(60)
            tell("listen", 0.5)
        finally:
            ended.set()

    with pytest.raises(EngineTimeout, match=r"one took longer than 0.01 s"):
        attempt(ENGINE, work, lambda *said: told.append(said), Limits(0.01))
    assert not ended.is_set()
    go.set()
    assert ended.wait(60)
    assert told == []  # what was given up says nothing any more


def test_an_engines_own_except_does_not_hold_up_the_end():
    go, ended, after = threading.Event(), threading.Event(), []

    def work(tell):
        go.wait(60)
        try:
            try:
                tell("listen", 0.5)
            except Exception:
                after.append("went on")
        finally:
            ended.set()

    with pytest.raises(EngineTimeout):
        attempt(ENGINE, work, silent, Limits(0.01))
    go.set()
    assert ended.wait(60)
    assert after == []


def test_out_of_memory_is_tried_again_after_idle_models_went():
    resident = PhoneEngine()
    with residents.using(resident):
        pass
    assert residents.loaded()
    seen = []

    def work(tell):
        seen.append(len(residents.loaded()))
        if len(seen) == 1:
            raise EngineOutOfMemory("too little")
        return "done"

    assert attempt(ENGINE, work, silent, Limits(None, retries=1)) == "done"
    assert seen[0] > 0
    assert seen[1] == 0


def test_out_of_memory_for_good_is_raised():
    n = []

    def work(tell):
        n.append(1)
        raise EngineOutOfMemory("too little")

    with pytest.raises(EngineOutOfMemory):
        attempt(ENGINE, work, silent, Limits(60.0, retries=2))
    assert len(n) == 3


@pytest.fixture
def device(monkeypatch, tmp_path):
    """An engine on a device that takes one job at a time, and a wait for it that is over soon."""
    monkeypatch.setenv("MELISMA_LOCK_DIR", str(tmp_path))
    monkeypatch.setattr(attempts, "_STUCK_S", 0.05)
    monkeypatch.setattr(attempts, "PATIENCE_S", 30.0)

    class OnDevice(PhoneEngine):
        @property
        def facts(self):
            from dataclasses import replace

            return replace(super().facts, device="cuda:7")

    engine = OnDevice()
    yield engine
    residents.unload(engine)


def test_an_attempt_that_was_given_up_does_not_hold_up_the_next_one_on_its_device(device):
    go, has_it, ended = threading.Event(), threading.Event(), threading.Event()

    def stuck(tell):
        try:
            with lent(device):
                has_it.set()
                go.wait(60)
                tell("listen", 0.5)
        finally:
            ended.set()

    with pytest.raises(EngineTimeout):
        attempt(device, stuck, silent, Limits(0.2))
    assert has_it.wait(60)

    def work(tell):
        with lent(device):
            return "done"

    with pytest.raises(DeviceBusy, match="busy with another job"):
        attempt(device, work, silent, Limits(60.0))
    go.set()
    assert ended.wait(60)
    assert attempt(device, work, silent, Limits(60.0)) == "done"  # the lock was let go of
