"""Transcripts: what models heard in recordings."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from melisma.core.errors import NotFound
from melisma.core.records import Alignment
from melisma.store.service import pages
from melisma.store.service.pages import Page
from melisma.store.service.songs import insert_new, now

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


@dataclass(frozen=True, slots=True)
class Transcript:
    """What is known of a transcript beside its words; it has the id of the job that made it."""

    id: str
    song_id: str
    model: str
    created_at: datetime


def add(session: Session, transcript_id: str, song_id: str, model: str, heard: Alignment) -> bool:
    """Keep what a model heard, under the id of its job; return whether it was not kept already."""
    from melisma.store.service import payload
    from melisma.store.service.tables import TranscriptRow

    row = {
        "id": transcript_id,
        "song_id": song_id,
        "model": model,
        "payload": payload.write(heard),
        "created_at": now(),
    }
    return insert_new(session, TranscriptRow, row)


def get(session: Session, transcript_id: str) -> tuple[Alignment, Transcript]:
    """Return a transcript; NotFound if there is none of this id."""
    from melisma.store.service import payload
    from melisma.store.service.tables import TranscriptRow

    row = session.get(TranscriptRow, transcript_id)
    if row is None:
        raise NotFound("transcription", transcript_id)
    return payload.read(row.payload), _transcript((row,))


def page(
    session: Session, *, song_id: str | None = None, limit: int = 50, cursor: str | None = None
) -> Page[Transcript]:
    """List transcripts, the newest first; InputError if the cursor is none."""
    from sqlalchemy import select
    from sqlalchemy.orm import defer

    from melisma.store.service.tables import TranscriptRow

    statement = select(TranscriptRow).options(defer(TranscriptRow.payload))
    if song_id is not None:
        statement = statement.where(TranscriptRow.song_id == song_id)
    return pages.fetch(session, pages.behind(statement, TranscriptRow, cursor), limit, _transcript)


def delete(session: Session, transcript_id: str) -> None:
    """Remove a transcript; NotFound if there is none of this id."""
    from sqlalchemy import delete as removal

    from melisma.store.service.tables import TranscriptRow

    statement = removal(TranscriptRow).where(TranscriptRow.id == transcript_id).returning(TranscriptRow.id)
    if session.execute(statement).first() is None:
        raise NotFound("transcription", transcript_id)


def _transcript(found: Any) -> Transcript:
    row = found[0]
    return Transcript(row.id, row.song_id, row.model, row.created_at)
