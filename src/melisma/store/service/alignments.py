"""Alignments of songs: what was asked for, and every version of what was made, none of which is ever changed.

A version is added by comparing the one that it is based on with the current one in the same statement, so that of two
who save at once one is told.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from melisma.core.errors import NotFound, VersionConflict
from melisma.core.records import Alignment
from melisma.store.service import pages
from melisma.store.service.alignment_records import Current, NewVersion, Record, Version, record_of, version_of
from melisma.store.service.pages import Page
from melisma.store.service.songs import now

__all__ = [
    "Current",
    "NewVersion",
    "Record",
    "Version",
    "add_version",
    "create",
    "current",
    "delete",
    "get",
    "job_of",
    "know_track",
    "of_track",
    "page",
    "several",
    "version",
    "versions",
]

if TYPE_CHECKING:
    from sqlalchemy import Select
    from sqlalchemy.orm import Session

    from melisma.store.service.jobs import Job
    from melisma.store.service.tables import AlignmentRow


def create(
    session: Session, song_id: str, request: Mapping[str, Any], lyrics: str = "", text_hash: str = ""
) -> tuple[Record, bool]:
    """Make an alignment of a song without any version yet; the one that was asked for in the same words, if there is.

    Returns
    -------
    tuple of Record and bool
        The alignment, and whether it is new.

    Raises
    ------
    NotFound
        If there is no such song.
    """
    from sqlalchemy import select

    from melisma.store.service.tables import AlignmentRow, SongRow

    # The song's row is held, so that two who ask for the same at once get the same.
    held = select(SongRow.id).where(SongRow.id == song_id).with_for_update()
    if session.execute(held).first() is None:
        raise NotFound("song", song_id)
    spelt = json.dumps(request, sort_keys=True, ensure_ascii=False)
    same = (AlignmentRow.song_id == song_id) & (AlignmentRow.request == spelt)
    found = session.execute(select(AlignmentRow.id).where(same).order_by(AlignmentRow.created_at)).scalars().first()
    if found is not None:
        return get(session, found), False
    moment = now()
    row = AlignmentRow(
        id=uuid.uuid4().hex,
        song_id=song_id,
        request=spelt,
        lyrics=lyrics,
        audio_hash="",
        text_hash=text_hash,
        version=0,
        source="",
        n_words=0,
        n_unsung=0,
        confidence_avg=None,
        created_at=moment,
        updated_at=moment,
    )
    session.add(row)
    session.flush()
    return get(session, row.id), True


def get(session: Session, alignment_id: str) -> Record:
    """Return an alignment; NotFound if there is none of this id."""
    from melisma.store.service.tables import AlignmentRow

    row = session.execute(_with_engine().where(AlignmentRow.id == alignment_id)).first()
    if row is None:
        raise NotFound("alignment", alignment_id)
    return record_of(row)


def job_of(session: Session, alignment_id: str, kind: str) -> Job | None:
    """Return the newest job of a kind that makes an alignment or has made it; None if each failed or was cancelled."""
    from sqlalchemy import select

    from melisma.store.service import jobs
    from melisma.store.service.tables import JobRow

    states = (jobs.JobState.QUEUED.value, jobs.JobState.RUNNING.value, jobs.JobState.DONE.value)
    same = (JobRow.alignment_id == alignment_id) & (JobRow.kind == kind) & JobRow.state.in_(states)
    row = session.execute(select(JobRow).where(same).order_by(JobRow.created_at.desc())).scalars().first()
    return None if row is None else jobs.record(row)


def several(session: Session, alignment_ids: Sequence[str]) -> dict[str, Record]:
    """Return those of some alignments that there are, by their ids."""
    from melisma.store.service.tables import AlignmentRow

    found = session.execute(_with_engine().where(AlignmentRow.id.in_(alignment_ids))).all()
    return {row[0].id: record_of(row) for row in found}


def current(session: Session, alignment_id: str) -> Current:
    """Return which version is current, in one look; NotFound if there is no such alignment."""
    row = session.connection().execute(_current(), {"id": alignment_id}).first()
    if row is None:
        raise NotFound("alignment", alignment_id)
    return Current(*row)


@cache
def _current() -> Select[int, str, str, str]:
    """Return the statement that every read begins with, made once: making it takes longer than running it."""
    from sqlalchemy import bindparam, select

    from melisma.store.service.tables import AlignmentRow, SongRow

    columns = (AlignmentRow.version, AlignmentRow.song_id, SongRow.title, SongRow.artist)
    statement = select(*columns).join(SongRow, SongRow.id == AlignmentRow.song_id)
    return statement.where(AlignmentRow.id == bindparam("id"))


def page(session: Session, *, song_id: str | None = None, limit: int = 50, cursor: str | None = None) -> Page[Record]:
    """List alignments, the newest first; InputError if the cursor is none."""
    from melisma.store.service.tables import AlignmentRow

    statement = _with_engine()
    if song_id is not None:
        statement = statement.where(AlignmentRow.song_id == song_id)
    return pages.fetch(session, pages.behind(statement, AlignmentRow, cursor), limit, record_of)


def add_version(session: Session, alignment_id: str, new: NewVersion) -> int:
    """Add a version, which is the current one from then on; return its number.

    Raises
    ------
    NotFound
        If there is no such alignment.
    VersionConflict
        If another version is current by now.
    InputError
        If the alignment cannot be kept.
    """
    from sqlalchemy import update

    from melisma.store.service import payload
    from melisma.store.service.tables import AlignmentRow, VersionRow

    moment, number = now(), new.based_on + 1
    row = VersionRow(
        alignment_id=alignment_id,
        version=number,
        parent=new.leads_back_to,
        source=new.source.value,
        author=new.author,
        summary=new.summary,
        engine=new.alignment.engine,
        corrected=json.dumps(sorted({int(index) for index in new.corrected})),
        payload=payload.write(new.alignment),
        created_at=moment,
    )
    as_it_was = (AlignmentRow.id == alignment_id) & (AlignmentRow.version == new.based_on)
    changes = {"version": number, "source": new.source.value, "updated_at": moment, **_counted(new.alignment)}
    statement = update(AlignmentRow).where(as_it_was).values(changes).returning(AlignmentRow.id)
    if session.execute(statement, execution_options={"synchronize_session": False}).first() is None:
        raise VersionConflict("alignment", new.based_on, current(session, alignment_id).version)
    session.add(row)
    session.flush()
    return number


def _counted(alignment: Alignment) -> dict[str, Any]:
    return {
        "n_words": len(alignment.words),
        "n_unsung": sum(word.unsung for word in alignment.words),
        "confidence_avg": alignment.confidence_avg,
    }


def know_track(
    session: Session, alignment_id: str, *, audio_hash: str = "", text_hash: str = "", lyrics: str | None = None
) -> None:
    """Keep what became known of an alignment's recording and lyrics while it was made; what is empty stays as it is."""
    from sqlalchemy import update

    from melisma.store.service.tables import AlignmentRow

    changes = {"audio_hash": audio_hash, "text_hash": text_hash, "lyrics": lyrics}
    known = {name: value for name, value in changes.items() if value}
    if known:
        statement = update(AlignmentRow).where(AlignmentRow.id == alignment_id).values(known)
        session.execute(statement, execution_options={"synchronize_session": False})


def version(session: Session, alignment_id: str, number: int | None = None) -> tuple[Alignment, Version]:
    """Return a version, the current one if not said which.

    Raises
    ------
    NotFound
        If there is no such alignment, or no such version of it.
    """
    from sqlalchemy import select

    from melisma.store.service import payload
    from melisma.store.service.tables import VersionRow

    if number is None:
        number = current(session, alignment_id).version
    row = session.execute(
        select(VersionRow).where(VersionRow.alignment_id == alignment_id, VersionRow.version == number)
    ).scalar_one_or_none()
    if row is None:
        current(session, alignment_id)  # says so where there is no such alignment at all
        raise NotFound("version", str(number))
    return payload.read(row.payload), version_of(row)


def versions(
    session: Session, alignment_id: str, *, limit: int = 50, before: int | None = None
) -> tuple[tuple[Version, ...], int | None]:
    """List the versions of an alignment, the newest first, and the number before which the next page begins."""
    from sqlalchemy import select

    from melisma.store.service.tables import VersionRow

    current(session, alignment_id)
    columns = (c for c in VersionRow.__table__.columns if c.name != "payload")
    statement = select(*columns).where(VersionRow.alignment_id == alignment_id)
    if before is not None:
        statement = statement.where(VersionRow.version < before)
    limit = max(1, min(limit, pages.LIMIT))
    rows = session.execute(statement.order_by(VersionRow.version.desc()).limit(limit + 1)).all()
    found = tuple(version_of(row) for row in rows[:limit])
    return found, found[-1].version if len(rows) > limit else None


def of_track(session: Session, audio_hash: str, text_hash: str) -> tuple[str, ...]:
    """Return the ids of the alignments of a recording's sound and lyrics, whatever they were asked to be made with."""
    from sqlalchemy import select

    from melisma.store.service.tables import AlignmentRow

    same = (AlignmentRow.audio_hash == audio_hash) & (AlignmentRow.text_hash == text_hash)
    return tuple(session.execute(select(AlignmentRow.id).where(same)).scalars())


def delete(session: Session, alignment_id: str) -> Record:
    """Remove an alignment with all its versions; return what it was. NotFound if there is none."""
    from sqlalchemy import delete as removal

    from melisma.store.service.tables import AlignmentRow

    found = get(session, alignment_id)
    session.execute(removal(AlignmentRow).where(AlignmentRow.id == alignment_id))
    return found


def _with_engine() -> Select[AlignmentRow, str]:
    from sqlalchemy import select

    from melisma.store.service.tables import AlignmentRow, VersionRow

    same = (VersionRow.alignment_id == AlignmentRow.id) & (VersionRow.version == AlignmentRow.version)
    # Rows are changed by statements here: what the session remembers of them may be older.
    statement = select(AlignmentRow, VersionRow.engine).execution_options(populate_existing=True)
    return statement.join(VersionRow, same, isouter=True)
