"""Any utterance of a manifest at once, and what filters and splits ask of all of them, without loading the manifest.

Beside `corpus.jsonl` lies `.corpus.jsonl.idx`: where each line begins, and columns of what is asked often. It is
mapped, not read, so that workers share it; 100 bytes a line, and each speaker, language, licence and source once.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from melisma.core.errors import InputError, ManifestError
from melisma.data import index_file, manifest
from melisma.data.index_file import CATEGORIES, COLUMNS, Header, Progress, key
from melisma.data.manifest import Utterance

__all__ = ["Category", "Index", "key"]

ColumnName = Literal[
    "offset",
    "length",
    "line",
    "duration",
    "start",
    "n_characters",
    "id",
    "audio",
    "recording",
    "file",
    "clip_of",
    "said",
]
CategoryName = Literal["language", "speaker_id", "license", "source"]


class Category(NamedTuple):
    """A column of names that come again and again.

    Parameters
    ----------
    codes : int32 [n]
        Which of the names each utterance has.
    names : tuple of str
        In the order in which they first come.
    """

    codes: NDArray[np.int32]
    names: tuple[str, ...]

    def code(self, name: str) -> int:
        """Return the code of a name, -1 if no utterance has it."""
        try:
            return self.names.index(name)
        except ValueError:
            return -1


class Index:
    """A manifest whose lines can be asked for in any order; picklable, a worker opens the files itself.

    `len(index)` utterances; `index[i]` reads one, 0 ≤ i < len; iterating reads them in order. Made by `Index.open`.
    `path` is the manifest, `place` the file of the index.
    """

    def __init__(self, path: Path, place: Path, header: Header, columns: dict[str, NDArray[Any]]) -> None:
        self.path, self.place, self._header, self._columns = path, place, header, columns
        self._kept: dict[str, tuple[str, ...]] = {}
        self._opened: tuple[int, int] | None = None  # process and descriptor: forked processes open their own

    @classmethod
    def open(cls, path: Path, progress: Progress | None = None) -> Index:
        """Open the index of a manifest; make it where it is missing or older than the manifest.

        It is kept beside the manifest, or in the cache folder where that cannot be written. The manifest is checked
        line by line as it is made.

        Parameters
        ----------
        path : Path
            The manifest.
        progress : callable, optional
            Told how far the making is.

        Raises
        ------
        ManifestError
            If the manifest cannot be read or a line is wrong.
        OutputError
            If the index can be kept nowhere.
        """
        stamp = index_file.stamp(path)
        for place in index_file.places(path):
            found = index_file.load(place)
            if found is not None and found[0].stamp == stamp:
                return cls(path, place, *found)
        place = index_file.make(path, stamp, progress)
        found = index_file.load(place)
        if found is None or found[0].stamp != stamp:  # another process has seen it change, and was faster
            raise ManifestError(path, None, "changes while it is indexed: try again when it is written")
        return cls(path, place, *found)

    def __reduce__(self) -> tuple[Any, ...]:
        return _reopened, (self.path, self.place, self._header)

    def __len__(self) -> int:
        return self._header.n

    def __getitem__(self, i: int) -> Utterance:
        if not -len(self) <= i < len(self):
            raise IndexError(f"there is no utterance {i} among {len(self)}")
        found = manifest.parse(self.raw(i), self.path, int(self.column("line")[i]))
        if key(found.id) != int(self.column("id")[i]):
            raise self._changed()
        return found

    def __iter__(self) -> Iterator[Utterance]:
        return manifest.read(self.path)

    def __del__(self) -> None:
        opened = getattr(self, "_opened", None)
        if opened is not None and opened[0] == os.getpid():
            os.close(opened[1])

    def raw(self, i: int) -> bytes:
        """Return the bytes of a line, without the newline.

        Raises
        ------
        ManifestError
            If the manifest has become shorter since it was indexed, or cannot be read any more.
        """
        length = int(self.column("length")[i])
        try:
            data = os.pread(self._descriptor(), length, int(self.column("offset")[i]))
        except OSError as error:
            raise ManifestError(self.path, None, f"cannot be read: {error.strerror or error}") from error
        if len(data) < length:
            raise self._changed()
        return data

    def raws(self, which: NDArray[np.int64]) -> Iterator[bytes]:
        """Yield the bytes of several lines, int64 [m], without the newline; fast where they rise."""
        lengths = np.asarray(self.column("length"))[which].tolist()
        try:
            with self.path.open("rb") as file:
                at = 0
                for offset, length in zip(np.asarray(self.column("offset"))[which].tolist(), lengths, strict=True):
                    if offset != at:
                        file.seek(offset)
                    data = file.read(length)
                    at = offset + length
                    if len(data) < length:
                        raise self._changed()
                    yield data
        except OSError as error:
            raise ManifestError(self.path, None, f"cannot be read: {error.strerror or error}") from error

    def _descriptor(self) -> int:
        if self._opened is None or self._opened[0] != os.getpid():
            self._opened = os.getpid(), os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        return self._opened[1]

    def _changed(self) -> ManifestError:
        return ManifestError(self.path, None, "has changed since it was indexed: open it again")

    def column(self, name: ColumnName) -> NDArray[Any]:
        """Return a column, mapped from the file and read-only.

        Parameters
        ----------
        name : str
            "duration" and "start" (float64, seconds), "n_characters" of the transcript and "line" in the file
            (uint32), "offset" (uint64) and "length" (uint32) in bytes, or a `key` (uint64, 0 where there is none): of
            "id", "audio" (its path, without detours, seen from the manifest's folder), "recording" (`recording_id`),
            "file" (`sha256`), "clip_of" (what it is cut or changed from), "said" (the transcript's letters, digits).
        """
        if name not in COLUMNS:
            raise InputError(f"an index has no column {name!r}")
        return self._columns[name]

    def category(self, name: CategoryName) -> Category:
        """Return the languages, speakers, licences or sources of all utterances."""
        if name not in CATEGORIES:
            raise InputError(f"an index has no column {name!r}")
        return Category(self._columns[name], self._names(name))

    def _names(self, name: str) -> tuple[str, ...]:
        if name not in self._kept:
            self._kept[name] = tuple(json.loads(self._columns[f"names/{name}"].tobytes()))
        return self._kept[name]

    def find(self, id: str) -> int | None:
        """Return where the utterance of an id stands, None if there is none; the first search sorts the ids."""
        order, ids = self._sorted
        for at in range(int(np.searchsorted(ids, np.uint64(key(id)))), len(ids)):
            if int(ids[at]) != key(id):
                return None
            if self[int(order[at])].id == id:
                return int(order[at])
        return None

    @cached_property
    def _sorted(self) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
        ids = self.column("id")
        order = np.argsort(ids, kind="stable")
        return order, ids[order]

    def duplicate(self) -> tuple[str, int, int] | None:
        """Return an id that comes twice, with the lines of both, the first such by line; None if all differ."""
        order, ids = self._sorted
        twice = np.flatnonzero(ids[1:] == ids[:-1])
        for at in twice[np.argsort(order[twice + 1], kind="stable")]:
            first, second = self[int(order[at])], self[int(order[at + 1])]
            if first.id == second.id:
                lines = self.column("line")
                return first.id, int(lines[order[at]]), int(lines[order[at + 1]])
        return None

    def refuse_duplicates(self) -> None:
        """Check that every id names one utterance.

        Raises
        ------
        ManifestError
            If one comes twice.
        """
        if (found := self.duplicate()) is not None:
            raise ManifestError(self.path, found[2], f"the id {found[0]!r} is that of line {found[1]} already")


def _reopened(path: Path, place: Path, header: Header) -> Index:
    """Open what another process had opened; made anew in the meantime for another manifest, it is refused."""
    found = index_file.load(place)
    if found is None:
        return Index.open(path)
    if found[0] != header:
        raise ManifestError(path, None, "has changed since it was indexed: open it again")
    return Index(path, place, *found)
