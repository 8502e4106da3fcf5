"""Threads that take messages out of the queue: huey's, without its hands on the signals of the process."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable

from huey.api import Task
from huey.consumer import Consumer, Scheduler, Worker

from melisma.core.errors import StoreError
from melisma.server.jobs.transport import Transport

_FIRST_POLL_S, _LAST_POLL_S = 0.05, 1.0  # between looks into an empty queue; own messages wake a thread at once
_SAY_AGAIN_S = 60.0  # after which a queue that is still out of reach is spoken of again

_log = logging.getLogger("melisma.jobs")


class Consumers(Consumer):  # type: ignore[misc]  # huey has no types
    """Some threads that look at jobs, and one that brings those whose time has come.

    Parameters
    ----------
    transport : Transport
        Where messages come from.
    look : callable
        Hears the number of each job.
    n_threads : int
        How many jobs are done at once.
    """

    def __init__(self, transport: Transport, look: Callable[[str], None], n_threads: int) -> None:
        self._transport = transport
        huey = transport.serve(look)
        super().__init__(huey, workers=n_threads, periodic=False, initial_delay=_FIRST_POLL_S, max_delay=_LAST_POLL_S)

    def ask_to_stop(self) -> None:
        """Have no thread take another job."""
        self.stop_flag.set()
        for _ in self.worker_threads:
            self._transport.arrived.release()

    def join(self, timeout_s: float) -> bool:
        """Wait for the threads to end; return whether all have."""
        ends = time.monotonic() + timeout_s
        for thread in (*(thread for _, thread in self.worker_threads), self.scheduler):
            thread.join(max(0.0, ends - time.monotonic()))
        return not any(thread.is_alive() for _, thread in self.worker_threads)

    def _create_worker(self) -> Worker:
        made = _Worker(self.huey, self.stop_flag, self.default_delay, self.max_delay, self.backoff)
        made.transport = self._transport
        return made

    def _create_scheduler(self) -> Scheduler:
        made = _Scheduler(self.huey, self.stop_flag, self.scheduler_interval, self.periodic)
        made.transport = self._transport
        return made

    def _set_signal_handlers(self) -> None:
        """Leave signals to the process: its main thread may be a web server's."""


class _Worker(Worker):  # type: ignore[misc]
    transport: Transport
    _said_at = float("-inf")

    def loop(self, now: object = None) -> None:
        try:
            task = self.transport.take()
            if task is not None and self.transport.put_off(task):
                return
        except StoreError as error:  # what was taken and could not be put off is brought by the sweeper
            if time.monotonic() - self._said_at > _SAY_AGAIN_S:
                self._said_at = time.monotonic()
                _log.warning("%s", error)
            self.stop_flag.wait(_LAST_POLL_S)
            return
        if task is not None:
            self.delay = self.default_delay
            self._execute(task)
        elif not self.huey.storage.blocking:
            self.sleep()

    def _execute(self, task: Task) -> None:
        try:
            task.execute()
        except Exception:  # a fault of ours: the sweeper brings the job again, and this thread must live to see it
            _log.exception("a job could not be looked at")

    def sleep(self) -> None:
        """Wait a while, or until this process has sent something."""
        if self.transport.arrived.acquire(timeout=min(self.delay, self.max_delay)):
            self.delay = self.default_delay
        else:
            self.delay = min(self.delay * self.backoff, self.max_delay)


class _Scheduler(Scheduler):  # type: ignore[misc]
    transport: Transport

    def loop(self, now: object = None) -> None:
        with contextlib.suppress(StoreError):  # the workers meet the same, and say so
            self.transport.bring_due()
        self.stop_flag.wait(self.interval)
