"""Songs: what is kept of a recording, what people call it, and what has become of it."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from melisma.core.errors import NotFound, StoreError
from melisma.store.service import pages
from melisma.store.service.pages import Page

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement
    from sqlalchemy.orm import Session

    from melisma.store.service.tables import SongRow

STEMS = ("vocals", "instrumental")
UNFINISHED = ("queued", "running")
_TRIES = 10  # a song that was there when a row was to be made may be gone when it is looked for
STATUSES = ("new", "working", "failed", "ready")


@dataclass(frozen=True, slots=True)
class Names:
    """What people say of a song; None leaves what is there."""

    title: str | None = None
    artist: str | None = None
    language: str | None = None
    lyrics: str | None = None


@dataclass(frozen=True, slots=True)
class Recording:
    """A file as it was examined.

    Parameters
    ----------
    content : str
        SHA-256 of its bytes, hexadecimal.
    media_type, suffix : str
        By its content; the suffix with its dot.
    size_bytes, duration_ms : int
        How large and how long it is.
    file_name : str
        As the caller called it, made safe; only ever shown.
    library_path : str or None
        Below the library folder, where the file stays there.
    """

    content: str
    media_type: str
    suffix: str
    size_bytes: int
    duration_ms: int
    file_name: str
    library_path: str | None = None


@dataclass(frozen=True, slots=True)
class Song:
    """A recording and its names."""

    id: str
    recording: Recording
    title: str
    artist: str
    language: str
    lyrics: str
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class JobBrief:
    """A job in a line."""

    id: str
    kind: str
    state: str
    stage: str
    percent: float


@dataclass(frozen=True, slots=True)
class Around:
    """What a list shows beside a song: its newest alignment by id, its job that matters, its stems."""

    alignment_id: str | None = None
    job: JobBrief | None = None
    stems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which songs a list is to hold."""

    search: str = ""
    status: str = ""  # one of STATUSES, or any
    limit: int = 50
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class Removed:
    """What is left to be removed once a song's rows are gone: files by content and suffix, and the sounds it was."""

    song: Song
    files: tuple[tuple[str, str], ...]
    sounds: tuple[str, ...] = field(default=())


def now() -> datetime:
    """Return the moment, in UTC."""
    return datetime.now(UTC)


def add(session: Session, recording: Recording, names: Names) -> tuple[Song, bool]:
    """Keep a song; return it and whether it is new. A recording of the same bytes is the same song.

    What is known of a song is not changed by giving its recording again, but for lyrics where it had none; a recording
    of the library that is uploaded is kept from then on.
    """
    from sqlalchemy import select

    from melisma.store.service.tables import SongRow

    moment = now()
    row = {
        "id": uuid.uuid4().hex,
        "content": recording.content,
        "media_type": recording.media_type,
        "suffix": recording.suffix,
        "size_bytes": recording.size_bytes,
        "duration_ms": recording.duration_ms,
        "file_name": recording.file_name,
        "library_path": recording.library_path,
        "title": names.title or "",
        "artist": names.artist or "",
        "language": names.language or "",
        "lyrics": names.lyrics or "",
        "search": _searchable(names.title or "", names.artist or "", recording.file_name),
        "created_at": moment,
        "updated_at": moment,
    }
    same = select(SongRow).where(SongRow.content == recording.content).with_for_update()
    for _ in range(_TRIES):
        made = insert_new(session, SongRow, row)
        found = session.execute(same).scalar_one_or_none()
        if found is not None:
            break
    else:
        raise StoreError("this song is removed and taken in at the same time, again and again: try once more")
    if not made:
        if recording.library_path is None:
            found.library_path = None
        if not found.lyrics:
            found.lyrics = names.lyrics or ""
    return _song(found), made


def insert_new(session: Session, table: Any, row: dict[str, Any]) -> bool:
    """Insert a row unless one of its unique columns is taken; whoever else is about to take one is waited for."""
    if session.get_bind().dialect.name == "sqlite":
        from sqlalchemy.dialects.sqlite import insert
    else:
        from sqlalchemy.dialects.postgresql import insert  # type: ignore[assignment]
    done = session.execute(insert(table).values(row).on_conflict_do_nothing().returning(table.created_at))
    return done.first() is not None


def get(session: Session, song_id: str) -> Song:
    """Return a song.

    Raises
    ------
    NotFound
        If there is none of this id.
    """
    return _song(_row(session, song_id))


def of_content(session: Session, content: str) -> Song | None:
    """Return the song of a recording by the SHA-256 of its bytes; None if there is none."""
    from sqlalchemy import select

    from melisma.store.service.tables import SongRow

    row = session.execute(select(SongRow).where(SongRow.content == content)).scalar_one_or_none()
    return None if row is None else _song(row)


def change(session: Session, song_id: str, names: Names) -> Song:
    """Change what people say of a song; NotFound if there is none."""
    row = _row(session, song_id, lock=True)
    for name in ("title", "artist", "language", "lyrics"):
        value = getattr(names, name)
        if value is not None:
            setattr(row, name, value)
    row.search = _searchable(row.title, row.artist, row.file_name)
    row.updated_at = now()
    return _song(row)


def page(session: Session, wanted: Wanted) -> Page[Song]:
    """List songs, the newest first.

    Raises
    ------
    InputError
        If the cursor is none.
    """
    from sqlalchemy import select

    from melisma.store.service.tables import SongRow

    statement = select(SongRow)
    for word in wanted.search.casefold().split():
        statement = statement.where(SongRow.search.contains(word, autoescape=True))
    if wanted.status:
        statement = statement.where(_status(wanted.status))
    return pages.fetch(
        session, pages.behind(statement, SongRow, wanted.cursor), wanted.limit, lambda found: _song(found[0])
    )


def around(session: Session, song_ids: Sequence[str]) -> dict[str, Around]:
    """Return what a list shows beside each of some songs."""
    from sqlalchemy import select

    from melisma.store.service.tables import ExportRow

    alignments, jobs = _newest_alignments(session, song_ids), _telling_jobs(session, song_ids)
    exports = select(ExportRow.song_id, ExportRow.kind).where(
        ExportRow.song_id.in_(song_ids), ExportRow.kind.in_(STEMS)
    )
    stems: dict[str, set[str]] = {}
    for song_id, kind in session.execute(exports):
        stems.setdefault(song_id, set()).add(kind)
    return {
        each: Around(
            alignments.get(each), jobs.get(each), tuple(stem for stem in STEMS if stem in stems.get(each, set()))
        )
        for each in song_ids
    }


def remove(session: Session, song_id: str) -> Removed:
    """Remove a song with everything that was made of it; return what lies outside the database.

    Raises
    ------
    NotFound
        If there is none of this id.
    """
    from sqlalchemy import delete, select

    from melisma.store.service.tables import AlignmentRow, ExportRow, SongRow

    song = _song(_row(session, song_id, lock=True))
    exports = select(ExportRow.content, ExportRow.suffix).where(ExportRow.song_id == song_id)
    files = {(content, suffix) for content, suffix in session.execute(exports)}
    if song.recording.library_path is None:
        files.add((song.recording.content, song.recording.suffix))
    sounds = set(session.execute(select(AlignmentRow.audio_hash).where(AlignmentRow.song_id == song_id)).scalars())
    session.execute(delete(SongRow).where(SongRow.id == song_id))
    used = unused_files(session, files)
    others = select(AlignmentRow.audio_hash).where(AlignmentRow.audio_hash.in_(sounds))
    kept = set(session.execute(others).scalars()) | {""}
    return Removed(song, used, tuple(sorted(sounds - kept)))


def hold_file(session: Session, content: str) -> None:
    """Wait for whoever keeps or lets go of a file of this content; who comes later waits for this transaction.

    On SQLite, which has one writer at a time, that is so anyway.
    """
    from sqlalchemy import func, select

    if session.get_bind().dialect.name == "postgresql":
        session.execute(select(func.pg_advisory_xact_lock(int(content[:15], 16))))


def unused_files(session: Session, files: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Return those of some files, by content and suffix, that no song and no export is made of.

    They are held to the end of the transaction, which is to remove them: nobody takes one up again meanwhile.
    """
    from sqlalchemy import select

    from melisma.store.service.tables import ExportRow, SongRow

    files = set(files)
    contents = {content for content, _ in files}
    for content in sorted(contents):
        hold_file(session, content)
    used: set[tuple[str, str]] = set()
    for table in (ExportRow, SongRow):
        statement = select(table.content, table.suffix).where(table.content.in_(contents))
        if table is SongRow:
            statement = statement.where(SongRow.library_path.is_(None))
        used |= {(content, suffix) for content, suffix in session.execute(statement)}
    return tuple(sorted(files - used))


def _row(session: Session, song_id: str, *, lock: bool = False) -> SongRow:
    from melisma.store.service.tables import SongRow

    row = session.get(SongRow, song_id, with_for_update=lock or None)
    if row is None:
        raise NotFound("song", song_id)
    return row


def _searchable(*names: str) -> str:
    return "\n".join(name.casefold() for name in names)


def _status(status: str) -> ColumnElement[bool]:
    from sqlalchemy import exists

    from melisma.store.service.tables import AlignmentRow, JobRow, SongRow

    ready = exists().where(AlignmentRow.song_id == SongRow.id, AlignmentRow.version > 0)
    working = exists().where(JobRow.song_id == SongRow.id, JobRow.state.in_(UNFINISHED))
    failed = exists().where(JobRow.song_id == SongRow.id, JobRow.state == "failed")
    meant: dict[str, ColumnElement[bool]] = {
        "ready": ready,
        "working": working,
        "failed": failed & ~working & ~ready,
        "new": ~ready & ~working & ~failed,
    }
    return meant[status]


def _newest_alignments(session: Session, song_ids: Sequence[str]) -> dict[str, str]:
    from sqlalchemy import func, select

    from melisma.store.service.tables import AlignmentRow

    newest = (AlignmentRow.updated_at.desc(), AlignmentRow.id.desc())
    place = func.row_number().over(partition_by=AlignmentRow.song_id, order_by=newest).label("place")
    ranked = (
        select(AlignmentRow.song_id, AlignmentRow.id, place)
        .where(AlignmentRow.song_id.in_(song_ids), AlignmentRow.version > 0)
        .subquery()
    )
    found = session.execute(select(ranked.c.song_id, ranked.c.id).where(ranked.c.place == 1))
    return {row[0]: row[1] for row in found}


def _telling_jobs(session: Session, song_ids: Sequence[str]) -> dict[str, JobBrief]:
    """Return of each song the newest job that is not over, else the newest of all where that one failed."""
    from sqlalchemy import case, func, select

    from melisma.store.service.tables import JobRow

    order = (case((JobRow.state.in_(UNFINISHED), 0), else_=1), JobRow.created_at.desc(), JobRow.id.desc())
    place = func.row_number().over(partition_by=JobRow.song_id, order_by=order).label("place")
    columns = (JobRow.id, JobRow.kind, JobRow.state, JobRow.stage, JobRow.percent)
    ranked = select(JobRow.song_id, *columns, place).where(JobRow.song_id.in_(song_ids)).subquery()
    states = (*UNFINISHED, "failed")
    statement = select(ranked).where(ranked.c.place == 1, ranked.c.state.in_(states))
    return {found[0]: JobBrief(*found[1:6]) for found in session.execute(statement)}


def _song(row: SongRow) -> Song:
    recording = Recording(
        row.content, row.media_type, row.suffix, row.size_bytes, row.duration_ms, row.file_name, row.library_path
    )
    return Song(row.id, recording, row.title, row.artist, row.language, row.lyrics, row.created_at, row.updated_at)
