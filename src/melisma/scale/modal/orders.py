"""What is asked of a container, and what it hands back: a bundle of tasks, and a file of outcomes on the volume."""

from __future__ import annotations

import hashlib
import json
import pickle
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from melisma.core.errors import OutputError
from melisma.scale.protocol import Outcome, Task

FOLDER = ".melisma/runs"  # on the volume: a folder for each run, in it a file for each time that a call is begun
_LONGEST = 64 * 2**20  # bytes of a file of outcomes: those of one call


@dataclass(frozen=True, slots=True)
class Order:
    """Tasks that one call does, one after another.

    Parameters
    ----------
    run : str
        Folder of its outcomes below `FOLDER`.
    name : str
        What its files of outcomes begin with.
    mount : str
        Where the paths of all that follows have the volume.
    stage : bytes
        Pickled, with the paths of a container.
    tasks : tuple of (str, bytes)
        Digest of each task, and the task pickled, with the paths of a container.
    cwd : str, optional
        Folder of the container to work in: what relative paths begin at.
    stop_s : float
        Tasks that are not begun by then are handed back.
    commit_s : float
        How often what is done is committed, in seconds.
    """

    run: str
    name: str
    mount: str
    stage: bytes
    tasks: tuple[tuple[str, bytes], ...]
    cwd: str | None
    stop_s: float
    commit_s: float


@dataclass(frozen=True, slots=True)
class Report:
    """What became of an order.

    Parameters
    ----------
    found : tuple of (str, str)
        Digests of tasks, and their outcomes as JSON.
    short : tuple of str
        Digests of tasks for which there was too little memory.
    seconds : float
        That one task took, on average; 0 if none was done.
    fault : tuple of (bytes or None, str), optional
        The pickled exception of a fault of the program, and its traceback.
    """

    found: tuple[tuple[str, str], ...] = ()
    short: tuple[str, ...] = ()
    seconds: float = 0.0
    fault: tuple[bytes | None, str] | None = None


def digest(task: Task) -> str:
    """Return what a task is known by on the volume: its key, its signature and its item."""
    said = pickle.dumps((task.key, task.signature, task.item), protocol=5)
    return hashlib.sha256(said).hexdigest()


def to_line(name: str, outcome: Outcome) -> str:
    """Return a line of a file of outcomes."""
    return json.dumps([name, outcome.value, outcome.error])


def read_lines(data: bytes, where: str) -> Iterator[tuple[str, Any, str | None]]:
    """Yield digest, value and error of what a file of outcomes holds.

    Raises
    ------
    OutputError
        If it holds something else.
    """
    if len(data) > _LONGEST:
        raise OutputError(f"{where} on the volume is too large for a file of outcomes")
    for number, line in enumerate(data.split(b"\n"), 1):
        if not line:
            continue
        try:
            name, value, error = json.loads(line)
            if not isinstance(name, str) or not (error is None or isinstance(error, str)):
                raise ValueError
        except (ValueError, TypeError, RecursionError):
            raise OutputError(
                f"{where} on the volume, line {number}, is no outcome: remove it, and run again"
            ) from None
        yield name, value, error
