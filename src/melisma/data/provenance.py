"""Where a recording comes from, as files beside it say: `NAME.info.json` of yt-dlp, `NAME.source.json`, tables."""

from __future__ import annotations

import csv
import io
import json
import stat
from collections.abc import Container, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from melisma.core.errors import InputError
from melisma.core.licences import label
from melisma.text.encoding import decode

# What is kept of what is said, under which names other programs say it, the surest first.
FIELDS: dict[str, tuple[str, ...]] = {
    "id": ("id",),
    "title": ("title", "track", "fulltitle"),
    "artist": ("artist", "creator", "uploader", "channel"),
    "speaker_id": ("speaker_id", "speaker", "client_id", "reader"),
    "license": ("license", "licence", "rights"),
    "source": ("source", "corpus", "dataset"),
    "source_url": ("source_url", "webpage_url", "original_url", "url"),
    "date": ("date", "upload_date", "release_date"),
    "language": ("language", "lang", "locale"),
    "dialect": ("dialect", "accent", "accents"),
    "genre": ("genre",),
    "transcript": ("transcript", "transcription", "sentence", "normalized_text"),
}
SIDECARS = (".source.json", ".info.json", ".meta.json", ".json")
TABLES = ("metadata.csv", "metadata.tsv", "metadata.jsonl", "manifest.jsonl")
_FILE_COLUMNS = ("original_filename", "filename", "file_name", "file", "path", "audio", "wav", "id")
_LONGEST = 20_000  # characters of a field; a transcript of 15 minutes has that many
_LARGEST = 64_000_000  # bytes of a sidecar: yt-dlp's can hold comments
_TABLE_BYTES = 1_000_000_000

Facts = dict[str, str]


def of(stem: str, folder: Path, names: Container[str], row: Mapping[str, str]) -> tuple[Facts, list[str]]:
    """Collect what is said of a recording.

    Parameters
    ----------
    stem : str
        Name of the file without its suffix.
    folder : Path
        Where it lies.
    names : container of str
        The files of that folder.
    row : mapping
        What a table says, as `Table.row` gives it.

    Returns
    -------
    dict, list of str
        Fields of `FIELDS` that somebody names; a sidecar counts for more than a table. And a sentence for each sidecar
        that cannot be read.
    """
    found: Facts = {}
    faults = []
    for suffix in SIDECARS:
        if f"{stem}{suffix}" in names:
            try:
                said = _sidecar(folder / f"{stem}{suffix}")
            except InputError as error:
                faults.append(str(error))
                continue
            for name, value in said.items():
                found.setdefault(name, value)
    for name, value in row.items():
        found.setdefault(name, value)
    found.setdefault("source", found.get("source_url", ""))
    if not found["source"]:
        del found["source"]
    return found, faults


def _sidecar(path: Path) -> Facts:
    try:
        _check_file(path, _LARGEST)
        said = json.loads(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is no JSON") from error
    if not isinstance(said, dict):
        return {}
    if isinstance(said.get("site_says"), dict):  # of `melisma data fetch`
        said = {**said["site_says"], **{name: value for name, value in said.items() if value}}
    plain = path.suffixes[-2:] not in ([".info", ".json"], [".source", ".json"])
    # A transcript of its own has a text; what a site calls so is none.
    return {name: value for name, value in facts(said).items() if name != "transcript" and (name != "id" or not plain)}


def _check_file(path: Path, most: int) -> None:
    """Refuse what is too large to be read, and a pipe, which might have no end."""
    about = path.stat()
    if not stat.S_ISREG(about.st_mode):
        raise InputError(f"{path} is no file")
    if about.st_size > most:
        raise InputError(f"{path} is larger than {most // 1_000_000} MB")


def facts(said: Mapping[str, Any]) -> Facts:
    """Pick what we keep of a record that another program wrote.

    >>> facts({"webpage_url": "https://x.org/1", "url": "javascript:1", "uploader": "Ana", "license": "CC BY 4.0"})
    {'artist': 'Ana', 'license': 'CC-BY-4.0', 'source_url': 'https://x.org/1'}
    """
    folded = {str(key).strip().casefold(): value for key, value in said.items()}
    found: Facts = {}
    for name, keys in FIELDS.items():
        for key in keys:
            value = _text(folded.get(key))
            if name == "source_url" and not _is_address(value):
                value = ""
            if value:
                found[name] = label(value) if name == "license" else value
                break
    return found


def _text(value: object) -> str:
    """Spell a value on one line, without what a terminal or a spreadsheet might obey."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return ""
    text = "".join(char if char.isprintable() else " " for char in str(value)[:_LONGEST])
    return " ".join(text.split())


def _is_address(value: str) -> bool:
    try:
        parts = urlsplit(value)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.netloc)


class Table:
    """A table of recordings in a folder: CSV or TSV with a header, or JSON lines; rows by the file they name."""

    def __init__(self, path: Path) -> None:
        """Read it.

        Raises
        ------
        InputError
            If it cannot be read, or no column names a file.
        """
        self._rows: dict[str, Facts] = {}
        self._folder = path.parent
        for row in _rows(path):
            said = facts(row)
            folded = {str(key).strip().casefold(): value for key, value in row.items()}
            for column in _FILE_COLUMNS:
                if name := _text(folded.get(column)):
                    self._rows.setdefault(PurePosixPath(name.replace("\\", "/")).as_posix(), said)
                    break

    def __len__(self) -> int:
        return len(self._rows)

    def row(self, path: Path) -> Facts:
        """Return what is said of a recording, by its path from the table's folder, its name, or that without suffix."""
        try:
            relative = path.relative_to(self._folder)
        except ValueError:
            return {}
        for name in (relative.as_posix(), relative.with_suffix("").as_posix(), path.name, path.stem):
            if name in self._rows:
                return self._rows[name]
        return {}


def _rows(path: Path) -> Iterator[Mapping[str, Any]]:
    try:
        _check_file(path, _TABLE_BYTES)
        with path.open("rb") as file:
            if path.suffix == ".jsonl":
                yield from _json_rows(path, file.read().splitlines())
                return
            text = decode(file.read(), str(path)) if path.stat().st_size < 4_000_000 else str(file.read(), "utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {error}") from error
    head = text.partition("\n")[0]
    delimiter = max("\t,;", key=head.count) if path.suffix == ".csv" else "\t"
    try:
        yield from csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)
    except csv.Error as error:
        raise InputError(f"{path} is no table: {error}") from error


def _json_rows(path: Path, lines: list[bytes]) -> Iterator[Mapping[str, Any]]:
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                said = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise InputError(f"{path}, line {number}: no JSON") from error
            if isinstance(said, dict):
                yield said
