"""A worker: threads that do jobs, a heart that renews their leases, and a sweeper. In the service or on its own."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable, Mapping
from types import FrameType, TracebackType
from typing import TYPE_CHECKING

from melisma.server.jobs import kinds as kinds_of_jobs
from melisma.server.jobs.consumer import Consumers
from melisma.server.jobs.runner import BEATS, Runner
from melisma.server.jobs.sweeper import Sweeper

if TYPE_CHECKING:
    from melisma.server.context import Context

_LOOK_S = 0.5  # Python runs the handler of a signal in its main thread, and only when that is awake
FINISH_S, END_S = 3.0, 3.0  # to finish, then to notice: both within the ten seconds that Docker gives a container

_log = logging.getLogger("melisma.jobs")


class Worker:
    """Does jobs until it is stopped.

    Parameters
    ----------
    context : Context
        What handlers work with; not closed here.
    n_threads : int
        How many jobs at once; with 0 it only sweeps.
    kinds : mapping of str to str
        Which module does which kind.

    Raises
    ------
    StoreError
        If the file of the queue cannot be made. A Redis or a database that is out of reach is waited for.
    """

    def __init__(self, context: Context, n_threads: int, kinds: Mapping[str, str] = kinds_of_jobs.KINDS) -> None:
        self._runner, self._sweeper = Runner(context, kinds), Sweeper(context)
        self._consumers = Consumers(context.queue.transport, self._runner.run, n_threads) if n_threads else None
        self._ended = threading.Event()
        beat_s = context.settings.jobs.lease_s / BEATS
        self._threads = [
            threading.Thread(target=self._each, args=(beat_s, self._runner.beat), name="melisma-heart", daemon=True),
            threading.Thread(target=self._each, args=(beat_s, self._sweep), name="melisma-sweeper", daemon=True),
        ]

    def __enter__(self) -> Worker:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Begin to take jobs."""
        for thread in self._threads:
            thread.start()
        if self._consumers is not None:
            self._consumers.start()

    def stop(self, finish_s: float = FINISH_S, end_s: float = END_S) -> None:
        """Take no more jobs; finish what runs within `finish_s`, then give back what does not end within `end_s`.

        A job that is given back waits for another worker, and this try of it does not count.
        """
        if self._ended.is_set():
            return
        if self._consumers is not None:
            self._consumers.ask_to_stop()
            if not self._consumers.join(finish_s):
                self._runner.interrupt()
                if not self._consumers.join(end_s):
                    self._runner.give_back()
        self._ended.set()
        for thread in self._threads:
            thread.join(end_s)

    def _sweep(self) -> None:
        self._sweeper.sweep(self._runner.alive)

    def _each(self, seconds: float, do: Callable[[], None]) -> None:
        while not self._ended.wait(seconds):
            try:
                do()
            except Exception:  # a fault of ours must not stop the heart: jobs would be taken away from who does them
                _log.exception("a thread of the worker met something that it does not know")


def serve(
    context: Context,
    n_threads: int,
    started: Callable[[], None] = lambda: None,
    kinds: Mapping[str, str] = kinds_of_jobs.KINDS,
) -> None:
    """Work until SIGTERM or SIGINT comes; to be called in the main thread.

    Parameters
    ----------
    context : Context
        What handlers work with; closed at the end.
    n_threads : int
        How many jobs at once.
    started : callable
        Called when jobs are taken.
    kinds : mapping of str to str
        Which module does which kind.
    """
    wanted = threading.Event()

    def stop(_: int, __: FrameType | None) -> None:
        wanted.set()

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        with Worker(context, n_threads, kinds):
            started()
            while not wanted.wait(_LOOK_S):  # a signal that came while the process stood still may wake another thread
                pass
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        context.close()
