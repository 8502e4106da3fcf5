"""What is known of one trial of a sweep, whichever program drew it, and what a sweep asks of a training."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from melisma.core.errors import TrainingError
from melisma.train.sweep.space import Metric, Value


class State(StrEnum):
    """What became of a trial."""

    WAITING = "waiting"
    RUNNING = "running"
    COMPLETE = "complete"
    PRUNED = "pruned"  # ended early: others were better by then
    FAILED = "failed"


ENDED = (State.COMPLETE, State.PRUNED, State.FAILED)


class Pruned(TrainingError):
    """A trial is not worth going on with; raised by a training that was told so, through it."""


class Report(Protocol):
    """What a training tells of a validation."""

    def __call__(self, step: int, value: float) -> None:
        """Take what a validation at a step gave: the figure that is made low.

        Raises
        ------
        Pruned
            If the training should end here.
        """


class Objective(Protocol):
    """A training with some settings; it may be sent to another process."""

    def __call__(self, index: int, drawn: Mapping[str, Value], report: Report) -> float:
        """Train, and return the lowest figure; goes on where an earlier try of the same trial has stopped.

        Raises
        ------
        Pruned
            If `report` did.
        TrainingError
            If it came to nothing; the sweep goes on with others.
        """

    def ended(self, index: int) -> None:
        """Throw away what only going on with a trial would need."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One trial.

    Parameters
    ----------
    index : int
        From 0 on; stays when it is tried again.
    state : State
        What became of it.
    drawn : mapping
        Its settings.
    value : float, optional
        The lowest figure that it reached; error rates are shares.
    reports : tuple of (int, float)
        Figures by step.
    seconds : float, optional
        That it took.
    tries : int
        How often it was begun.
    why : str
        It failed.
    """

    index: int
    state: State
    drawn: Mapping[str, Value]
    value: float | None = None
    reports: tuple[tuple[int, float], ...] = ()
    seconds: float | None = None
    tries: int = 1
    why: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "index": self.index,
            "state": str(self.state),
            "value": self.value,
            "settings": dict(self.drawn),
            "reports": [{"step": step, "value": value} for step, value in self.reports],
            "seconds": self.seconds,
            "tries": self.tries,
            "why": self.why,
        }


@dataclass(frozen=True, slots=True)
class Results:
    """What a study has found so far.

    Parameters
    ----------
    study : str
        Its name.
    trials : tuple of Trial
        By index.
    metric : str
        What is made low.
    """

    study: str
    trials: tuple[Trial, ...]
    metric: Metric = "wer"

    @property
    def best(self) -> Trial | None:
        """The complete trial with the lowest figure; the earlier one of two that are equal."""
        done = [each for each in self.trials if each.state is State.COMPLETE and each.value is not None]
        return min(done, key=lambda each: (each.value, each.index), default=None)

    def count(self, *states: State) -> int:
        """Return how many trials are in one of some states."""
        return sum(each.state in states for each in self.trials)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, for programs."""
        best = self.best
        return {
            "schema": "melisma.sweep/1",
            "study": self.study,
            "metric": self.metric,
            "best": None if best is None else best.index,
            "counts": {str(state): self.count(state) for state in State},
            "trials": [each.to_dict() for each in self.trials],
        }


NAMES: Mapping[Metric, str] = {"wer": "word error rate", "cer": "character error rate", "loss": "validation loss"}


def figure(value: float, metric: Metric) -> str:
    """Return a figure for people.

    Examples
    --------
    >>> figure(0.1234, "wer"), figure(2.34567, "loss")
    ('12.34%', '2.346')
    """
    return f"{value:.3f}" if metric == "loss" else f"{value:.2%}"


def lowest(values: Sequence[float]) -> float:
    """Return the lowest of some figures.

    Raises
    ------
    TrainingError
        If there is none that is a number.
    """
    numbers = [each for each in values if math.isfinite(each)]
    if not numbers:
        raise TrainingError("no validation gave a figure that is a number")
    return min(numbers)
