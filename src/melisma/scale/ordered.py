"""Outcomes in the order of their tasks, from whoever does them in whatever order, with a bounded number waiting."""

from __future__ import annotations

import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sized
from contextlib import closing, contextmanager
from pathlib import Path
from types import FrameType
from typing import Protocol

from melisma.scale.journal import Journal
from melisma.scale.protocol import Outcome, Progress, Stage, Task

AHEAD = 32  # tasks a process has waiting or done before their turn: none is idle behind a slow one, memory is bounded


class Crew(Protocol):
    """Whoever does tasks of one stage: processes, actors, calls of a service.

    It writes down what it begins (`Journal.lease`) before it does.
    """

    def give(self, number: int, task: Task, *, alone: bool = False) -> None:
        """Take a task, under a number by which its outcome will be told.

        `alone` is to have nothing beside it: an earlier run ended without a word while it was in hand.
        """

    def take(self) -> list[tuple[int, Outcome]]:
        """Wait for outcomes, at least one; there must be tasks that were given and not told of yet."""

    def close(self) -> None:
        """End everything; what it is at is broken off."""


def run_in_order(
    stage: Stage,
    tasks: Iterable[Task],
    journal: Path | None,
    progress: Progress | None,
    doing: Callable[[Journal], Generator[Outcome, None, None]],
) -> Iterator[Outcome]:
    """Yield what `doing` yields with the opened journal; tell of progress, and end cleanly by SIGTERM."""
    total = len(tasks) if isinstance(tasks, Sized) else 0
    with terminable(), Journal(journal, stage) as known, closing(doing(known)) as outcomes:
        for n_done, outcome in enumerate(outcomes, 1):
            if progress is not None and total:
                progress(stage.name, n_done / total)
            yield outcome


def in_order(crew: Crew, tasks: Iterator[Task], known: Journal, ahead: int) -> Generator[Outcome, None, None]:
    """Yield outcomes in order; those that come before their turn are kept in the journal at once, and wait.

    Parameters
    ----------
    crew : Crew
        Closed at the end.
    tasks : iterator of Task
        At most `ahead` of them are read before the outcome of the first is taken.
    known : Journal
        What earlier runs did, and what they had in hand when they ended.
    ahead : int
        Bounds what waits here.
    """
    waiting: deque[tuple[Task, Outcome | None]] = deque()
    first = 0  # the number of the task that is in front
    with closing(crew):
        while True:
            while len(waiting) < ahead and (task := next(tasks, None)) is not None:
                found = known.find(task) or known.given_up(task)
                if found is None:
                    crew.give(first + len(waiting), task, alone=known.attempts(task) > 0)
                waiting.append((task, found))
            if not waiting:
                return
            if waiting[0][1] is None:
                for number, outcome in crew.take():
                    task = waiting[number - first][0]
                    waiting[number - first] = task, known.keep(task, outcome)
            while waiting and (done := waiting[0][1]) is not None:
                yield done
                waiting.popleft()
                first += 1


@contextmanager
def terminable() -> Iterator[None]:
    """Turn SIGTERM into an exit that runs every `finally`, where nobody else has a handler for it."""
    ours = threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    if ours:
        signal.signal(signal.SIGTERM, _leave)
    try:
        yield
    finally:
        if ours and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _leave(signum: int, frame: FrameType | None) -> None:
    sys.exit(128 + signum)
