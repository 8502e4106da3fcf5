"""Manifests: JSONL in UTF-8, one utterance a line, read one at a time."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, BinaryIO, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from melisma.core.errors import ManifestError, OutputError
from melisma.data.lines import hold, partial_of

LONGEST_S = 1e7  # seconds, 115 days; more is a mistake that sums and 32-bit columns would carry on
Seconds = Annotated[float, Field(ge=0, le=LONGEST_S, allow_inf_nan=False)]

MAX_LINE = 1 << 24  # bytes; an hour's words with their times take a sixteenth of it

LONGEST_ID = 1000  # characters

_BOM = b"\xef\xbb\xbf"
# What a manifest is taken for by its first bytes, where it is none.
_STRANGE = (
    (b"\x1f\x8b", "is compressed: unpack it with gunzip"),
    (b"\xff\xfe", "is in UTF-16: write it in UTF-8"),
    (b"\xfe\xff", "is in UTF-16: write it in UTF-8"),
    (b"PK\x03\x04", "is a ZIP archive: unpack it"),
    *(
        (magic, "is a recording, and no manifest, a file of JSON lines; several lie in a folder")
        for magic in (b"RIFF", b"ID3", b"fLaC", b"OggS", b"\xff\xfb", b"\xff\xf3")
    ),
)


class TimedWord(BaseModel):
    """A word and when it is said, in seconds from the beginning of its utterance."""

    model_config = ConfigDict(frozen=True)

    text: str
    start: Seconds
    end: Seconds


class Utterance(BaseModel):
    """Audio with its text: one line of a manifest. Fields that are not named here are kept as they are.

    Parameters
    ----------
    id : str
        Names it within the manifest. A number is read as its digits, here as in every text field.
    audio : str
        The file; relative paths start at the manifest's folder.
    start, duration : float
        Which part of the file, in seconds.
    transcript : str
        As it was given; empty where nobody wrote it down.
    language : str
        BCP 47, "und" where it is not known.
    speaker_id, license, source : str
        Who, under which licence (SPDX), from which corpus or address; empty where it is not known.
    recording_id : str
        What was recorded at once: cuts of one recording share it. Empty where it is not known; `audio` stands for it.
    words : list of TimedWord, optional
        When each word is said, where that is known.
    derived_from : list of str
        Sources that it was made of (augmented, mixed), beside `source`.
    """

    model_config = ConfigDict(extra="allow", frozen=True, coerce_numbers_to_str=True)

    id: Annotated[str, Field(min_length=1, max_length=LONGEST_ID, pattern=r"^[^\x00]+$")]
    audio: Annotated[str, Field(min_length=1, max_length=4096, pattern=r"^[^\x00]+$")]
    start: Seconds = 0.0
    duration: Annotated[float, Field(gt=0, le=LONGEST_S, allow_inf_nan=False)]
    transcript: str = ""
    language: str = "und"
    speaker_id: str = ""
    license: str = ""
    source: str = ""
    recording_id: str = ""
    words: list[TimedWord] | None = None
    derived_from: list[str] = []

    @model_validator(mode="after")
    def _writable(self) -> Self:
        for word in self.words or ():
            if word.end < word.start:
                raise ValueError(f"the word {word.text!r} ends at {word.end} s, before it starts ({word.start} s)")
        for name, value in (self.__pydantic_extra__ or {}).items():
            _check_plain(name, value)
        return self

    def changed(self, **fields: Any) -> Utterance:
        """Return it with other fields, checked."""
        return Utterance.model_validate(self.model_dump() | fields)

    def line(self) -> str:
        """Return its line, without the newline; what says nothing is left out."""
        return self.model_dump_json(exclude_defaults=True)


def _check_plain(name: str, value: object) -> None:
    """Refuse what JSON cannot hold: not-a-number, infinity, half a character, objects of Python's."""
    if value is None or isinstance(value, (bool, int)):
        return
    if isinstance(value, str):
        if not value.isascii() and any("\ud800" <= letter <= "\udfff" for letter in value):
            raise ValueError(f"{name}: holds half a character, which UTF-8 cannot say")
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{name}: is no finite number")
    elif isinstance(value, (list, tuple)):
        for each in value:
            _check_plain(name, each)
    elif isinstance(value, dict):
        for key, each in value.items():
            _check_plain(name, str(key))
            _check_plain(name, each)
    else:
        raise ValueError(f"{name}: a {type(value).__name__} is no JSON")


class Line(NamedTuple):
    """Where a line of a manifest lies: its number from 1, its first byte, and its bytes without the newline."""

    number: int
    offset: int
    data: bytes


def lines(path: Path) -> Iterator[Line]:
    """Yield the lines of a manifest that hold something, without a byte order mark, one in memory at a time.

    Raises
    ------
    ManifestError
        If it cannot be read, is compressed or in UTF-16, or a line is longer than `MAX_LINE`.
    """
    try:
        with path.open("rb") as file:
            yield from _lines(file, path)
    except IsADirectoryError as error:
        beside = f", such as {path / 'manifest.jsonl'}" if (path / "manifest.jsonl").is_file() else ""
        raise ManifestError(path, None, f"is a folder, and no manifest, a file of JSON lines{beside}") from error
    except OSError as error:
        raise ManifestError(path, None, f"cannot be read: {error.strerror or error}") from error


def _lines(file: BinaryIO, path: Path) -> Iterator[Line]:
    head = file.read(4)
    for magic, why in _STRANGE:
        if head.startswith(magic):
            raise ManifestError(path, None, why)
    at = len(_BOM) if head.startswith(_BOM) else 0
    file.seek(at)
    number = 0
    while data := file.readline(MAX_LINE + 1):
        number += 1
        if len(data) > MAX_LINE:
            raise ManifestError(path, number, f"is longer than {MAX_LINE >> 20} MiB, which no utterance is")
        if stripped := data.strip():
            yield Line(number, at + data.index(stripped), stripped)
        at += len(data)


def parse(line: str | bytes, path: Path | str, number: int | None) -> Utterance:
    """Read one line. Known fields that are null are taken for absent.

    Raises
    ------
    ManifestError
        If it is no JSON object or a field is wrong; it names the file, the line and the first such field.
    """
    try:
        return Utterance.model_validate_json(line)
    except ValidationError as error:
        if any(each["input"] is None for each in error.errors(include_url=False)):
            return _without_nulls(line, path, number)
        raise ManifestError(path, number, fault(error)) from error


def _without_nulls(line: str | bytes, path: Path | str, number: int | None) -> Utterance:
    known = Utterance.model_fields
    try:
        said = json.loads(line)
    except ValueError as error:  # a number of more digits than Python reads; the rest pydantic has read already
        raise ManifestError(path, number, str(error)) from error
    return build({k: v for k, v in said.items() if v is not None or k not in known}, path, number)


def build(fields: Mapping[str, Any], path: Path | str, number: int | None = None) -> Utterance:
    """Make an utterance of what another program's file says, with an error that names file, line and field.

    Raises
    ------
    ManifestError
        If a field is wrong or missing.
    """
    try:
        return Utterance.model_validate(dict(fields))
    except ValidationError as error:
        raise ManifestError(path, number, fault(error)) from error


def fault(error: ValidationError) -> str:
    """Say in a clause what pydantic found first: the field, and what is wrong with it."""
    first = error.errors(include_url=False)[0]
    where = "".join(f"{part}: " for part in first["loc"])
    what = first["msg"].removeprefix("Value error, ").replace(" at line 1 column ", " at column ")
    return f"{where}{what}"


def read(path: Path) -> Iterator[Utterance]:
    """Yield the utterances of a manifest; empty lines are passed over.

    Raises
    ------
    ManifestError
        If it cannot be read, or a line is wrong.
    """
    for line in lines(path):
        yield parse(line.data, path, line.number)


def refuse_empty(path: Path) -> None:
    """Refuse, before anything is written, a file in which no line is an utterance; it is read up to the first.

    Raises
    ------
    ManifestError
        If it cannot be read, or no line of it is one.
    """
    if path.exists() and not path.is_file() and not path.is_dir():
        return  # a pipe can be read once
    first: ManifestError | None = None
    for line in lines(path):
        try:
            parse(line.data, path, line.number)
            return
        except ManifestError as error:
            first = first or error
    raise first or ManifestError(path, None, "holds no utterance")


def write(path: Path, utterances: Iterable[Utterance]) -> int:
    """Write a manifest, whole or not at all, as the utterances come; return how many.

    A symbolic link stays one, its target is replaced.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    return write_lines(path, (utterance.line().encode("utf-8") for utterance in utterances))


def write_lines(path: Path, written: Iterable[bytes]) -> int:
    """Write lines that are known to be utterances, as `write` does."""
    count = 0
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        target = Path(os.path.realpath(path))
        partial = partial_of(target)
        try:
            with partial.open("xb") as file:
                hold(file)
                for line in written:
                    file.write(line + b"\n")
                    count += 1
            os.replace(partial, target)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from error
    return count


def audio_path(manifest: Path, utterance: Utterance) -> Path:
    """Return where the audio of an utterance lies."""
    return manifest.parent / utterance.audio


def rebased(utterance: Utterance, source: Path, target: Path) -> Utterance:
    """Return an utterance of one manifest as another manifest has to say it: its audio seen from that folder.

    Parameters
    ----------
    utterance : Utterance
        A line of `source`.
    source, target : Path
        The manifests; the second need not be there yet.
    """
    return by_way(utterance, way_between(source.parent, target.parent))


def by_way(utterance: Utterance, way: str) -> Utterance:
    """Return an utterance with its audio seen from another folder, as `way_between` says it; for many of them."""
    if way == "." or os.path.isabs(utterance.audio):
        return utterance
    return utterance.model_copy(update={"audio": os.path.normpath(os.path.join(way, utterance.audio))})


def id_of(name: str) -> str:
    """Return the id of a recording that is called by its path: the path, or as much of it as an id may have.

    >>> id_of("hr/one"), len(id_of("x/" * 2000))
    ('hr/one', 1000)
    """
    if len(name) <= LONGEST_ID:
        return name
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{name[: LONGEST_ID - 9]}-{digest}"


def way_between(source: Path, target: Path) -> str:
    """Return how the folder `source` is called from within `target`, symbolic links followed; "." if it is the same."""
    return os.path.relpath(os.path.realpath(source), os.path.realpath(target))


def portable(audio: Path, folder: Path) -> str:
    """Return how a manifest in `folder` should name a recording: relative, so that both can be moved together.

    What shares no folder with it but the root is named by its whole path.
    """
    here, there = os.path.realpath(folder), os.path.join(os.path.realpath(audio.parent), audio.name)
    common = os.path.commonpath([here, there])
    return there if common == os.path.sep else os.path.relpath(there, here)
