"""One try at one task: a value, or a sentence about what is wrong with its item."""

from __future__ import annotations

import json
from typing import Any

from melisma.core.errors import InputError, MelismaError, MissingDependency
from melisma.scale.protocol import Outcome, Stage, Task


def attempt(stage: Stage, task: Task) -> Outcome:
    """Do one task.

    Every executor makes its outcomes here, so that they are the same in whichever process and machine: the value is
    what JSON makes of it (lists for tuples, text for the keys of objects).

    Raises
    ------
    MissingDependency
        If an extra is missing: it would be so for every task. What a single file needs, such as ffmpeg, is its error.
    MemoryError
        For the executor to try again where more memory is free.
    """
    try:
        value = stage(task.item)
    except MissingDependency as error:
        if not isinstance(error, InputError):
            raise
        return Outcome(task.key, error=str(error))
    except MelismaError as error:
        return Outcome(task.key, error=str(error))
    except OSError as error:
        return Outcome(task.key, error=f"{error.filename or task.key}: {error.strerror or error}")
    return Outcome(task.key, plain(value))


def plain(value: Any) -> Any:
    """Return what JSON makes of a value.

    Raises
    ------
    TypeError
        If it is no JSON: a fault of the stage.
    """
    return json.loads(json.dumps(value))


def out_of_memory(task: Task) -> Outcome:
    """Return the outcome of a task for which there is too little memory."""
    return Outcome(task.key, error=f"{task.key}: there is not enough memory for it")
