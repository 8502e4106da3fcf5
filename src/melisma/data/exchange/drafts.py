"""What an import reads, before it is an utterance: fields from another program's file, and where they stood."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from melisma.audio.probe import open_source
from melisma.audio.stream import open_stream
from melisma.core.errors import ManifestError
from melisma.data import manifest
from melisma.data.index_file import key
from melisma.data.manifest import Utterance
from melisma.data.report import Problem
from melisma.scale.attempt import attempt
from melisma.scale.local import LocalExecutor
from melisma.scale.protocol import Executor, Outcome, Progress, Task

LONGEST_LINE = 1 << 20  # bytes of a line of a table
_MOST_PROBLEMS = 10_000  # that are told one by one


@dataclass(frozen=True, slots=True)
class Defaults:
    """What a source does not say of its utterances, and where its relative paths start, if not where it lies."""

    language: str = "und"
    license: str = ""
    source: str = ""
    speaker: str = ""
    audio_root: Path | None = None


@dataclass(frozen=True, slots=True)
class Draft:
    """One utterance as it was read.

    Parameters
    ----------
    file : Path
        Where it stood.
    line : int, optional
        On which line.
    audio : Path
        Its recording.
    fields : dict
        The rest. Without "duration" it lasts to the end of the recording.
    """

    file: Path
    line: int | None
    audio: Path
    fields: dict[str, Any]

    def finished(self, audio: str, duration: float) -> Utterance:
        """Return the utterance, its recording named as the manifest shall name it.

        Raises
        ------
        ManifestError
            If a field is wrong.
        """
        fields = {"audio": audio, "duration": duration, **self.fields}
        return manifest.build(fields, self.file, self.line)


@dataclass(slots=True)
class Told:
    """What did not come along, and what did under another name: the first problems, and how many there are."""

    problems: list[Problem] = field(default_factory=list)
    n: int = 0
    n_renamed: int = 0

    def add(self, draft: Draft, kind: str, message: str) -> None:
        """Tell of one that did not come along."""
        self.n += 1
        self._tell(str(draft.fields.get("id", draft.audio)), kind, message)

    def rename(self, draft: Draft, name: str, new: str) -> None:
        """Tell of one whose id another had before."""
        self.n_renamed += 1
        where = draft.file.name if draft.line is None else f"{draft.file.name}, line {draft.line}"
        self._tell(name, "id", f"another came before under this id: that of {where} is called {new!r} here")

    def _tell(self, item: str, kind: str, message: str) -> None:
        if len(self.problems) < _MOST_PROBLEMS:
            self.problems.append(Problem(item, kind, message))


class Ids:
    """Ids that are used already, as 64 bits each."""

    def __init__(self) -> None:
        self._seen: dict[int, int] = {}

    def own(self, name: str) -> str:
        """Return an id that nobody had before: the name itself, or with -2, -3 … behind it.

        >>> ids = Ids()
        >>> [ids.own(name) for name in ("a", "a-2", "a", "a", "b")]
        ['a', 'a-2', 'a-3', 'a-4', 'b']
        """
        new, first = name, key(name)
        while key(new) in self._seen:
            self._seen[first] += 1
            new = f"{name}-{self._seen[first]}"
        self._seen[key(new)] = 1
        return new


def rows(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the lines of a text file that hold something, with their numbers, without their ends.

    Raises
    ------
    ManifestError
        If it cannot be read, is not UTF-8, or a line is longer than `LONGEST_LINE` or holds a zero byte.
    """
    try:
        with path.open("rb") as file:
            number = 0
            while data := file.readline(LONGEST_LINE + 1):
                number += 1
                if len(data) > LONGEST_LINE:
                    raise ManifestError(path, number, "is longer than a line of a table can be (1 MiB)")
                if b"\0" in data:
                    raise ManifestError(path, number, "holds a zero byte: this is no text")
                try:
                    text = data.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
                except UnicodeDecodeError as error:
                    raise ManifestError(path, number, f"is not UTF-8 at byte {error.start + 1}") from error
                if text.strip():
                    yield number, text
    except OSError as error:
        raise ManifestError(path, None, f"cannot be read: {error.strerror or error}") from error


@dataclass(frozen=True, slots=True)
class Measure:
    """The stage: a recording to its length in seconds."""

    name: str = "measure"

    def configuration(self) -> str:
        """Return what decides a length: nothing but the file."""
        return "1"

    def __call__(self, item: str | None) -> float | None:
        """Measure one recording, by its header where that is exact; None for one whose length is known."""
        if item is None:
            return None
        with open_source(Path(item)) as source:
            if source.promised_s is not None:
                return source.promised_s
        with open_stream(item) as stream:
            return sum(map(len, stream.blocks)) / stream.info.sample_rate


def finished(
    drafts: Iterable[Draft],
    out: Path,
    told: Told,
    *,
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> Iterator[Utterance]:
    """Turn drafts into the utterances of the manifest `out`; what has no audio is told and left out.

    So is an id that comes again, as that of a sentence which several speakers read: it gets a number.

    Where a corpus does not say how long its utterances are, their recordings are measured, in parallel.

    Raises
    ------
    ManifestError
        If a draft says what no utterance can say.
    """
    unread = iter(drafts)
    first = next(unread, None)
    if first is None:
        return
    waiting: deque[Draft] = deque()
    names, ids = _Names(out.parent), Ids()

    def tasks() -> Iterator[Task]:
        for draft in _all(first, unread):
            waiting.append(draft)
            yield _task(draft)

    outcomes: Iterator[Outcome]
    if "duration" in first.fields:
        outcomes = (_here(draft, waiting) for draft in _all(first, unread))
    else:
        journal = out.with_name(f".{out.name}.journal")
        outcomes = (executor or LocalExecutor()).run(Measure(), tasks(), journal=journal, progress=progress)
    for outcome in outcomes:
        draft = waiting.popleft()
        if not draft.audio.is_file():
            told.add(draft, "missing", f"there is no file {str(draft.audio)!a}")
        elif outcome.error is not None:
            told.add(draft, "unreadable", outcome.error)
        else:
            for each in _checked(draft, outcome.value, names, told):
                own = ids.own(each.id)
                if own != each.id:
                    told.rename(draft, each.id, own)
                yield each if own == each.id else each.changed(id=own)


class _Names:
    """How a manifest in a folder names recordings; each folder of those is looked at once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ways: dict[Path, str] = {}

    def of(self, audio: Path) -> str:
        if audio.parent not in self._ways:
            self._ways[audio.parent] = os.path.dirname(manifest.portable(audio, self._folder))
        return os.path.join(self._ways[audio.parent], audio.name)


def _all(first: Draft, rest: Iterator[Draft]) -> Iterator[Draft]:
    yield first
    yield from rest


def _task(draft: Draft) -> Task:
    try:
        status = draft.audio.stat()
        signature = f"{status.st_size} {status.st_mtime_ns}"
    except (OSError, ValueError):
        signature = ""
    return Task(str(draft.audio), None if "duration" in draft.fields else str(draft.audio), signature)


def _here(draft: Draft, waiting: deque[Draft]) -> Outcome:
    waiting.append(draft)
    return attempt(Measure(), _task(draft))


def _checked(draft: Draft, measured: float | None, names: _Names, told: Told) -> Iterator[Utterance]:
    if measured is None:
        yield draft.finished(names.of(draft.audio), 0.0)
        return
    left = measured - float(draft.fields.get("start", 0.0))
    if left <= 0:
        told.add(draft, "outside", f"starts at {draft.fields['start']} s, its recording lasts {measured:.3f} s")
    else:
        yield draft.finished(names.of(draft.audio), round(left, 6))
