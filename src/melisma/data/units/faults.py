"""What is wrong with an utterance: kept until its file is another one, or tried again where it may pass."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from melisma.audio import ffmpeg
from melisma.core.errors import (
    AudioError,
    DamagedAudio,
    EngineError,
    EngineUnavailable,
    InputError,
    MissingDependency,
    NotAudio,
)
from melisma.core.records import Float32
from melisma.scale.journal import Journal
from melisma.scale.protocol import Outcome, Stage, Task

Facts = dict[str, Any]
Encoded = TypeVar("Encoded")


@dataclass(frozen=True, slots=True)
class Fault:
    """Why there is nothing of an utterance, and whether the same file may do another time (`may_pass`)."""

    said: str
    may_pass: bool = False

    def facts(self) -> Facts:
        """Return what a stage says of the utterance."""
        return {"error": self.said} | ({"again": True} if self.may_pass else {})


def of_error(error: BaseException, said: str | None = None) -> Fault:
    """Return what an error says: what lacks permission, memory or a program may pass, what is in a file does not."""
    return Fault(said or str(error), _may_pass(error))


def _may_pass(error: BaseException) -> bool:
    if isinstance(error, MissingDependency) or not isinstance(error, InputError):
        return True
    if isinstance(error, (NotAudio, DamagedAudio)):
        return ffmpeg.program() is None  # it knows more
    if type(error) is AudioError:
        return not isinstance(error.__cause__, FileNotFoundError)  # a file that comes is another one than none
    return False


def each(encode: Callable[[Sequence[Float32]], list[Encoded]], waveforms: Sequence[Float32]) -> list[Encoded | Fault]:
    """Encode recordings together, and one by one if that fails: one that cannot be encoded costs no other.

    Raises
    ------
    EngineUnavailable
        If none can be.
    """
    try:
        return list(encode(waveforms))
    except (InputError, EngineError) as error:
        if isinstance(error, EngineUnavailable):
            raise
        if len(waveforms) == 1:
            return [of_error(error)]
        return [found for one in waveforms for found in each(encode, [one])]


def may_pass(facts: Sequence[Facts]) -> bool:
    """Say whether one of the utterances may do another time."""
    return any(one.get("again") for one in facts)


def keep(journal: Path, stage: Stage, done: Sequence[tuple[Task, Outcome]]) -> None:
    """Write into a journal what was done anew beside the run that had it open, and is over."""
    if done:
        with Journal(journal, stage) as known:
            for task, outcome in done:
                known.keep(task, outcome)
