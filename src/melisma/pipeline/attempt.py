"""One attempt: an engine's work under a time limit, repeated where that may help.

Work in this process cannot be killed, only given up: it runs in a thread of its own, and when its time is over the
router goes on without it. The thread is told so at the engine's next report of progress, where it ends and lets go of
its device; until then an attempt on the same device waits for it for a few seconds only, and is then given up as well.
"""

from __future__ import annotations

import contextvars
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar
from weakref import WeakKeyDictionary

from melisma.core.errors import EngineOutOfMemory, EngineTimeout
from melisma.engines.device import ON_HTTP, physical
from melisma.engines.protocol import Engine
from melisma.engines.residency import PATIENCE_S, residents

T = TypeVar("T")
AnyEngine = TypeVar("AnyEngine", bound=Engine)
Tell = Callable[[str, float], None]
_STUCK_S = 5.0  # how long to wait for a device on which an attempt that was given up may still run


class DeviceBusy(EngineTimeout):
    """The device was not to be had; no fault of the engine that wanted it."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What an attempt may take: seconds, or None for no limit, and how often it is repeated after a failure."""

    timeout_s: float | None = None
    retries: int = 0


class _GivenUp(BaseException):
    """Ends a thread whose result nobody waits for; no engine's `except Exception` holds it up."""


# Threads that nobody waits for, and the device of each; those that have ended vanish by themselves.
_given_up: WeakKeyDictionary[threading.Thread, str] = WeakKeyDictionary()


def attempt(engine: Engine, work: Callable[[Tell], T], tell: Tell, limits: Limits) -> T:
    """Do the work of an engine.

    Repeated is what ran out of memory, after the models that are not in use were unloaded. Servers are asked again by
    the engines behind them, which know what an answer was worth; and what went wrong for another reason goes wrong
    again.

    Raises
    ------
    EngineTimeout
        If all tries together took longer than the limit.
    """
    deadline = None if limits.timeout_s is None else time.monotonic() + limits.timeout_s
    for left in range(limits.retries, -1, -1):
        rest = None if deadline is None else max(0.0, deadline - time.monotonic())
        try:
            return _in_time(engine, work, tell, rest, limits.timeout_s)
        except EngineOutOfMemory:
            if not left:
                raise
            residents.unload()
    raise AssertionError("a last try returns or raises")


def _in_time(engine: Engine, work: Callable[[Tell], T], tell: Tell, rest_s: float | None, limit_s: float | None) -> T:
    if rest_s is None:
        return work(tell)
    done: Future[T] = Future()
    enough = threading.Event()

    def told(stage: str, share: float) -> None:
        if enough.is_set():
            raise _GivenUp
        tell(stage, share)

    def run() -> None:
        try:
            done.set_result(work(told))
        except BaseException as error:  # handed to the thread that waits, or to nobody if that has given up
            done.set_exception(error)

    name, device = engine.facts.name, physical(engine.facts.device)
    context = contextvars.copy_context()
    thread = threading.Thread(target=context.run, args=(run,), name=f"melisma-{name}", daemon=True)
    thread.start()
    try:
        wait([done], rest_s)
    finally:
        enough.set()
    if not done.done():
        _given_up[thread] = device
        raise EngineTimeout(f"the engine {name} took longer than {limit_s:g} s")
    return done.result()


@contextmanager
def lent(engine: AnyEngine) -> Iterator[AnyEngine]:
    """Lend an engine with its model loaded and its device to itself; see `melisma.engines.residency`."""
    if engine.facts.device == ON_HTTP:
        yield engine  # nothing is in memory here, and two servers may offer models of one name
        return
    device = physical(engine.facts.device)
    stuck = any(thread.is_alive() and on == device for thread, on in list(_given_up.items()))
    patience = _STUCK_S if stuck else PATIENCE_S
    entered = False
    try:
        with residents.using(engine, patience) as resident:
            entered = True
            yield resident
    except EngineTimeout as error:
        if entered:
            raise
        raise DeviceBusy(str(error)) from error
