"""Stages that make files of the utterances of a recording: run over a manifest, and not again over what is there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from melisma.data.manifest import Utterance
from melisma.data.recordings import Recording, Recordings
from melisma.scale.again import again, writes_here
from melisma.scale.local import LocalExecutor
from melisma.scale.protocol import Executor, Outcome, Progress, Stage, Task


def task_of(recording: Recording) -> Task:
    """Return the task of a recording: another file under its name, or other utterances, make it anew.

    Its item is the path and the lines of the utterances.
    """
    lines = [each.line() for each in recording.utterances]
    try:
        about = recording.path.stat()
        signature = f"{about.st_size} {about.st_mtime_ns} {recording.path} {lines}"
    except OSError:
        signature = ""
    return Task(recording.utterances[0].audio, (str(recording.path), lines), signature)


@dataclass(frozen=True, slots=True)
class Tasks:
    """The recordings of a manifest as tasks, made as they are asked for."""

    found: Recordings
    make: Callable[[Recording], Task] = task_of

    def __len__(self) -> int:
        return len(self.found)

    def __iter__(self) -> Iterator[Task]:
        return map(self.make, self.found)


def read_item(item: tuple[str, list[str]]) -> tuple[Path, list[Utterance]]:
    """Return the path and the utterances of a task's item."""
    return Path(item[0]), [Utterance.model_validate_json(line) for line in item[1]]


def outcomes(
    found: Recordings,
    out: Path,
    stage: Stage,
    *,
    make: Callable[[Recording], Task] = task_of,
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> Iterator[tuple[Recording, Outcome]]:
    """Run a stage over every recording, in their order; `.<out's name>.journal` beside `out` keeps what is done.

    The value of a stage is a list with a mapping for each utterance, whose "files" say what was written:
    [path below `out`, size in bytes]. Where a file is gone or of another size, or an utterance says "again" (it met
    what may pass, such as a server that was away), the recording is done again. Where files are written elsewhere,
    nobody looks for them here.
    """
    here = writes_here(executor)
    journal = out.with_name(f".{out.name}.journal")
    done = (executor or LocalExecutor()).run(stage, Tasks(found, make), journal=journal, progress=progress)
    for recording, outcome in zip(found, done, strict=True):
        if outcome.reused and not _good(out if here else None, outcome.value):
            yield recording, again(executor, stage, make(recording))
        else:
            yield recording, outcome


def _good(out: Path | None, value: list[dict[str, Any]]) -> bool:
    return not any(facts.get("again") for facts in value) and (out is None or _still_there(out, value))


def _still_there(out: Path, value: list[dict[str, Any]]) -> bool:
    try:
        return all((out / path).stat().st_size == size for facts in value for path, size in facts.get("files", ()))
    except OSError:
        return False
