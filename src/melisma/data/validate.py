"""A manifest, line by line: which lines a training can use, and what is wrong with the others."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from melisma.core.errors import ManifestError
from melisma.data import checks, manifest, sound_levels
from melisma.data.checks import Limits
from melisma.data.index_file import key
from melisma.data.lines import writing
from melisma.data.manifest import Line, Utterance
from melisma.data.report import Problem
from melisma.data.sound_levels import Facts
from melisma.scale.local import LocalExecutor
from melisma.scale.protocol import Executor, Outcome, Progress, Task

_VERSION = "1"  # changes where the same sound is measured otherwise
_MOST = 2000  # utterances of one file that are measured at once


@dataclass(frozen=True, slots=True)
class Measure:
    """A stage: a file and the parts of it that are utterances → how much there is of each, and how loud.

    No limit is among its settings: with others, nothing is decoded again.
    """

    name: str = "validate"

    def configuration(self) -> str:
        """Return what decides the outcome."""
        return _VERSION

    def __call__(self, item: tuple[str, list[tuple[float, float]]]) -> dict[str, Any]:
        """Decode a file once."""
        levels = sound_levels.measure(Path(item[0]))
        found = [asdict(sound_levels.part(levels, start, duration)) for start, duration in item[1]]
        return {"file_s": levels.duration_s, "promised_s": levels.promised_s, "off": levels.breaks_off, "parts": found}


@dataclass(frozen=True, slots=True)
class _Group:
    """Lines of a manifest that follow each other and lie in one file; without utterances for a line that is none."""

    lines: tuple[Line, ...]
    utterances: tuple[Utterance, ...]
    problem: Problem | None = None

    def task(self, path: Path) -> Task:
        audio = manifest.audio_path(path, self.utterances[0])
        parts = [(each.start, each.duration) for each in self.utterances]
        try:
            about = audio.stat()
            signature = f"{about.st_size} {about.st_mtime_ns} {parts}"
        except OSError:
            signature = ""
        return Task(f"{self.utterances[0].audio} {self.lines[0].number}", (str(audio), parts), signature)


def _groups(path: Path) -> Iterator[_Group]:
    """Yield groups of lines; a line that cannot be read stands alone. Memory is that of one group."""

    def parsed() -> Iterator[tuple[Line, Utterance | Problem]]:
        for line in manifest.lines(path):
            try:
                yield line, manifest.parse(line.data, path, line.number)
            except ManifestError as error:
                said = str(error).removeprefix(f"{path}, line {line.number}: ")
                yield line, Problem(f"line {line.number}", "line", said)

    for _, found in groupby(parsed(), key=lambda each: getattr(each[1], "audio", each[0].number)):
        together: list[tuple[Line, Utterance]] = []
        for line, what in found:
            if isinstance(what, Problem):
                yield _Group((line,), (), what)
                continue
            together.append((line, what))
            if len(together) == _MOST:
                yield _group(together)
                together = []
        if together:
            yield _group(together)


def _group(found: list[tuple[Line, Utterance]]) -> _Group:
    return _Group(tuple(line for line, _ in found), tuple(utterance for _, utterance in found))


@dataclass(frozen=True, slots=True)
class _Tasks:
    path: Path
    n: int

    def __len__(self) -> int:
        return self.n

    def __iter__(self) -> Iterator[Task]:
        return (group.task(self.path) for group in _groups(self.path) if group.utterances)


@dataclass(frozen=True, slots=True)
class Checked:
    """A line, what it says if it can be read, what is wrong with it, and how loud it is where that is known."""

    line: Line
    utterance: Utterance | None
    problems: tuple[Problem, ...]
    facts: Facts | None = None


def check(
    path: Path,
    limits: Limits,
    *,
    executor: Executor | None = None,
    journal: Path | None = None,
    progress: Progress | None = None,
) -> Iterator[Checked]:
    """Yield every line of a manifest with what is wrong with it, in order.

    A file is decoded once for the lines that follow each other in it. Memory is 60 bytes a line.

    Raises
    ------
    ManifestError
        If the manifest cannot be read at all.
    """
    n = sum(bool(group.utterances) for group in _groups(path))
    outcomes = (executor or LocalExecutor()).run(Measure(), _Tasks(path, n), journal=journal, progress=progress)
    ids: set[int] = set()
    for group in _groups(path):
        if group.problem is not None:
            yield Checked(group.lines[0], None, (group.problem,))
        else:
            yield from _checked(path, group, next(outcomes), limits, ids)
    next(outcomes, None)  # lets it close its journal


def _checked(path: Path, group: _Group, outcome: Outcome, limits: Limits, ids: set[int]) -> Iterator[Checked]:
    whole = len(group.utterances) == 1
    for place, (line, utterance) in enumerate(zip(group.lines, group.utterances, strict=True)):
        found: list[Problem] = []
        number = key(utterance.id)
        if number in ids:
            found.append(Problem(utterance.id, "id", f"line {line.number} has an id that another line had before"))
        ids.add(number)
        facts = None
        if outcome.error is not None:
            kind = "unreadable" if manifest.audio_path(path, utterance).exists() else "missing"
            found.append(Problem(utterance.id, kind, outcome.error))
        else:
            value = outcome.value
            facts = Facts(**value["parts"][place])
            if value["off"] and utterance.start + utterance.duration > value["file_s"]:
                off, promised = value["file_s"], value["promised_s"]
                said = f"the file breaks off after {off:.2f} s, its header promises {promised:.2f} s"
                found.append(Problem(utterance.id, "unreadable", said))
            found += checks.of_sound(utterance, facts, value["file_s"], limits)
            found += checks.of_file(utterance, value["file_s"], whole, limits)
        found += checks.of_text(utterance, limits)
        yield Checked(line, utterance, tuple(found), facts)


@dataclass(slots=True)
class Tally:
    """What was found so far: `add` takes one line after the other.

    Parameters
    ----------
    allowed : collection of str
        Kinds of problems with which a line passes all the same; they are counted.
    """

    allowed: Collection[str] = ()
    n_lines: int = 0
    n_passed: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    problems: list[Problem] = field(default_factory=list)
    _seconds: array[float] = field(default_factory=lambda: array("f"))
    _languages: dict[str, dict[str, float]] = field(default_factory=dict)

    def add(self, found: Checked) -> bool:
        """Take a line; tell whether it passes."""
        self.n_lines += 1
        self.problems += found.problems
        self.kinds.update({each.kind for each in found.problems})
        passes = all(each.kind in self.allowed for each in found.problems)
        self.n_passed += passes
        if found.utterance is not None:
            self._count(found.utterance, passes)
        return passes

    def _count(self, utterance: Utterance, passes: bool) -> None:
        self._seconds.append(utterance.duration)
        hours = utterance.duration / 3600
        row = self._languages.setdefault(utterance.language, dict.fromkeys(_ROW, 0.0))
        for name, counts in (("", True), ("transcribed_", bool(utterance.transcript.strip())), ("passed_", passes)):
            row[f"{name}utterances"] += counts
            row[f"{name}hours"] += hours * counts
        row["words_timed"] += utterance.words is not None

    @property
    def counts(self) -> dict[str, int | float]:
        """Numbers for the report."""
        hours = {name: sum(row[name] for row in self._languages.values()) for name in _ROW}
        total = max(1, len(self._seconds))
        return {
            "lines": self.n_lines,
            "passed": self.n_passed,
            "failed": self.n_lines - self.n_passed,
            "hours": round(hours["hours"], 3),
            "passed_hours": round(hours["passed_hours"], 3),
            "share_transcribed": round(hours["transcribed_utterances"] / total, 4),
        }

    @property
    def details(self) -> dict[str, Any]:
        """What else there is to say: problems by kind, lengths, and each language."""
        quantiles = np.quantile(self._seconds or [0.0], (0, 0.05, 0.5, 0.95, 1))
        names = ("least", "5 %", "median", "95 %", "most")
        return {
            "problems_by_kind": {kind: {"lines": n, "is": checks.KINDS[kind]} for kind, n in self.kinds.most_common()},
            "seconds": {name: round(float(value), 3) for name, value in zip(names, quantiles, strict=True)},
            "languages": {
                name: {key: round(value, 4) for key, value in row.items()}
                for name, row in sorted(self._languages.items())
            },
        }


_ROW = (
    "utterances",
    "hours",
    "transcribed_utterances",
    "transcribed_hours",
    "passed_utterances",
    "passed_hours",
    "words_timed",
)


def sort_out(path: Path, output: Path | None, limits: Limits, allowed: Collection[str] = (), **how: Any) -> Tally:
    """Check a manifest, and write the lines that pass, or are allowed to, as another; see `check` for the rest.

    Raises
    ------
    OutputError
        If the output cannot be written.
    """
    tally = Tally(allowed)
    with ExitStack() as stack:
        line_to = stack.enter_context(writing(output)) if output is not None else None
        for each in check(path, limits, **how):
            if tally.add(each) and line_to is not None and output is not None and each.utterance is not None:
                line_to(manifest.rebased(each.utterance, path, output).line())
    return tally
