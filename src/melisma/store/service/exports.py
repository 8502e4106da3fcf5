"""Exports: files that were made of a song, videos and separated stems."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from melisma.core.errors import NotFound
from melisma.store.service.files import Incoming, Stored
from melisma.store.service.songs import hold_file, insert_new, now, unused_files

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session


@dataclass(frozen=True, slots=True)
class Export:
    """A file of the store that was made of a song.

    Parameters
    ----------
    id : str
        Of the export; that of the job that made it, for a video.
    kind : str
        "video", "vocals" or "instrumental".
    alignment_id, version : str or None, int
        What it shows; None and 0 for a stem.
    content, suffix : str
        Where the file lies.
    """

    id: str
    song_id: str
    kind: str
    content: str
    suffix: str
    media_type: str
    size_bytes: int
    alignment_id: str | None
    version: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Made:
    """A file that was made, before it is an export: what it is, and of what."""

    song_id: str
    kind: str
    file: Stored
    media_type: str
    suffix: str
    alignment_id: str | None = None
    version: int = 0


def add(session: Session, export_id: str, made: Made) -> Export:
    """Write an export down; return the one of this id that there is already, if so. NotFound if the song is gone."""
    from sqlalchemy.exc import IntegrityError

    from melisma.store.service.tables import ExportRow

    row = {
        "id": export_id,
        "song_id": made.song_id,
        "alignment_id": made.alignment_id,
        "version": made.version,
        "kind": made.kind,
        "content": made.file.content,
        "media_type": made.media_type,
        "suffix": made.suffix,
        "size_bytes": made.file.size_bytes,
        "created_at": now(),
    }
    try:
        insert_new(session, ExportRow, row)
    except IntegrityError as error:  # removed at this very moment
        raise NotFound("song", made.song_id) from error
    return get(session, export_id)


def keep(session: Session, export_id: str, made: Made, file: Incoming) -> Export:
    """Keep an export with its file, which whoever removes another one of the same content then leaves alone.

    The row comes first: who removes the song is waited for before the file is held, as they do it themselves.

    Raises
    ------
    NotFound
        If the song is gone.
    StoreError
        If the file cannot be kept; NoRoom where the disk is full.
    """
    export = add(session, export_id, made)
    if export.content == made.file.content:
        hold_file(session, export.content)
        file.keep(export.suffix)
    return export


def get(session: Session, export_id: str) -> Export:
    """Return an export; NotFound if there is none of this id."""
    from melisma.store.service.tables import ExportRow

    row = session.get(ExportRow, export_id)
    if row is None:
        raise NotFound("export", export_id)
    return _export(row)


def of_song(session: Session, song_id: str, kinds: Sequence[str]) -> tuple[Export, ...]:
    """Return the exports of a song of some kinds, the newest first."""
    from sqlalchemy import select

    from melisma.store.service.tables import ExportRow

    statement = select(ExportRow).where(ExportRow.song_id == song_id, ExportRow.kind.in_(kinds))
    found = session.execute(statement.order_by(ExportRow.created_at.desc(), ExportRow.id)).scalars()
    return tuple(_export(row) for row in found)


def of_alignment(session: Session, alignment_id: str) -> tuple[Export, ...]:
    """Return the exports that show an alignment, the newest first."""
    from sqlalchemy import select

    from melisma.store.service.tables import ExportRow

    statement = select(ExportRow).where(ExportRow.alignment_id == alignment_id)
    found = session.execute(statement.order_by(ExportRow.created_at.desc(), ExportRow.id)).scalars()
    return tuple(_export(row) for row in found)


def remove(session: Session, exports: Sequence[Export]) -> tuple[tuple[str, str], ...]:
    """Remove exports; return the files, by content and suffix, that nothing is made of any more."""
    from sqlalchemy import delete

    from melisma.store.service.tables import ExportRow

    session.execute(delete(ExportRow).where(ExportRow.id.in_([export.id for export in exports])))
    return unused_files(session, {(export.content, export.suffix) for export in exports})


def _export(row: Any) -> Export:
    return Export(
        row.id,
        row.song_id,
        row.kind,
        row.content,
        row.suffix,
        row.media_type,
        row.size_bytes,
        row.alignment_id,
        row.version,
        row.created_at,
    )
