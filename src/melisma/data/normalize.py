"""Transcripts of a manifest or of a folder, normalised: `norm` beside `transcript`, `.norm.txt` beside texts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from melisma.core.errors import InputError
from melisma.core.files import make_folder, write_atomically
from melisma.data import manifest, places, recordings
from melisma.data.folder import files
from melisma.data.manifest import Utterance
from melisma.data.report import Problem
from melisma.data.transcripts import bytes_of
from melisma.scale.again import here
from melisma.scale.local import LocalExecutor
from melisma.scale.protocol import Executor, Progress, Task
from melisma.text import language as languages
from melisma.text import numbers
from melisma.text.encoding import decode
from melisma.text.transcripts import Rules, names, normalise

_ORDER = (".txt", ".lrc", ".srt", ".vtt")  # in which they are taken, as in `transcripts.SUFFIXES`
SUFFIXES = frozenset(_ORDER)
MADE = ".norm.txt"
_BATCH = 500  # transcripts a task
_FEW = 4  # starting a process for fewer tasks takes longer than the work
_SAMPLES = 3  # before and after, of each rule
_LONGEST = 200  # characters of a sample


@dataclass(frozen=True, slots=True)
class Normalise:
    """Stage: texts with their languages → normalised texts, counts by rule, and samples of what each rule did."""

    rules: Rules
    out: str = ""

    @property
    def name(self) -> str:
        """Of the stage."""
        return "normalize"

    def configuration(self) -> str:
        """Return what decides the outcome."""
        return repr((1, self.rules, self.out))

    def __call__(self, item: list[tuple[str, str]]) -> dict[str, Any]:
        """Normalise a batch: pairs of text and language code."""
        texts: list[str] = []
        counts: Counter[str] = Counter()
        samples: dict[str, list[list[str]]] = {}
        for text, code in item:
            found = normalise(text, code, self.rules)
            texts.append(found.text)
            for name, (before, after) in found.steps.items():
                counts[name] += 1
                kept = samples.setdefault(name, [])
                if len(kept) < _SAMPLES:
                    kept.append(_excerpt(before, after))
        return {"texts": texts, "counts": dict(counts), "samples": samples}


def _excerpt(before: str, after: str) -> list[str]:
    """Return the rows around the first difference, not too long."""
    same = next(
        (i for i, (a, b) in enumerate(zip(before, after, strict=False)) if a != b), min(len(before), len(after))
    )
    begin = max(0, same - _LONGEST // 4)
    return [before[begin : begin + _LONGEST], after[begin : begin + _LONGEST]]


@dataclass(slots=True)
class Made:
    """What a run has done so far; complete when its texts are used up."""

    n_texts: int = 0  # that held anything
    n_empty_before: int = 0
    n_clean: int = 0  # that hold something still
    n_changed: int = 0
    n_with_figures: int = 0
    by_rule: Counter[str] = field(default_factory=Counter)
    samples: dict[str, list[list[str]]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    @property
    def share_clean(self) -> float:
        """Share of the texts that hold something still; 1 where there were none."""
        return self.n_clean / self.n_texts if self.n_texts else 1.0

    def add(self, value: dict[str, Any]) -> None:
        """Add what a batch says of itself."""
        self.by_rule.update(value["counts"])
        for name, found in value["samples"].items():
            kept = self.samples.setdefault(name, [])
            kept += found[: _SAMPLES - len(kept)]

    def count(self, item: str, before: str, after: str) -> None:
        """Count one text."""
        if not before.strip():
            self.n_empty_before += 1
            return
        self.n_texts += 1
        self.n_clean += bool(after)
        self.n_changed += before != after
        self.n_with_figures += any(char.isdigit() for char in after)
        if not after:
            self.problems.append(Problem(item, "empty", f"nothing is left of {before.strip()[:60]!r}"))

    def details(self) -> dict[str, Any]:
        """Return what each rule has changed, and samples, as plain values."""
        known = [name for name in names() if name in self.by_rule]
        samples = {name: [{"before": a, "after": b} for a, b in self.samples[name]] for name in known}
        return {"changed_by_rule": {name: self.by_rule[name] for name in known}, "samples": samples}


@dataclass(frozen=True, slots=True)
class Asked:
    """How a manifest or folder is normalised: the rules, the language of what does not say its own, and who does it."""

    rules: Rules = field(default_factory=Rules)
    language: str = ""
    executor: Executor | None = None

    def __post_init__(self) -> None:
        if self.language:
            object.__setattr__(self, "language", languages.normalise(self.language))

    def of(self, code: str) -> str:
        """Return the language of an utterance."""
        return self.language if self.language and code in ("", "und") else code


def of_manifest(
    path: Path, out: Path, asked: Asked, *, texts: Path | None = None, progress: Progress | None = None
) -> Made:
    """Write a manifest again, each utterance with its `norm`.

    Parameters
    ----------
    path, out : Path
        The manifest, and the one to write.
    asked : Asked
        How.
    texts : Path, optional
        Folder that gets `<id>.norm.txt` as well.
    progress : callable, optional
        Told of the share that is done.

    Raises
    ------
    ManifestError
        If the manifest cannot be read.
    MissingDependency
        If numbers are to be said in a language for which num2words is needed and not there.
    """
    places.check([path], out)
    n_lines, spoken = 0, set()
    for utterance in manifest.read(path):
        n_lines += 1
        spoken.add(asked.of(utterance.language))
    _check_numbers(asked, spoken)
    made = Made()
    stage = Normalise(asked.rules)
    tasks = _Batches(path, asked, n_lines)
    executor = here(asked.executor) if len(tasks) < _FEW else asked.executor or LocalExecutor()

    def written() -> Iterator[Utterance]:
        outcomes = executor.run(stage, tasks, progress=progress)
        for batch, outcome in zip(_batches(path), outcomes, strict=True):
            if outcome.error is not None:
                raise InputError(outcome.error)
            made.add(outcome.value)
            for utterance, text in zip(batch, outcome.value["texts"], strict=True):
                made.count(utterance.id, utterance.transcript, text)
                if texts is not None:
                    _write_text(texts / recordings.file_name(utterance.id, MADE), text)
                yield utterance.changed(norm=text)

    manifest.write(out, written())
    return made


@dataclass(frozen=True, slots=True)
class _Batches:
    """The transcripts of a manifest as tasks, made as they are asked for."""

    path: Path
    asked: Asked
    n_lines: int

    def __len__(self) -> int:
        return -(-self.n_lines // _BATCH)

    def __iter__(self) -> Iterator[Task]:
        for number, batch in enumerate(_batches(self.path)):
            yield Task(str(number), [(each.transcript, self.asked.of(each.language)) for each in batch])


def _batches(path: Path) -> Iterator[list[Utterance]]:
    utterances = manifest.read(path)
    while batch := list(islice(utterances, _BATCH)):
        yield batch


def _check_numbers(asked: Asked, spoken: set[str]) -> None:
    if asked.rules.numbers:
        for code in sorted(spoken):
            numbers.check(code)


def of_folder(folder: Path, out: Path, asked: Asked, *, progress: Progress | None = None) -> Made:
    """Write `<name>.norm.txt` for every text of a folder, beside it or at the same place below `out`.

    The language of a text that does not say it is the one it is most likely written in. A text whose encoding cannot be
    told is a problem, and not read. Of several files of one name the plain text is taken, else the first of lrc, srt
    and vtt, as the inventory does; the others are told.

    Raises
    ------
    InputError
        If there is no text in the folder.
    """
    paths = sorted(p for p in files(folder) if p.suffix.lower() in SUFFIXES and not p.name.endswith(MADE))
    if not paths:
        raise InputError(f"there is no text in {folder} ({', '.join(sorted(SUFFIXES))})")
    made = Made()
    paths = list(_one_a_name(folder, paths, made))
    stage = Normalise(asked.rules)
    read: list[tuple[Path, str, str]] = []
    for path in paths:
        try:
            text = decode(bytes_of(path), str(path))
        except InputError as error:
            made.problems.append(Problem(path.relative_to(folder).as_posix(), "unreadable", str(error)))
            made.n_texts += 1
            continue
        read.append((path, text, asked.language or languages.detect(text).code))
    _check_numbers(asked, {code for _, _, code in read})
    tasks = [Task(str(path), [(text, code)]) for path, text, code in read]
    executor = here(asked.executor) if len(tasks) < _FEW * _BATCH else asked.executor or LocalExecutor()
    outcomes = executor.run(stage, tasks, progress=progress)
    for (path, text, _), outcome in zip(read, outcomes, strict=True):
        if outcome.error is not None:
            raise InputError(outcome.error)
        made.add(outcome.value)
        (normalised,) = outcome.value["texts"]
        name = path.relative_to(folder)
        made.count(name.as_posix(), text, normalised)
        _write_text(out / name.with_name(path.stem + MADE), normalised)
    return made


def _one_a_name(folder: Path, paths: list[Path], made: Made) -> Iterator[Path]:
    """Yield the files whose `.norm.txt` no other file of their name would write over."""
    chosen: dict[Path, Path] = {}
    for path in sorted(paths, key=lambda each: _ORDER.index(each.suffix.lower())):
        chosen.setdefault(path.with_suffix(""), path)
    for path in paths:
        first = chosen[path.with_suffix("")]
        if path is first:
            yield path
        else:
            said = f"{first.name} is the text of that name: this one is passed over"
            made.problems.append(Problem(path.relative_to(folder).as_posix(), "beside", said))


def _write_text(path: Path, text: str) -> None:
    make_folder(path.parent)
    write_atomically(path, (text + "\n" if text else "").encode("utf-8"))
