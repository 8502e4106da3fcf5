"""A folder of recordings, row by row: what each file is, what it says and where it comes from."""

from __future__ import annotations

import csv
import io
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path, PurePosixPath
from typing import Any

from melisma.audio.probe import open_source
from melisma.audio.stream import open_stream
from melisma.core.errors import AudioError, InputError
from melisma.core.files import sha256_of
from melisma.data import moves, provenance, spoken, transcripts
from melisma.data.folder import SUFFIXES
from melisma.data.manifest import Utterance, id_of, portable
from melisma.data.provenance import Facts, Table
from melisma.data.report import Problem
from melisma.scale.protocol import Outcome, Task

_VERSION = "1"  # changes where the same file gets another row
_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet takes for one, after OWASP's "CSV Injection"
_LINK = "a link to a folder, which is not followed: name that folder itself"
_KEPT = ("title", "artist", "speaker_id", "license", "source", "source_url", "date", "dialect", "genre")


@dataclass(frozen=True, slots=True)
class Row:
    """A recording, as a row of the inventory; fields that nobody knows are empty.

    `filename` is below the folder, with slashes; `duplicate_of` the first file with the same bytes.
    """

    filename: str
    size_bytes: int = 0
    duration_s: float | None = None
    sample_rate: int | None = None
    channels: int | None = None
    container: str = ""
    has_transcript: bool = False
    transcript_file: str = ""
    n_characters: int = 0
    language: str = "und"
    language_from: str = ""
    language_confidence: float = 0.0
    sha256: str = ""
    duplicate: bool = False
    duplicate_of: str = ""
    id: str = ""
    title: str = ""
    artist: str = ""
    speaker_id: str = ""
    license: str = ""
    source: str = ""
    source_url: str = ""
    date: str = ""
    dialect: str = ""
    genre: str = ""
    error: str = ""


COLUMNS = tuple(each.name for each in fields(Row))


@dataclass(frozen=True, slots=True)
class Examine:
    """A stage: a file and what lies beside it → the facts of its row."""

    name: str = "inventory"

    def configuration(self) -> str:
        """Return what decides the outcome."""
        return _VERSION

    def __call__(self, item: dict[str, Any]) -> dict[str, Any]:
        """Look at one file; what is wrong with its sound or its text is part of the answer."""
        path, beside = Path(item["path"]), frozenset(item["beside"])
        found, faults = provenance.of(path.stem, path.parent, beside, item["row"])
        text, text_file, words = _text(path, beside, found, faults)
        guess = spoken.guess(found.get("language", ""), PurePosixPath(item["name"]), text)
        if guess.other:
            faults.append(f"its {guess.by} says {guess.code}, its text looks like {guess.other}")
        facts: dict[str, Any] = {"size_bytes": path.stat().st_size, "sha256": _hash(path), "faults": faults}
        try:
            facts |= _sound(path)
        except AudioError as error:
            facts["error"] = str(error)
        facts |= {"text": text, "words": words, "transcript_file": text_file, "id": found.get("id", "")}
        facts |= {"language": guess.code, "language_from": guess.by, "language_confidence": guess.confidence}
        return facts | {name: found.get(name, "") for name in _KEPT}


def _text(path: Path, beside: frozenset[str], found: Facts, faults: list[str]) -> tuple[str, str, Any]:
    """Return the transcript, the file that it is from, and its words with times."""
    name = transcripts.file_of(path.stem, beside)
    if name is not None:
        try:
            read = transcripts.read(path.with_name(name))
        except InputError as error:
            faults.append(str(error))
            read = None
        if read is not None:
            return read.text, name, read.words
    return found.get("transcript", ""), "", None


def _hash(path: Path) -> str:
    if not path.is_file():  # a pipe has no end: what it is, is said where its sound is looked at
        return ""
    return sha256_of(path)


def _sound(path: Path) -> dict[str, Any]:
    with open_source(path) as source:
        info, stated = source.info, source.promised_s
    if stated is None:  # the header does not say, or estimates: it is decoded and counted
        with open_stream(path) as stream:
            stated = sum(len(block) for block in stream.blocks) / info.sample_rate
    facts = {"sample_rate": info.sample_rate, "channels": info.channels, "container": info.container}
    return {"duration_s": round(stated, 3), **facts}


@dataclass(frozen=True, slots=True)
class Folder:
    """The recordings below a folder, in the order of their names, as tasks.

    Hidden files and folders are passed over, and folders in which a command has set files aside (`duplicates`).

    Parameters
    ----------
    path : Path
    problems : list of Problem
        Tables that cannot be read, folders that cannot be listed or are links; known when it was walked through.
    """

    path: Path
    problems: list[Problem] = field(default_factory=list)

    def __len__(self) -> int:
        return sum(len(names) for _, names, _ in self._walk())

    def __iter__(self) -> Iterator[Task]:
        tables: dict[Path, list[Table]] = {}
        for here, names, beside in self._walk(self.problems):
            tables[here] = [*tables.get(here.parent, []), *self._tables(here, beside)]
            by_stem: dict[str, list[str]] = {}
            for name in beside:
                by_stem.setdefault(name.split(".")[0], []).append(name)
            for name in names:
                near = sorted(set(by_stem.get(name.split(".")[0], ())) - {name})
                yield self._task(here / name, near, tables[here])

    def _walk(self, told: list[Problem] | None = None) -> Iterator[tuple[Path, list[str], frozenset[str]]]:
        """Yield a folder, its recordings in order, and all its files; what cannot be walked through is told."""
        faults = [] if told is None else told

        def unlisted(error: OSError) -> None:
            said = f"it cannot be listed: {error.strerror or error}"
            faults.append(Problem(_shown(Path(error.filename or self.path), self.path), "folder", said))

        for base, folders, files in os.walk(self.path, onerror=unlisted):
            here = Path(base)
            folders[:] = sorted(
                name for name in folders if not name.startswith(".") and not moves.journals(here / name)
            )
            links = (here / name for name in folders if (here / name).is_symlink())
            faults += [Problem(_shown(each, self.path), "folder", _LINK) for each in links]
            seen = sorted(name for name in files if not name.startswith("."))
            yield here, [name for name in seen if Path(name).suffix.lower() in SUFFIXES], frozenset(seen)

    def _tables(self, here: Path, beside: frozenset[str]) -> Iterator[Table]:
        for name in provenance.TABLES:
            if name in beside:
                try:
                    yield Table(here / name)
                except InputError as error:
                    self.problems.append(Problem(_shown(here / name, self.path), "table", str(error)))

    def _task(self, path: Path, near: list[str], tables: list[Table]) -> Task:
        name = path.relative_to(self.path).as_posix()
        row: Facts = {}
        for table in tables:  # of folders within folders, the innermost knows best
            row |= table.row(path)
        seen = []
        for each in (path.name, *near):
            with suppress(OSError):
                about = (path.parent / each).stat()
                seen.append((each, about.st_size, about.st_mtime_ns))
        item = {"path": str(path), "name": name, "beside": near, "row": row}
        return Task(name, item, f"{seen} {sorted(row.items())}")


@dataclass(slots=True)
class Inventory:
    """What was found so far: `add` makes rows of outcomes, one after the other."""

    folder: Path
    counts: Counter[str] = field(default_factory=Counter)
    hours: dict[str, float] = field(default_factory=dict)  # by language
    licences: Counter[str] = field(default_factory=Counter)
    problems: list[Problem] = field(default_factory=list)
    _seen: dict[bytes, str] = field(default_factory=dict)

    def add(self, outcome: Outcome) -> tuple[Row, dict[str, Any]]:
        """Return the row of a file, and what else is known of it: its text, its words."""
        name = outcome.key
        facts: dict[str, Any] = outcome.value or {"error": outcome.error}
        self.counts["files"] += 1
        known = {each: facts[each] for each in COLUMNS if each in facts}
        text = facts.get("text", "")
        first = "" if facts.get("error") else self._first(facts.get("sha256", ""), name)
        row = Row(
            name,
            **known,
            has_transcript=bool(text),
            n_characters=len(text),
            duplicate=bool(first),
            duplicate_of=first,
        )
        self._count(row, facts)
        return row, facts

    def _first(self, sha256: str, name: str) -> str:
        """Return the file with the same bytes that came first; empty if this is the first."""
        if not sha256:
            return ""
        first = self._seen.setdefault(bytes.fromhex(sha256), name)
        return "" if first == name else first

    def _count(self, row: Row, facts: dict[str, Any]) -> None:
        self.problems += [Problem(row.filename, "beside", fault) for fault in facts.get("faults", ())]
        if row.error:
            self.counts["unreadable"] += 1
            self.problems.append(Problem(row.filename, "unreadable", row.error))
            return
        self.counts["with_transcript"] += row.has_transcript
        self.counts["duplicates"] += row.duplicate
        if not row.duplicate:
            self.hours[row.language] = self.hours.get(row.language, 0.0) + (row.duration_s or 0.0) / 3600
            self.licences[row.license or "(none named)"] += 1


def csv_line(row: Row) -> str:
    """Return a row as CSV, without the newline; no cell is a formula to a spreadsheet.

    >>> csv_line(Row("-1+1.mp3", title="=cmd()"))[:12], "'=cmd()" in csv_line(Row("a", title="=cmd()"))
    ('./-1+1.mp3,0', True)
    """
    values = asdict(row)
    for name in ("filename", "duplicate_of"):  # a name stays one that can be opened
        if values[name].startswith(_FORMULA):
            values[name] = f"./{values[name]}"
    return _csv([_cell(value) for value in values.values()])


def csv_head() -> str:
    """Return the names of the columns, without the newline."""
    return _csv(list(COLUMNS))


def _cell(value: object) -> str:
    if value is None or value is False:
        return "" if value is None else "no"
    if value is True:
        return "yes"
    text = str(value)
    return f"'{text}" if isinstance(value, str) and text.startswith(_FORMULA) else text


def _csv(cells: list[str]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="").writerow(cells)
    return out.getvalue()


def utterance(row: Row, facts: dict[str, Any], folder: Path, manifest: Path, taken: set[str]) -> Utterance | None:
    """Return the line of a recording in a manifest; None for what cannot be used.

    Parameters
    ----------
    row : Row
    facts : dict
        As `Inventory.add` returns them.
    folder, manifest : Path
        The folder of the inventory, and the manifest to be written.
    taken : set of str
        Ids that are used already; the new one is added.
    """
    if row.error or not row.duration_s or not _writable(row.filename):
        return None
    stem = PurePosixPath(row.filename).with_suffix("").as_posix()
    identifier = id_of(stem if stem not in taken else row.filename)
    taken.add(identifier)
    words = facts.get("words")
    if words and words[-1]["end"] > row.duration_s + 1.0:
        words = None  # of another version of the recording
    extras = {
        name: getattr(row, name) for name in ("title", "artist", "source_url", "date", "dialect", "genre", "sha256")
    }
    return Utterance(
        id=identifier,
        audio=portable(folder / row.filename, manifest.parent),
        duration=row.duration_s,
        transcript=facts.get("text", ""),
        language=row.language,
        speaker_id=row.speaker_id,
        license=row.license,
        source=row.source,
        recording_id=identifier,
        words=words,
        **{name: value for name, value in extras.items() if value},
    )


def _writable(name: str) -> bool:
    """Tell whether JSON in UTF-8 can hold a file's name."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _shown(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix()
