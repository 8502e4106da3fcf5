"""What is known of alignments and their versions, as the store tells it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from melisma.core.records import Alignment
from melisma.store.entries import Source


@dataclass(frozen=True, slots=True)
class Record:
    """An alignment as a whole.

    Parameters
    ----------
    request : mapping
        What was asked for, as JSON has it.
    lyrics : str
        As given or fetched; empty where they are heard, or not fetched yet.
    audio_hash, text_hash : str
        Of the decoded sound and of the sung words, empty until they are known.
    version : int
        That is current; 0 until there is one.
    source, engine : str
        Of the current version, empty until there is one.
    confidence_avg : float or None
        In [0, 1].
    """

    id: str
    song_id: str
    request: Mapping[str, Any]
    lyrics: str
    audio_hash: str
    text_hash: str
    version: int
    source: str
    engine: str
    n_words: int
    n_unsung: int
    confidence_avg: float | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Version:
    """What is known of a version beside its words; `parent` is 0 where an engine made it.

    `corrected` holds the indices of the words that a person has set.
    """

    alignment_id: str
    version: int
    parent: int
    source: str
    author: str
    summary: str
    engine: str
    corrected: tuple[int, ...]
    created_at: datetime


@dataclass(frozen=True, slots=True)
class NewVersion:
    """A version that is to be kept.

    Parameters
    ----------
    alignment : Alignment
        What was made.
    based_on : int
        The version that was current when it was made, 0 for none.
    source : Source
        What made it.
    author, summary : str
        Who, and what was changed, for people.
    corrected : sequence of int
        Indices of the words that a person has set.
    parent : int, optional
        What undoing it leads back to, if it is not what usually would be.
    """

    alignment: Alignment
    based_on: int
    source: Source
    author: str = ""
    summary: str = ""
    corrected: Sequence[int] = ()
    parent: int | None = None

    @property
    def leads_back_to(self) -> int:
        """What undoing it leads back to: `based_on` where a person made it, else 0."""
        if self.parent is not None:
            return self.parent
        return self.based_on if self.source is Source.USER_CORRECTED else 0


@dataclass(frozen=True, slots=True)
class Current:
    """What tells whether somebody's copy is the newest, and what the song is called."""

    version: int
    song_id: str
    title: str
    artist: str


def record_of(found: Any) -> Record:
    """Make the record of a row and the engine of its current version, None where it has none."""
    row, engine = found
    return Record(
        row.id,
        row.song_id,
        json.loads(row.request),
        row.lyrics,
        row.audio_hash,
        row.text_hash,
        row.version,
        row.source,
        engine or "",
        row.n_words,
        row.n_unsung,
        row.confidence_avg,
        row.created_at,
        row.updated_at,
    )


def version_of(row: Any) -> Version:
    """Make the record of a version from its row, with or without its words."""
    return Version(
        row.alignment_id,
        row.version,
        row.parent,
        row.source,
        row.author,
        row.summary,
        row.engine,
        tuple(json.loads(row.corrected)),
        row.created_at,
    )
