"""Processes that share tasks, each told of a few at a time, so that it is known which one killed its process."""

from __future__ import annotations

import os
import pickle
import signal
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing import get_context, resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any

from melisma.core.errors import MelismaError
from melisma.scale import worker
from melisma.scale.attempt import out_of_memory
from melisma.scale.journal import Journal
from melisma.scale.protocol import Outcome, Stage, Task

# One thread a process: more, in as many processes as there are cores, only wait for each other.
_LIBRARIES = ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "VECLIB_MAXIMUM", "RAYON")
ONE_THREAD = {"MELISMA_THREADS": "1"} | {f"{name}_NUM_THREADS": "1" for name in _LIBRARIES}
_AT_ONCE_S = 0.1  # work that a process is given at a time: small tasks go in bundles, so that it need not wait
_MOST_AT_ONCE = 32
_GRACE_S = 5.0  # for a process to clear up behind itself before it is killed
_STARTS = 3  # processes in a row that end before they begin: the fault is in what they load

Numbered = tuple[int, Task]


@dataclass(slots=True, eq=False)
class _Worker:
    process: SpawnProcess
    link: Connection
    given: deque[Numbered] = field(default_factory=deque)
    ready: bool = False
    gpu: str | None = None
    since: float = 0.0  # when it began what it is at


class _Remote(Exception):
    """The traceback of the process in which it happened, as the cause of what is raised here."""


class Crew:
    """Processes for one stage, started as they are needed.

    Parameters
    ----------
    stage : Stage
        Sent to each process once.
    jobs : int
        How many processes at most.
    known : Journal
        Told of what is begun.
    gpus : sequence of str
        Shared out among the processes, by name.
    """

    def __init__(self, stage: Stage, jobs: int, known: Journal, gpus: Sequence[str] = ()) -> None:
        self._stage = pickle.dumps(stage)
        self._name, self._jobs, self._known, self._gpus = stage.name, jobs, known, gpus
        self._queue: deque[Numbered] = deque()
        self._suspects: deque[Numbered] = deque()  # their process died or ran out of memory; tried once more, alone
        self._alone: Numbered | None = None
        self._alone_in: _Worker | None = None  # has done nothing but such
        self._left: set[int] = set()  # numbers of what an earlier run had in hand when it ended
        self._workers: list[_Worker] = []
        self._failed_starts = 0
        self._failure: Exception | None = None
        self._typical_s = _AT_ONCE_S

    def give(self, number: int, task: Task, *, alone: bool = False) -> None:
        """Take a task, under a number by which its outcome will be told; `alone` as if its process had died once."""
        (self._suspects if alone else self._queue).append((number, task))
        if alone:
            self._left.add(number)

    def take(self) -> list[tuple[int, Outcome]]:
        """Wait for outcomes, at least one; there must be tasks that were given and not told of yet.

        Raises
        ------
        MelismaError
            If processes cannot be started.
        Exception
            Whatever the stage raised that is no error of its item.
        """
        found: list[tuple[int, Outcome]] = []
        while not found:
            if self._failure is not None:  # after what came with it
                raise self._failure
            self._hand_out()
            waited = [w.link for w in self._workers] + [w.process.sentinel for w in self._workers]
            told = set(wait(waited))
            for each in list(self._workers):
                if each.link in told or each.process.sentinel in told:
                    found += self._hear(each)
        return found

    def close(self) -> None:
        """End all processes; what they are at is broken off."""
        for each in self._workers:
            each.link.close()
            if each.given:
                each.process.terminate()
        until = time.monotonic() + _GRACE_S
        for each in self._workers:
            each.process.join(max(0.0, until - time.monotonic()))
            if each.process.is_alive():
                each.process.kill()
                each.process.join()
            each.process.close()
        self._workers.clear()

    def _hand_out(self) -> None:
        if self._suspects or self._alone:
            if self._alone is None and not any(each.given for each in self._workers):
                self._try_alone(self._suspects.popleft())
            return
        self._alone_in = None
        while self._queue:
            idle = next((each for each in self._workers if not each.given), None)
            if idle is None:
                if len(self._workers) >= self._jobs:
                    return
                idle = self._start()
            share = -(-len(self._queue) // self._jobs)  # what is left is shared, so that all end together
            n = max(1, min(_MOST_AT_ONCE, share, int(_AT_ONCE_S / self._typical_s)))
            self._send(idle, [self._queue.popleft() for _ in range(n)])

    def _try_alone(self, one: Numbered) -> None:
        if self._alone_in is None or self._workers != [self._alone_in]:
            self.close()  # the others give their memory back
            self._alone_in = self._start()
        self._alone = one
        self._send(self._alone_in, [one])

    def _start(self) -> _Worker:
        gpu = min(self._gpus, key=[each.gpu for each in self._workers].count, default=None)
        context = get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(
            target=worker.work,
            args=(self._stage, theirs, self._known.witness),
            name=f"melisma-{self._name}",
            daemon=True,
        )
        with uninterrupted(), environment(ONE_THREAD | ({} if gpu is None else {"CUDA_VISIBLE_DEVICES": gpu})):
            process.start()
            theirs.close()
            self._workers.append(_Worker(process, ours, gpu=gpu))
        return self._workers[-1]

    def _send(self, to: _Worker, tasks: list[Numbered]) -> None:
        self._known.lease(task for _, task in tasks)
        to.given.extend(tasks)
        to.since = time.monotonic()
        # If it died meanwhile, its sentinel tells, and what it was given is given to another.
        with suppress(BrokenPipeError, ConnectionResetError):
            to.link.send(tasks)

    def _hear(self, one: _Worker) -> list[tuple[int, Outcome]]:
        said: list[tuple[Any, ...]] = []
        gone = False
        try:
            while one.link.poll():
                said.append(one.link.recv())
        except (EOFError, OSError):
            gone = True
        found: list[tuple[int, Outcome]] = []
        for kind, *facts in said:
            if kind == worker.READY:
                one.ready, self._failed_starts, one.since = True, 0, time.monotonic()
            elif kind == worker.FAULT:
                self._failure = raised(*facts)
            elif kind == worker.DONE:
                found.append((facts[0], facts[1]))
                self._finished(one)
            else:
                found += self._suspected(one.given.popleft(), out_of_memory)
        if gone or not one.process.is_alive():
            found += self._lost(one)
        return found

    def _finished(self, one: _Worker) -> None:
        one.given.popleft()
        now = time.monotonic()
        self._typical_s += 0.2 * (max(now - one.since, 1e-6) - self._typical_s)
        one.since = now
        self._alone = None

    def _suspected(self, one: Numbered, failed: Callable[[Task], Outcome]) -> list[tuple[int, Outcome]]:
        """Let a task be tried once more, alone; if that was so already, it has failed."""
        if self._alone is None:
            self._suspects.append(one)
            return []
        self._alone = None
        return [(one[0], failed(one[1]))]

    def _lost(self, one: _Worker) -> list[tuple[int, Outcome]]:
        """See to the tasks of a process that ended: the first was its last, the others had not begun."""
        one.process.join()
        how = _how(one.process.exitcode or 0)
        one.link.close()
        one.process.close()
        self._workers.remove(one)
        given = list(one.given)
        if not one.ready:
            self._failed_starts += 1
            if self._failed_starts >= _STARTS and self._failure is None:
                raise MelismaError(
                    f"processes for {self._name} end before they begin ({how}): what they print above says why; "
                    "a script of your own needs `if __name__ == '__main__':` around what it runs"
                )
            again, self._alone = (self._suspects if self._alone else self._queue), None
            again.extendleft(reversed(given))
            return []
        self._queue.extendleft(reversed(given[1:]))

        def failed(task: Task) -> Outcome:
            left = given[0][0] in self._left
            before = "as a run did before it" if left else "and did so again when it ran alone"
            return Outcome(task.key, error=f"{task.key}: the process that worked on it ended ({how}), {before}")

        return self._suspected(given[0], failed) if given else []


def _how(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    return f"{name}, as where memory runs out" if name == "SIGKILL" else name


def raised(error: Exception | None, text: str) -> Exception:
    """Return what to raise for a fault in another process, with its traceback there as the cause."""
    fault = error if error is not None else RuntimeError("a stage failed")
    fault.__cause__ = _Remote("\n" + text)
    return fault


@contextmanager
def environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Let processes that are started meanwhile find variables in their environment."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Let processes that are started meanwhile begin deaf to Ctrl-C, which reaches every process of the terminal.

    One that is still loading what it needs would end with a traceback; see `melisma.scale.worker.leave_interrupts`.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    resource_tracker.ensure_running()  # multiprocessing starts it with the first process, and unblocks the signal then
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def one_thread() -> AbstractContextManager[None]:
    """Let processes that are started meanwhile use one thread each; libraries read it when they are loaded."""
    return environment(ONE_THREAD)
