"""The file of an index: a line of JSON, columns of numbers, and lists of names; whole or not there."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import sys
import unicodedata
import zlib
from array import array
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
import platformdirs
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from melisma.core.errors import ManifestError, OutputError
from melisma.data import manifest

# Name to NumPy's type; `array` has the same codes for them.
COLUMNS = {
    "offset": "<u8",
    "length": "<u4",
    "line": "<u4",
    "duration": "<f8",
    "start": "<f8",
    "n_characters": "<u4",
    "id": "<u8",
    "audio": "<u8",
    "recording": "<u8",
    "file": "<u8",
    "clip_of": "<u8",
    "said": "<u8",
}
CATEGORIES = ("language", "speaker_id", "license", "source")
_CODES = "<i4"
_IN_ARRAY = {"<u8": "Q", "<u4": "I", "<f8": "d", "<i4": "i"}

_SAMPLE = 1 << 16  # bytes of the manifest looked at, at its beginning, its end, and in seven places between
_TOLD = 20_000  # lines from one word of progress to the next

Progress = Callable[[str, float], None]


class Stamp(BaseModel):
    """By what a manifest is known again without reading it whole."""

    model_config = ConfigDict(frozen=True)

    size: int
    mtime_ns: int
    sample: str  # SHA-256 of some of it


class Place(BaseModel):
    """Where a column or a list of names lies in the file, in bytes."""

    model_config = ConfigDict(frozen=True)

    offset: int = Field(ge=0)
    length: int = Field(ge=0)


class Header(BaseModel):
    """The first line of the file."""

    model_config = ConfigDict(frozen=True)

    schema_: Literal["melisma.index/1"] = Field("melisma.index/1", alias="schema")
    stamp: Stamp
    n: int = Field(ge=0)
    columns: dict[str, Place]
    names: dict[str, Place]
    size: int  # of the file, after the header
    crc32: int  # of it


_HEAD = 4096  # bytes that the header takes, padded with spaces


def stamp(path: Path) -> Stamp:
    """Return by what a manifest is known; errors as in `manifest.read`."""
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            digest = hashlib.sha256()
            step = max(1, (status.st_size - _SAMPLE) // 8)
            for at in sorted({min(k * step, max(0, status.st_size - _SAMPLE)) for k in range(9)}):
                file.seek(at)
                digest.update(file.read(_SAMPLE))
    except OSError as error:
        raise ManifestError(path, None, f"cannot be read: {error.strerror or error}") from error
    return Stamp(size=status.st_size, mtime_ns=status.st_mtime_ns, sample=digest.hexdigest())


def places(path: Path) -> tuple[Path, Path]:
    """Return where the index of a manifest may lie: beside it, or in the cache folder."""
    real = os.path.realpath(path)
    root = os.environ.get("MELISMA_CACHE_DIR") or platformdirs.user_cache_dir("melisma", appauthor=False)
    name = hashlib.sha256(os.fsencode(real)).hexdigest()[:24]
    return Path(real).with_name(f".{Path(real).name[:200]}.idx"), Path(root) / "manifests" / f"{name}.idx"


def load(place: Path) -> tuple[Header, dict[str, NDArray[Any]]] | None:
    """Map an index: its head, its columns, and its lists of names as the bytes of JSON under "names/…".

    None if there is none, or it is not as it was written. All is mapped from one opened file, so that an index which is
    replaced meanwhile is never half this one, half that.
    """
    try:
        with place.open("rb") as file:
            header = Header.model_validate_json(file.read(_HEAD))
            return (header, _mapped(file, header)) if _whole(file, header) else None
    except (OSError, ValidationError):
        return None


def _kinds() -> dict[str, str]:
    return {**COLUMNS, **dict.fromkeys(CATEGORIES, _CODES)}


def _whole(file: BinaryIO, header: Header) -> bool:
    kinds = _kinds()
    if header.columns.keys() != kinds.keys() or header.names.keys() != set(CATEGORIES):
        return False
    if any(header.columns[name].length != header.n * np.dtype(kind).itemsize for name, kind in kinds.items()):
        return False
    if any(span.offset + span.length > header.size for span in (*header.columns.values(), *header.names.values())):
        return False
    if os.fstat(file.fileno()).st_size != _HEAD + header.size:
        return False
    crc = 0
    file.seek(_HEAD)
    while block := file.read(1 << 20):
        crc = zlib.crc32(block, crc)
    return crc == header.crc32


def _mapped(file: BinaryIO, header: Header) -> dict[str, NDArray[Any]]:
    kinds = _kinds() if header.n else {}
    found: dict[str, NDArray[Any]] = {
        name: np.memmap(file, kind, "r", _HEAD + header.columns[name].offset, (header.n,))
        for name, kind in kinds.items()
    }
    found |= {name: np.zeros(0, kind) for name, kind in _kinds().items() if name not in found}
    for name, span in header.names.items():
        found[f"names/{name}"] = np.memmap(file, "u1", "r", _HEAD + span.offset, (span.length,))
    return found


class _Table:
    """The columns as they grow."""

    def __init__(self, folder: Path) -> None:
        self.folder = os.path.realpath(folder)
        self.numbers: dict[str, array[Any]] = {name: array(_IN_ARRAY[kind]) for name, kind in COLUMNS.items()}
        self.codes: dict[str, array[Any]] = {name: array(_IN_ARRAY[_CODES]) for name in CATEGORIES}
        self.known: dict[str, dict[str, int]] = {name: {} for name in CATEGORIES}

    def add(self, line: manifest.Line, utterance: manifest.Utterance) -> None:
        columns = self.numbers
        columns["offset"].append(line.offset)
        columns["length"].append(len(line.data))
        columns["line"].append(line.number)
        columns["duration"].append(utterance.duration)
        columns["start"].append(utterance.start)
        columns["n_characters"].append(len(utterance.transcript))
        columns["id"].append(key(utterance.id))
        columns["audio"].append(key(seen_from(self.folder, utterance.audio)))
        columns["recording"].append(_named(utterance.recording_id))
        more = utterance.__pydantic_extra__ or {}
        columns["file"].append(_named(more.get("sha256")))
        columns["clip_of"].append(_named(more.get("clip_of") or more.get("copy_of")))
        columns["said"].append(_named(said(utterance.transcript)))
        for name in CATEGORIES:
            known = self.known[name]
            self.codes[name].append(known.setdefault(getattr(utterance, name), len(known)))

    def parts(self) -> Iterator[tuple[str, bytes | array[Any]]]:
        """Yield what the file holds: columns by name, then lists of names as "names/…"."""
        for name, numbers in (*self.numbers.items(), *self.codes.items()):
            if sys.byteorder == "big":
                numbers.byteswap()
            yield name, numbers
        for name, known in self.known.items():
            yield f"names/{name}", json.dumps(list(known), ensure_ascii=False).encode("utf-8")


def key(text: str) -> int:
    """Return the 64 bits by which columns know a text: of its UTF-8 by BLAKE2b, the same on every machine."""
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8"), digest_size=8).digest(), "little")


def _named(value: object) -> int:
    return key(value) if isinstance(value, str) and value else 0


def seen_from(folder: str, audio: str) -> str:
    """Return the path of a recording as seen from a folder (its real path), without detours."""
    return os.path.relpath(audio, folder) if os.path.isabs(audio) else os.path.normpath(audio)


class _Spoken(dict[int, str]):
    """What becomes of a character where only what is said matters: marks and spaces are a space."""

    def __missing__(self, code: int) -> str:
        letter = chr(code)
        self[code] = " " if unicodedata.category(letter)[0] in "PSZC" else letter
        return self[code]


_SPOKEN = _Spoken()


def said(text: str) -> str:
    """Return a text without case, punctuation, symbols and spaces more than one, to find who says the same.

    >>> said("“Don’t  go”, he said…") == said("don't go he said")
    True
    """
    return " ".join(unicodedata.normalize("NFKC", text).casefold().translate(_SPOKEN).split())


def make(path: Path, seen: Stamp, progress: Progress | None) -> Path:
    """Read a manifest and write its index; return where it is.

    Raises
    ------
    ManifestError
        If a line is wrong, or the manifest changes meanwhile.
    OutputError
        If no place can be written.
    """
    table = _Table(path.parent)
    n = 0
    for line in manifest.lines(path):
        table.add(line, manifest.parse(line.data, path, line.number))
        n += 1
        if progress is not None and n % _TOLD == 0:
            progress("index", line.offset / max(1, seen.size))
    if stamp(path) != seen:
        raise ManifestError(path, None, "changes while it is read: try again when it is written")
    refused: OSError | None = None
    for place in places(path):
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            _write(place, table, seen, n)
            return place
        except OSError as error:
            refused = error
    raise OutputError(f"cannot keep the index of {path}: {refused and refused.strerror}")


def _write(place: Path, table: _Table, seen: Stamp, n: int) -> None:
    partial = place.with_name(f".{place.name[:100]}.{secrets.token_hex(4)}")
    try:
        with partial.open("xb") as file:
            _fill(file, table, seen, n)
        os.replace(partial, place)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def _fill(file: BinaryIO, table: _Table, seen: Stamp, n: int) -> None:
    file.write(b" " * _HEAD)
    spans: dict[str, Place] = {}
    at = crc = 0
    for name, part in table.parts():
        data = memoryview(part).cast("B") if len(part) else memoryview(b"")
        padding = b" " * (-len(data) % 8)  # every column starts where its numbers can be read as they lie
        file.write(data)
        file.write(padding)
        crc = zlib.crc32(padding, zlib.crc32(data, crc))
        spans[name] = Place(offset=at, length=len(data))
        at += len(data) + len(padding)
    header = Header(
        schema="melisma.index/1",
        stamp=seen,
        n=n,
        columns={name: span for name, span in spans.items() if not name.startswith("names/")},
        names={name.removeprefix("names/"): span for name, span in spans.items() if name.startswith("names/")},
        size=at,
        crc32=crc,
    )
    file.seek(0)
    file.write(header.model_dump_json(by_alias=True).encode("ascii").ljust(_HEAD))
