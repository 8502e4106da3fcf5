"""A corpus of units as it lies on disk, one utterance after another: with times, or as nothing but units."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from melisma.core.errors import FormatError, InputError
from melisma.core.records import Int64
from melisma.units import codebook_file
from melisma.units.line import JSON
from melisma.units.read import read_lines

Item = TypeVar("Item")
_MOST = 65533  # the highest unit that has a character of its own
_MOST_FRAMES = 10_000_000  # of an utterance: 55 hours
_LONGEST_LINE = 64 << 20  # characters of a line of text: a month of speech


@dataclass(frozen=True, slots=True, eq=False)
class Utterance:
    """The units of an utterance, as motifs are looked for in them.

    Parameters
    ----------
    id, audio : str
        Of the utterance; `audio` is relative to the folder of the corpus.
    units : int64 [n]
        In order.
    runs : int64 [n], optional
        For how many frames of 20 ms each lasts; None where only units are known.
    start_s : float
        Where it begins in its file, in seconds.
    speaker, language : str, optional
        Of the utterance.
    """

    id: str
    audio: str
    units: Int64
    runs: Int64 | None
    start_s: float = 0.0
    speaker: str | None = None
    language: str | None = None


@dataclass(frozen=True, slots=True)
class Corpus:
    """A file of units: `corpus_timestamped.jsonl`, or text with the units of an utterance on each line.

    Parameters
    ----------
    path : Path
        The file.
    frames : bool
        Take the unit of every frame, instead of each unit once for as long as it lasts.
    """

    path: Path
    frames: bool = False

    @classmethod
    def of(cls, path: Path, *, frames: bool = False) -> Corpus:
        """Return the corpus in a folder, or in a file.

        Raises
        ------
        InputError
            If there is none.
        """
        file = path / JSON if path.is_dir() else path
        if not file.is_file():
            raise InputError(f"there is no corpus of units at {file}: melisma units encode makes one")
        return cls(file, frames)

    @property
    def folder(self) -> Path:
        """Folder that the paths of recordings are relative to."""
        return self.path.parent

    @property
    def timed(self) -> bool:
        """Whether it is known how long units last."""
        return self.path.suffix != ".txt"

    def utterances(self) -> Iterator[Utterance]:
        """Yield every utterance that has a unit, in order, a line of the file in memory at a time.

        Raises
        ------
        InputError
            If a line cannot be used; the sentence names it.
        """
        found = self._timed() if self.timed else self._text()
        return (each for each in found if len(each.units))

    def _timed(self) -> Iterator[Utterance]:
        for line in read_lines(self.path):
            units, runs = np.array(line.units, dtype=np.int64), np.array(line.runs, dtype=np.int64)
            if len(units) and units.max() > _MOST:
                raise InputError(f"{self.path}: {line.id} has a unit {units.max()}; motifs take 0 to {_MOST}")
            if self.frames:
                if runs.sum() > _MOST_FRAMES:
                    raise InputError(f"{self.path}: {line.id} is too long to be taken frame by frame")
                units, runs = np.repeat(units, runs), np.ones(runs.sum(), dtype=np.int64)
            yield Utterance(line.id, line.audio, units, runs, line.start_s, line.speaker_id, line.language)

    def _text(self) -> Iterator[Utterance]:
        with open(self.path, "rb") as file:
            number = 0
            while read := file.readline(_LONGEST_LINE):
                number += 1
                yield Utterance(str(number), "", _parsed(read, self.path.name, number), None)


def _parsed(line: bytes, name: str, number: int) -> Int64:
    words = line.split()
    for word in words:
        if not (word.isdigit() and len(word) <= 5 and int(word) <= _MOST):
            shown = word[:20].decode("ascii", "backslashreplace")
            raise FormatError(name, f"{shown!r} is no unit: units are whole numbers from 0 to {_MOST}", number)
    return np.array([int(word) for word in words], dtype=np.int64)


def batches(items: Iterable[Item], length: Callable[[Item], int], n_units: int) -> Iterator[list[Item]]:
    """Yield items together until they have `n_units` units.

    Examples
    --------
    >>> list(batches(["ab", "c", "d"], len, 3))
    [['ab', 'c'], ['d']]
    """
    waiting: list[Item] = []
    n = 0
    for item in items:
        waiting.append(item)
        n += length(item)
        if n >= n_units:
            yield waiting
            waiting, n = [], 0
    if waiting:
        yield waiting


def n_units_of(folder: Path) -> int | None:
    """Return how many units the codebook of a corpus has, None where there is no codebook.

    Raises
    ------
    InputError
        If there is one that cannot be used.
    """
    return codebook_file.read(folder).k if (folder / codebook_file.CENTRES).is_file() else None
