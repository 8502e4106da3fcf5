"""Several processes on one study: each takes the next trial, and one that dies is replaced."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing import connection, get_context
from multiprocessing.connection import Connection
from threading import Thread
from typing import TYPE_CHECKING, Any

from melisma.core.errors import MelismaError, TrainingError
from melisma.core.settings import n_threads
from melisma.train.sweep.search import Say, Search
from melisma.train.sweep.storage import results_of
from melisma.train.sweep.trial import Objective, Results

if TYPE_CHECKING:
    from multiprocessing.context import SpawnProcess

_DEATHS = 5  # of processes in a row without one that ended well, after which the sweep gives up
_VISIBLE = "CUDA_VISIBLE_DEVICES"


@dataclass(frozen=True, slots=True)
class Team:
    """Processes that search together.

    Parameters
    ----------
    search : Search
        What is searched.
    objective : Objective
        Trains; goes through pickle.
    jobs : int
        Processes.
    gpus : sequence of str
        Taken in turns, one a process; as they are, where it is empty.
    """

    search: Search
    objective: Objective
    jobs: int
    gpus: Sequence[str] = ()

    def run(self, say: Say) -> Results:
        """Search until the study has its trials.

        Raises
        ------
        MelismaError
            As a process of the team did; the others end at their next step then.
        KeyboardInterrupt
            If it was interrupted.
        """
        if self.jobs == 1:
            return self.search.run(self.objective, say)
        with self.search.open():  # once, before all others want to make the same tables
            pass
        members: dict[int, _Member] = {}
        try:
            for place in range(self.jobs):
                members[place] = self._start(place)
            self._follow(members, say)
        except BaseException:
            for member in members.values():
                member.end()
            raise
        finally:
            for member in members.values():
                member.process.join()
                member.pipe.close()
        with self.search.open() as study:
            return results_of(study)

    def _follow(self, members: dict[int, _Member], say: Say) -> None:
        deaths = 0
        while members:
            ready = connection.wait([member.pipe for member in members.values()])
            for place, member in list(members.items()):
                if member.pipe not in ready:
                    continue
                try:
                    kind, told = member.pipe.recv()
                except (EOFError, OSError):  # it has ended without a word
                    del members[place]
                    member.process.join()
                    deaths += 1
                    if deaths > _DEATHS:
                        raise TrainingError(
                            f"{deaths} processes of the sweep have died, the last with exit code "
                            f"{member.process.exitcode}: too little memory for {self.jobs} at once?"
                        ) from None
                    say(f"a process of the sweep has died (exit code {member.process.exitcode}): starting another")
                    members[place] = self._start(place)
                    continue
                if kind == "say":
                    say(told)
                elif kind == "done":
                    del members[place]
                    deaths = 0
                else:
                    raise told

    def _start(self, place: int) -> _Member:
        ours, theirs = get_context("spawn").Pipe()
        visible = self.gpus[place % len(self.gpus)] if self.gpus else None
        threads = max(1, n_threads() // self.jobs)
        process = get_context("spawn").Process(
            target=_work, args=(self.search, self.objective, theirs, visible, threads), name=f"sweep-{place}"
        )
        process.start()
        theirs.close()
        return _Member(process, ours)


@dataclass(frozen=True, slots=True)
class _Member:
    process: SpawnProcess
    pipe: Connection

    def end(self) -> None:
        """Ask it to end: a training writes a checkpoint first."""
        if self.process.is_alive():
            self.process.terminate()


def _work(search: Search, objective: Objective, pipe: Connection, visible: str | None, threads: int) -> None:
    """Search in a process of its own."""
    # Before torch is imported, which looks at both once.
    os.environ["MELISMA_THREADS"] = os.environ["OMP_NUM_THREADS"] = str(threads)
    if visible is not None:
        os.environ[_VISIBLE] = visible
    signal.signal(signal.SIGTERM, _interrupt)
    Thread(target=_end_with_parent, args=(pipe,), daemon=True).start()
    last: tuple[str, Any] = ("done", None)
    try:
        search.run(objective, lambda text: pipe.send(("say", text)))
    except MelismaError as error:
        last = ("error", error)
    except KeyboardInterrupt:
        sys.exit(0)
    finally:
        if sys.exc_info()[0] is None:
            pipe.send(last)
            pipe.close()


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def _end_with_parent(pipe: Connection) -> None:
    """End when the process that started this one has died, and nobody hears what is found."""
    try:
        pipe.recv()
    except (EOFError, OSError):
        os.kill(os.getpid(), signal.SIGTERM)


def visible_gpus() -> tuple[str, ...]:
    """Return the GPUs that a team may share, by what CUDA_VISIBLE_DEVICES says of them; empty without any."""
    import torch

    n = torch.cuda.device_count()
    named = [each for each in os.environ.get(_VISIBLE, "").split(",") if each.strip()]
    return tuple(named[:n]) if len(named) >= n else tuple(map(str, range(n)))
