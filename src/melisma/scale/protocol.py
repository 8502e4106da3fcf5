"""What batch work is made of: a stage, its tasks, their outcomes, and who runs them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

# A share in [0, 1] of a stage's work, told under its name.
Progress = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class Task:
    """One item of a stage.

    Parameters
    ----------
    key : str
        Names it within the stage, once; a run that goes on knows by it what is done.
    item : object
        What the stage is called with; must be picklable.
    signature : str
        What else decides the outcome (size and time of a file, a hash of a line): another one makes the task anew.
    """

    key: str
    item: Any
    signature: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a task: `value` (plain JSON), or `error`, one sentence, where it could not be done."""

    key: str
    value: Any = None
    error: str | None = None
    reused: bool = False  # from an earlier run's journal


class Stage(Protocol):
    """A pure function of an item and of its own settings; picklable, so that it runs in any process.

    A frozen dataclass at module level whose fields are the settings, with `__call__`, is one. What it returns is plain
    JSON: tuples come out as lists. A `MelismaError` or `OSError` that it raises becomes the outcome's `error`, unless
    an extra is missing (`MissingDependency`), which would be so for every task. That, and anything else, which is a
    fault of the program, ends the run.
    """

    @property
    def name(self) -> str:
        """Of the stage, for progress and journal."""

    def configuration(self) -> str:
        """Return what of its settings decides the outcome; another one makes all tasks anew."""

    def __call__(self, item: Any) -> Any:
        """Do one item."""


@dataclass(frozen=True, slots=True)
class Resources:
    """What one process that does tasks of a stage needs; an executor places processes by it.

    Parameters
    ----------
    cpus : float
        Cores.
    gpus : float
        Of a GPU, in fractions: 0.25 lets four processes share one.
    memory_mb : int, optional
        The most that a process is expected to take.
    seconds : float, optional
        The most that a task is expected to take; where machines are paid for, one that takes longer is given up.
    """

    cpus: float = 1.0
    gpus: float = 0.0
    memory_mb: int | None = None
    seconds: float | None = None


class Executor(Protocol):
    """Runs a stage over tasks; outcomes come in the order of the tasks, whatever runs first.

    They are the same for any number of processes or machines. `melisma.testing.executors.check_executor` holds one to
    what is promised here.
    """

    def run(
        self,
        stage: Stage,
        tasks: Iterable[Task],
        *,
        journal: Path | None = None,
        progress: Progress | None = None,
        resources: Resources | None = None,
    ) -> Iterator[Outcome]:
        """Yield the outcome of every task.

        A task whose process dies, or finds too little memory, is tried once more with nothing beside it; if that ends
        in the same way, its outcome has an `error`, and the others are done as if nothing had been.

        Parameters
        ----------
        stage : Stage
            What is done.
        tasks : iterable of Task
            Read as they are needed, never all at once unless it is a sequence.
        journal : Path, optional
            File that keeps outcomes as they come, whatever ends the run; what is in it for the same configuration and
            signature is not done again. Errors are not kept. One run at a time may use it.
        progress : callable, optional
            Told of the share that is done, if `tasks` has a length.
        resources : Resources, optional
            What a process of this stage needs; one core without it.

        Raises
        ------
        OutputError
            If the journal cannot be written, is damaged or another file, or another run works with it.
        Exception
            What the stage raises that is no error of an item, and what `tasks` raises; what was done before is kept.
        """
