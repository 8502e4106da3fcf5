"""What a manifest holds, in a few numbers, from the columns of its index."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from melisma.core import licences
from melisma.data.index import CategoryName, Index
from melisma.data.split_certificate import lengths, speakers


@dataclass(frozen=True, slots=True)
class Row:
    """How much there is under one name."""

    name: str
    utterances: int
    hours: float
    speakers: int


@dataclass(frozen=True, slots=True)
class Overview:
    """A manifest at a glance: hours, percentiles of duration in seconds, and tables, the most audio first."""

    utterances: int
    hours: float
    recordings: int
    speakers: int
    without_speaker: int
    without_transcript: int
    duration_s: dict[str, float]
    languages: tuple[Row, ...]
    licences: tuple[Row, ...]
    sources: tuple[Row, ...]
    commercial: bool

    def as_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)


def of(index: Index) -> Overview:
    """Sum a manifest up."""
    duration = np.asarray(index.column("duration"))
    known = speakers(index)
    at = {"shortest": 0, "p5": 5, "median": 50, "p95": 95, "longest": 100}
    found = np.percentile(duration, list(at.values())) if len(index) else np.zeros(len(at))
    kinds = _rows(index, "license")
    return Overview(
        utterances=len(index),
        hours=round(int(lengths(index).sum()) / 3_600_000, 4),
        recordings=len(np.unique(np.asarray(index.column("audio")))),
        speakers=int(np.count_nonzero(np.unique(known))),
        without_speaker=int(np.count_nonzero(known == 0)),
        without_transcript=int(np.count_nonzero(np.asarray(index.column("n_characters")) == 0)),
        duration_s={name: round(float(value), 3) for name, value in zip(at, found, strict=True)},
        languages=_rows(index, "language"),
        licences=kinds,
        sources=_rows(index, "source"),
        commercial=bool(kinds) and all(licences.commercial(row.name) for row in kinds),
    )


def _rows(index: Index, category: CategoryName) -> tuple[Row, ...]:
    codes, names = index.category(category)
    milliseconds, known = lengths(index), speakers(index)
    n = np.bincount(codes, minlength=len(names))
    total = np.bincount(codes, weights=milliseconds, minlength=len(names))
    pairs = np.unique(np.stack([codes[known != 0].astype(np.uint64), known[known != 0]]), axis=1)
    who = np.bincount(pairs[0].astype(np.int64), minlength=len(names))
    rows = (
        Row(name, int(n[code]), round(float(total[code]) / 3_600_000, 4), int(who[code]))
        for code, name in enumerate(names)
    )
    return tuple(sorted(rows, key=lambda row: (-row.hours, row.name)))
