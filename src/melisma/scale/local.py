"""Batch work on this machine: processes that are spawned, a bounded queue, and a journal that survives kill -9."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from melisma.core.settings import n_threads
from melisma.scale import machine
from melisma.scale.attempt import attempt, out_of_memory
from melisma.scale.crew import Crew
from melisma.scale.journal import Journal
from melisma.scale.ordered import AHEAD, in_order, run_in_order
from melisma.scale.protocol import Outcome, Progress, Resources, Stage, Task


@dataclass(frozen=True, slots=True)
class LocalExecutor:
    """Processes of this machine, one thread each.

    A process that is killed, crashes or runs out of memory costs no more than the task it was at, and that only if it
    happens again with the task alone on the machine. A task that was in hand when a whole run was killed is done alone,
    too, in a process of its own; after three such runs it has an error.

    Parameters
    ----------
    jobs : int, optional
        How many; as many as there are cores without it, fewer where memory or GPUs do not suffice for what a stage
        needs. 1 works in this process, where a crash ends everything.
    """

    jobs: int | None = None

    def most(self, resources: Resources | None) -> int:
        """Return how many processes of a stage there are at most, by what one of them needs."""
        return 1 if self.jobs == 1 else machine.n_workers(self.jobs, n_threads(), resources)

    def run(
        self,
        stage: Stage,
        tasks: Iterable[Task],
        *,
        journal: Path | None = None,
        progress: Progress | None = None,
        resources: Resources | None = None,
    ) -> Iterator[Outcome]:
        """Yield the outcome of every task, in their order; see `Executor.run`.

        Ctrl-C and SIGTERM end it with what is done kept. Closing the iterator ends the processes. `seconds` of the
        resources is not looked at.
        """

        def doing(known: Journal) -> Generator[Outcome, None, None]:
            if self.jobs == 1:
                return _here(stage, tasks, known)
            jobs = self.most(resources)
            gpus = machine.visible_gpus() if resources is not None and resources.gpus > 0 else ()
            return in_order(Crew(stage, jobs, known, gpus), iter(tasks), known, jobs * AHEAD)

        return run_in_order(stage, tasks, journal, progress, doing)


def _here(stage: Stage, tasks: Iterable[Task], known: Journal) -> Generator[Outcome, None, None]:
    for task in tasks:
        found = known.find(task) or known.given_up(task)
        if found is None:
            found = known.keep(task, _apart(stage, task, known) if known.attempts(task) else _try(stage, task, known))
        yield found


def _try(stage: Stage, task: Task, known: Journal) -> Outcome:
    known.lease([task])
    try:
        return attempt(stage, task)
    except MemoryError:
        return out_of_memory(task)


def _apart(stage: Stage, task: Task, known: Journal) -> Outcome:
    """Do a task that may have ended an earlier run in a process of its own, so that it does not end this one."""
    with closing(Crew(stage, 1, known)) as crew:
        crew.give(0, task, alone=True)
        while not (found := crew.take()):
            pass
        return found[0][1]
