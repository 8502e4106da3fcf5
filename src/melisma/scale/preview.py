"""What a big run will take: a few of its tasks are done and measured, the rest is extrapolated and said to be so."""

from __future__ import annotations

import os
import re
import resource
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from melisma.scale.crew import Crew
from melisma.scale.forecast import Forecast, Range
from melisma.scale.journal import Journal
from melisma.scale.local import LocalExecutor
from melisma.scale.protocol import Executor, Outcome, Progress, Resources, Stage, Task

MEASURED = 8  # tasks
_LONGEST_S = 60.0  # of measuring, once two tasks are measured
_LOOKED_AT = 2000  # tasks whose sizes stand for all
BIG = 1000  # tasks from which on a run is measured before it begins
_RESAMPLES = 2000


@dataclass(frozen=True, slots=True)
class Timed:
    """Stage: another one, with how long it took and how large the process had grown."""

    stage: Stage

    @property
    def name(self) -> str:
        """Of the stage."""
        return self.stage.name

    def configuration(self) -> str:
        """Return that of the stage."""
        return self.stage.configuration()

    def __call__(self, item: Any) -> dict[str, Any]:
        """Do one item."""
        began = time.perf_counter()
        value = self.stage(item)
        seconds = time.perf_counter() - began
        return {"seconds": seconds, "peak_mb": peak_mb(), "value": value}


def peak_mb() -> float:
    """Return the most memory that this process has had, in MB."""
    try:
        # What `getrusage` says counts the process that started this one, too.
        found = re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text(encoding="ascii"))
    except OSError:
        found = None
    if found is not None:
        return int(found[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 1024)


@dataclass(frozen=True, slots=True)
class Measured:
    """One task that was done: its size (1 if none is known), seconds, and the process's peak of memory in MB."""

    size: float
    seconds: float
    peak_mb: float


@dataclass(frozen=True, slots=True)
class Plan:
    """How the run is to be done.

    Parameters
    ----------
    where : {"local", "ray", "modal"}
        Executor.
    workers : int
        Processes or containers.
    resources : Resources
        Of each.
    gpu : str, optional
        Kind of GPU, where one is wanted and paid for.
    """

    where: str
    workers: int
    resources: Resources = field(default_factory=Resources)
    gpu: str | None = None


def foresee(stage: Stage, tasks: Iterable[Task], plan: Plan, *, journal: Path | None = None) -> Forecast:
    """Measure a few tasks of a run, and tell what all of them will take.

    The tasks are done for real, one after another in one process of this machine; where the run is to be on this
    machine, too, the journal keeps them, and they are not done again.

    Parameters
    ----------
    stage : Stage
        What is done.
    tasks : iterable of Task
        All of them; read once.
    plan : Plan
        How the run is to be done.
    journal : Path, optional
        The run's: what is done already is left out.

    Raises
    ------
    Exception
        Whatever the stage raises that is no error of an item.
    """
    with Journal(journal, stage) as known:
        looked_at, n_open, n_tasks = _some(tasks, known)
        chosen = _spread([task for task, _ in looked_at], MEASURED)
        found, n_failed = _measure(stage, chosen, known, keep=plan.where == "local")
        if plan.where == "local":
            n_open -= len(found)
    return _extrapolated(plan, found, n_failed, [size for _, size in looked_at], n_open, n_tasks)


def _some(tasks: Iterable[Task], known: Journal) -> tuple[list[tuple[Task, float]], int, int]:
    """Return a fair sample of what is not done yet with the sizes of its tasks, how many there are, and of how many."""
    generator = np.random.default_rng(0)
    kept: list[Task] = []
    n_open = n_tasks = 0
    for task in tasks:
        n_tasks += 1
        if known.find(task) is not None:
            continue
        n_open += 1
        if len(kept) < _LOOKED_AT:
            kept.append(task)
        elif (at := int(generator.integers(n_open))) < _LOOKED_AT:
            kept[at] = task
    sizes = [size_of(task.item) for task in kept]
    if any(size is None for size in sizes):
        sizes = [1.0] * len(kept)
    return [(task, size or 1.0) for task, size in zip(kept, sizes, strict=True)], n_open, n_tasks


def size_of(item: Any) -> float | None:
    """Return the size in bytes of the file that an item is, or begins with; None where there is none."""
    first = item[0] if isinstance(item, (tuple, list)) and item else item
    if not isinstance(first, (str, Path)) or len(str(first)) > 4096 or "\0" in str(first):
        return None
    try:
        return float(os.path.getsize(first))
    except (OSError, ValueError):
        return None


def _spread(tasks: Sequence[Task], n: int) -> list[Task]:
    order = np.random.default_rng(1).permutation(len(tasks))[:n]
    return [tasks[i] for i in order]


def _measure(stage: Stage, tasks: list[Task], known: Journal, *, keep: bool) -> tuple[list[Measured], int]:
    found: list[Measured] = []
    n_failed = 0
    began = time.monotonic()
    with closing(Crew(Timed(stage), 1, Journal(None, stage))) as crew:
        for task in tasks:
            if len(found) >= 2 and time.monotonic() - began > _LONGEST_S:
                break
            crew.give(0, task)
            [(_, outcome)] = crew.take()
            if outcome.error is not None:
                n_failed += 1
                continue
            found.append(Measured(size_of(task.item) or 1.0, outcome.value["seconds"], outcome.value["peak_mb"]))
            if keep:
                known.keep(task, Outcome(task.key, outcome.value["value"]))
    return found, n_failed


def _extrapolated(
    plan: Plan, found: list[Measured], n_failed: int, sizes: list[float], n_open: int, n_tasks: int
) -> Forecast:
    # The first task of a process loads what all of them need.
    rest = found[1:] if len(found) > 2 else found
    sized = len({each.size for each in found}) > 1
    weights = np.array([each.size if sized else 1.0 for each in rest])
    seconds = np.array([each.seconds for each in rest])
    size = float(np.mean(sizes)) if sized and sizes else 1.0
    one = _interval(weights, seconds, size)
    loading = max(0.0, found[0].seconds - found[0].size / size * one.middle) if len(found) > 2 else 0.0
    return Forecast(
        where=plan.where,
        workers=plan.workers,
        cpus=plan.resources.cpus,
        gpu=plan.gpu if plan.resources.gpus > 0 else None,
        n_tasks=n_tasks,
        n_open=n_open,
        n_measured=len(found),
        n_failed=n_failed,
        task_s=one,
        loading_s=loading,
        peak_mb=max((each.peak_mb for each in found), default=0.0),
    )


def _interval(weights: Any, seconds: Any, size: float) -> Range:
    """Return seconds of a task of average size with the 90 % interval of a bootstrap; twice and half where too few."""
    if not len(seconds):
        return Range(0.0, 0.0, 0.0)
    middle = float(seconds.sum() / weights.sum() * size)
    if len(seconds) < 3:
        return Range(middle / 2, middle, middle * 2)
    drawn = np.random.default_rng(2).integers(len(seconds), size=(_RESAMPLES, len(seconds)))
    means = seconds[drawn].sum(axis=1) / weights[drawn].sum(axis=1) * size
    low, high = (float(each) for each in np.quantile(means, (0.05, 0.95)))
    return Range(min(low, middle), middle, max(high, middle))


@dataclass(frozen=True, slots=True)
class Foretelling:
    """An executor that says of a big run what it will take before it begins.

    Parameters
    ----------
    executor : Executor
        Does it.
    plan : Plan
        How.
    tell : callable
        Told of the forecast; what it raises ends the run before it begins.
    always : bool
        Also of a run that is not big.
    most : callable, optional
        Returns how many processes the executor takes for what one needs, where the plan does not know it.
    """

    executor: Executor
    plan: Plan
    tell: Callable[[Forecast], None]
    always: bool = False
    most: Callable[[Resources], int] | None = None

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

        Tasks without a length are not measured, unless it is to be said of any run: they may be read only once.
        """
        if self.always and not isinstance(tasks, Sized):
            tasks = list(tasks)
        if isinstance(tasks, Sized) and (self.always or len(tasks) >= BIG):
            needs = resources or self.plan.resources
            workers = self.plan.workers if self.most is None else self.most(needs)
            plan = Plan(self.plan.where, workers, needs, self.plan.gpu)
            forecast = foresee(stage, tasks, plan, journal=journal)
            if self.always or forecast.big:
                self.tell(forecast)
        yield from self.executor.run(stage, tasks, journal=journal, progress=progress, resources=resources)


def underlying(executor: Executor) -> Executor:
    """Return the executor that does the work."""
    return executor.executor if isinstance(executor, Foretelling) else executor


def on_this_machine(executor: Executor) -> bool:
    """Tell whether the work is done by processes of this machine."""
    return isinstance(underlying(executor), LocalExecutor)
