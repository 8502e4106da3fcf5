"""A manifest in shards: recordings one after another, as many as make so many seconds, whoever works on them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from melisma.core.errors import InputError, MelismaError, MissingDependency
from melisma.core.records import Float32
from melisma.data import by_recording, cuts
from melisma.data.manifest import Utterance
from melisma.data.recordings import Recording, Recordings
from melisma.data.units import faults
from melisma.data.units.faults import Fault
from melisma.scale.protocol import Task

LONGEST_S = 1800.0  # of an utterance: it is in memory as a whole, with its features
_LATE_S = 0.5  # that a file may end before its utterance does, as in `segment`

Shard = tuple[Recording, ...]
Item = list[tuple[str, list[str]]]


@dataclass(frozen=True, slots=True)
class Shards:
    """The recordings of a manifest as tasks, a shard each; made as they are asked for, decided by the manifest alone.

    A recording is never divided, so that each is decoded once.

    Parameters
    ----------
    found : Recordings
        The manifest.
    seconds : float
        A shard ends with the recording that brings it to so much audio; 0 makes each recording one.
    """

    found: Recordings
    seconds: float
    _count: list[int] = field(default_factory=list, repr=False, compare=False)

    def __len__(self) -> int:
        if not self._count:
            self._count.append(sum(1 for _ in self.shards()))
        return self._count[0]

    def __iter__(self) -> Iterator[Task]:
        return map(task_of, self.shards())

    def shards(self) -> Iterator[Shard]:
        """Yield the shards, in the order of the recordings."""
        held: list[Recording] = []
        total = 0.0
        for recording in self.found:
            held.append(recording)
            total += sum(each.duration for each in recording.utterances)
            if total >= self.seconds:
                yield tuple(held)
                held, total = [], 0.0
        if held:
            yield tuple(held)


def task_of(shard: Shard) -> Task:
    """Return the task of a shard: another file under a name, or other utterances, make it anew.

    Its item holds, of each recording, the path and the lines of the utterances.
    """
    tasks = [by_recording.task_of(recording) for recording in shard]
    said = hashlib.sha256()
    for task in tasks:
        said.update(f"{task.signature or task.item}\n".encode("utf-8", "surrogatepass"))
    return Task(shard[0].utterances[0].id, [task.item for task in tasks], said.hexdigest())


def read_item(item: Item) -> list[tuple[Path, list[Utterance]]]:
    """Return, of each recording of a task's item, the path and the utterances."""
    return [by_recording.read_item((path, lines)) for path, lines in item]


def hear(path: Path, utterances: Sequence[Utterance], scratch: Path) -> Iterator[tuple[int, Float32 | Fault]]:
    """Decode a recording once; yield the number of each utterance with its samples, or with what is wrong with it.

    Parameters
    ----------
    path : Path
        The recording.
    utterances : sequence of Utterance
        That lie in it.
    scratch : Path
        Where those that are longer than four minutes are kept meanwhile.

    Yields
    ------
    (int, float32 [n_samples] or Fault)
        At 16 kHz, in the order of their ends.
    """
    waiting: dict[int, Any] = {}
    for i, each in enumerate(utterances):
        if each.duration > LONGEST_S:
            yield i, Fault(f"{each.id} lasts {each.duration:.0f} s, more than {LONGEST_S:.0f}: segment it first")
        else:
            waiting[i] = each
    numbers = list(waiting)
    spans = [cuts.span_of(waiting[i].start, waiting[i].duration) for i in numbers]
    try:
        for at, part in cuts.parts(path, spans, scratch):
            yield numbers[at], _heard(path, waiting.pop(numbers[at]), part)
        return
    except MissingDependency as error:
        if not isinstance(error, InputError):
            raise
        fault = faults.of_error(error)
    except MelismaError as error:
        fault = faults.of_error(error)
    except OSError as error:
        fault = faults.of_error(error, f"{error.filename or path}: {error.strerror or error}")
    yield from ((i, fault) for i in waiting)


def _heard(path: Path, utterance: Utterance, part: cuts.Part) -> Float32 | Fault:
    if not part.n_samples:
        return Fault(f"{path} has no sound at {utterance.start:.2f} s")
    if part.n_samples < (utterance.duration - _LATE_S) * cuts.SAMPLE_RATE:
        end = utterance.start + part.n_samples / cuts.SAMPLE_RATE
        return Fault(f"{path} ends at {end:.2f} s, before the utterance does")
    return np.concatenate(list(part.blocks()))
