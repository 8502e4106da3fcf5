"""Servers that fail: waited for briefly, spoken of once, then left alone for a while."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

from melisma.core.errors import CacheError

T = TypeVar("T")


def within(seconds: float, work: Callable[[], T]) -> T:
    """Do work in a thread of its own and wait for it no longer than so many seconds.

    A server that takes a question and never answers holds the thread, not the caller; a daemon thread does not hold
    the interpreter either when it wants to end.

    Raises
    ------
    CacheError
        If the time is over; otherwise whatever the work raises.
    """
    results: list[T] = []
    faults: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:  # raised again below, in the thread that asked
            faults.append(error)

    thread = threading.Thread(target=run, name="melisma-cache", daemon=True)
    thread.start()
    thread.join(seconds)
    if faults:
        raise faults[0]
    if not results:
        raise CacheError(f"no answer within {seconds:g} s")
    return results[0]


class Guard:
    """A breaker for one server or file: after a failure it is left alone for a while, and the user is told once."""

    def __init__(self, rest_s: float, warn: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        """Take how long to rest in seconds, and whom to tell."""
        self._rest_s, self._warn, self._clock = rest_s, warn, clock
        self._closed_until = -1.0
        self._said: set[str] = set()
        self._lock = threading.Lock()

    @property
    def resting(self) -> bool:
        """Whether it is left alone now."""
        return self._clock() < self._closed_until

    def trip(self, sentence: str, rest_s: float | None = None) -> None:
        """Leave it alone for a while; say why, if that was not said before."""
        with self._lock:
            self._closed_until = self._clock() + (self._rest_s if rest_s is None else rest_s)
        self.say(sentence)

    def say(self, sentence: str) -> None:
        """Warn of something once."""
        with self._lock:
            if sentence in self._said:
                return
            self._said.add(sentence)
        self._warn(sentence)
