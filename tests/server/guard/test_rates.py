"""How often: counted in Redis by all processes, and in this one where Redis does not answer."""

from __future__ import annotations

import asyncio

import pytest

pytest.importorskip("limits")

from melisma.core.errors import InputError
from melisma.server.guard import rates
from melisma.server.guard.rates import Rates

pytestmark = pytest.mark.usefixtures("one_minute")


def ask(asked: Rates, n: int, key: str = "anna", per_minute: int = 3) -> list[bool]:
    """Return which of so many calls are free."""

    async def go():
        found = [await asked.hit(per_minute, "calls", key) is None for _ in range(n)]
        await asked.close()
        return found

    return asyncio.run(go())


def test_so_many_are_free():
    here = Rates()
    assert ask(here, 5) == [True] * 3 + [False] * 2
    assert ask(here, 1, "bert") == [True]


def test_a_look_counts_nothing():
    here = Rates()

    async def go():
        looks = [await here.full(1, "guesses", "anna") for _ in range(5)]
        await here.hit(1, "guesses", "anna")
        return looks, await here.full(1, "guesses", "anna")

    looks, after = asyncio.run(go())
    assert looks == [None] * 5
    assert 1 <= after <= 60


def test_processes_that_share_a_redis_count_together(redis_url, monkeypatch):
    monkeypatch.setattr(rates, "_WAIT_S", 60.0)  # a busy machine is no Redis that does not answer
    assert ask(Rates(redis_url), 2) == [True] * 2
    assert ask(Rates(redis_url), 3) == [True, False, False]


def test_without_redis_this_process_counts_and_says_so_once(dead_port):
    said = []
    alone = Rates(f"redis://127.0.0.1:{dead_port}/0", said.append)
    assert ask(alone, 5) == [True] * 3 + [False] * 2
    assert len(said) == 1
    assert "calls are counted in this process meanwhile" in said[0]


def test_a_redis_that_never_answers_holds_nobody_up(silent_port):
    said = []
    alone = Rates(f"redis://127.0.0.1:{silent_port}/0", said.append)
    assert ask(alone, 5) == [True] * 3 + [False] * 2
    assert len(said) == 1


def test_a_url_that_is_none_is_one_sentence():
    with pytest.raises(InputError, match="no URL of Redis"):
        Rates("redis://127.0.0.1:port/0")
