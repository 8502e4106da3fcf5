"""Rows in SQLite or PostgreSQL: found by track and key, replaced by what is newer, gone when their time is over.

Every method opens what it needs and raises what goes wrong; `melisma.store.cache` decides what a failure means.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from melisma.store import connect, payload, schema, sqlite_file
from melisma.store.entries import GIVEN, Entry, Source
from melisma.store.guard import within
from melisma.store.keys import ResultKey, Track, given_digest

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement
    from sqlalchemy.orm import Session

T = TypeVar("T")

_FILE_DAYS = 365  # how long it is remembered which sound a file holds
_SWEPT = 100  # expired rows that leave when one comes


@dataclass(frozen=True, slots=True)
class Found:
    """What a look-up found: the best entry or None, its bytes, and how many damaged rows were passed over."""

    entry: Entry | None
    data: bytes = b""  # of the entry
    n_damaged: int = 0


@dataclass(frozen=True, slots=True)
class Chosen:
    """Rows that are to go; what a user corrected is never among them unless its source is named.

    Parameters
    ----------
    sources : tuple of Source
        Only these; none means any but what a user corrected.
    engine : str
        Only those of this engine, if given.
    before : datetime or None
        Only those made before.
    expired : datetime or None
        Only those whose time was over then.
    everything : bool
        Of all sources, those that only a newer Melisma knows among them.
    audio_hash, text_hash : str or None
        Only those of this sound, and of these lyrics, if given.
    """

    sources: tuple[Source, ...] = ()
    engine: str = ""
    before: datetime | None = None
    expired: datetime | None = None
    everything: bool = False
    audio_hash: str | None = None
    text_hash: str | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """Rows of one source and engine."""

    source: str
    engine: str
    n_rows: int
    n_expired: int
    oldest: datetime
    newest: datetime


class Database:
    """The rows of one database.

    Parameters
    ----------
    url : str
        Of SQLite or PostgreSQL, or the path of a SQLite file.
    patience : Patience
        How long it may take.

    Raises
    ------
    InputError
        If the URL cannot be used.
    MissingDependency
        If the driver of PostgreSQL is not installed.
    """

    def __init__(self, url: str, patience: connect.Patience = connect.HURRIED) -> None:
        self.url = connect.parse(url)
        self.name = connect.shown(url)
        self.path = connect.sqlite_path(self.url)
        self._patience = patience
        self._engine = connect.make_engine(self.url, patience)
        self._open_in = -1  # process that has checked the schema
        self._lock = threading.Lock()

    def find(self, track: Track, keys: Sequence[ResultKey], now: datetime) -> Found:
        """Look for what somebody brought for the track, then for the computed results in the order of their keys."""
        wanted = [given_digest(track, source) for source in GIVEN] + [key.digest for key in keys]
        tables = _tables()
        rows = self._within(lambda session: self._rows(session, tables.KeptAlignment.digest.in_(wanted), now))
        return _first(sorted(rows, key=lambda row: wanted.index(row.digest)))

    def best(self, track: Track, now: datetime) -> Found:
        """Look for the most trusted alignment of a track, whatever made it; among equals the newest."""
        kept = _tables().KeptAlignment
        same = (kept.audio_hash == track.audio_hash) & (kept.text_hash == track.text_hash)
        rows = [row for row in self._within(lambda session: self._rows(session, same, now)) if _source(row)]
        return _first(sorted(rows, key=lambda row: (Source(row.source).rank, -row.created_at.timestamp())))

    def put(self, entry: Entry, data: bytes, now: datetime) -> bool:
        """Keep an entry, as `payload.write` spells it, in the place of the one with its digest; True when it is kept.

        A few expired rows leave when one comes.
        """
        row = row_of(entry, data)

        def write(session: Session) -> bool:
            self._upsert(session, _tables().KeptAlignment, row, ["digest"])
            self._sweep(session, now)
            return True

        return self._within(write)

    def sound_of(self, content: str, decoder: str, now: datetime) -> str | None:
        """Return the audio hash of a file whose bytes were seen before."""
        from sqlalchemy import select

        heard = _tables().HeardFile
        same = (heard.content == content) & (heard.decoder == decoder) & (heard.expires_at > now)
        return self._within(lambda session: session.execute(select(heard.audio_hash).where(same)).scalar())

    def remember_sound(self, content: str, decoder: str, audio_hash: str, now: datetime) -> bool:
        """Remember which sound the bytes of a file decode to; True when that is done."""
        until = now + timedelta(days=_FILE_DAYS)
        row = {"content": content, "decoder": decoder, "audio_hash": audio_hash, "expires_at": until}
        return self._within(lambda session: self._upsert(session, _tables().HeardFile, row, ["content", "decoder"]))

    def remove(self, chosen: Chosen) -> dict[tuple[str, str], list[str]]:
        """Remove rows; return the digests of those that are gone, by source and engine."""
        from sqlalchemy import delete

        kept = _tables().KeptAlignment
        statement = delete(kept).where(*_conditions(chosen)).returning(kept.source, kept.engine, kept.digest)

        def write(session: Session) -> dict[tuple[str, str], list[str]]:
            gone: dict[tuple[str, str], list[str]] = {}
            for source, engine, digest in session.execute(statement).all():
                gone.setdefault((source, engine), []).append(digest)
            return gone

        return self._within(write)

    def count(self, chosen: Chosen) -> int:
        """Return how many rows `remove` would remove."""
        from sqlalchemy import func, select

        statement = select(func.count()).select_from(_tables().KeptAlignment).where(*_conditions(chosen))
        return self._within(lambda session: session.execute(statement).scalar_one())

    def forget_files(self, now: datetime | None = None) -> int:
        """Forget which files hold which sounds, all of them or those whose time is over; return how many."""
        from sqlalchemy import delete

        heard = _tables().HeardFile
        statement = delete(heard).returning(heard.content)
        if now is not None:
            statement = statement.where(heard.expires_at <= now)
        return self._within(lambda session: len(session.execute(statement).all()))

    def forget_file(self, content: str) -> int:
        """Forget which sound one file holds; return how many rows that were."""
        from sqlalchemy import delete

        heard = _tables().HeardFile
        statement = delete(heard).where(heard.content == content).returning(heard.decoder)
        return self._within(lambda session: len(session.execute(statement).all()))

    def groups(self, now: datetime) -> list[Group]:
        """Count the rows by source and engine."""
        from sqlalchemy import case, func, select

        kept = _tables().KeptAlignment
        over = func.sum(case((kept.expires_at <= now, 1), else_=0))
        times = func.min(kept.created_at), func.max(kept.created_at)
        statement = select(kept.source, kept.engine, func.count(), over, *times).group_by(kept.source, kept.engine)
        rows = self._within(lambda session: session.execute(statement).all())
        return sorted((Group(*row) for row in rows), key=lambda group: (group.source, group.engine))

    def n_files(self) -> int:
        """How many files are known by their sound."""
        from sqlalchemy import func, select

        statement = select(func.count()).select_from(_tables().HeardFile)
        return self._within(lambda session: session.execute(statement).scalar_one())

    def n_bytes(self) -> int:
        """Return what the tables take on disk."""
        from sqlalchemy import text

        if self.path is not None:
            return sqlite_file.size(self.path)
        total = "SELECT pg_total_relation_size('alignments') + pg_total_relation_size('heard_files')"
        return self._within(lambda session: int(session.execute(text(total)).scalar_one()))

    def compact(self) -> None:
        """Give the room of removed rows back to the file system; PostgreSQL does so by itself."""
        if self.path is not None:
            with self._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.exec_driver_sql("VACUUM")
                connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")

    def migrate(self) -> tuple[str | None, str]:
        """Bring the schema forward; return its version before and now."""
        if self.path is not None:
            sqlite_file.make_folder(self.path)
        return schema.migrate(self._engine, self._patience.migration_s)

    def close(self) -> None:
        """Close every connection that is not in use; the next use opens new ones, and looks at the schema again."""
        # Without the lock: a thread that waits for a dead server may hold it.
        self._open_in = -1
        self._engine.dispose()

    def _within(self, work: Callable[[Session], T]) -> T:
        """Do work in one transaction, on a server within the time that it is given."""
        from sqlalchemy.orm import Session

        def run() -> T:
            self._open()
            pool = self._engine.pool
            try:
                with Session(self._engine) as session, session.begin():
                    return work(session)
            finally:
                if self._engine.pool is not pool:  # nobody waited: everything was closed meanwhile, but not this
                    pool.dispose()

        return run() if self.path is not None else within(self._patience.answer_s, run)

    def _open(self) -> None:
        """Check the schema, once in a process; a SQLite file gets it, PostgreSQL waits for `melisma cache migrate`."""
        if self._open_in == os.getpid():
            return
        with self._lock:
            if self._open_in == os.getpid():
                return
            if self._open_in != -1:  # connections of the parent process are its own
                self._engine.dispose(close=False)
            if self.path is not None:
                sqlite_file.make_folder(self.path)
            with self._engine.connect() as connection:
                found = schema.revision(connection)
                if self.path is None:
                    schema.check(connection, self.name)
            if self.path is not None and found != schema.CACHE.head:
                schema.migrate(self._engine, self._patience.migration_s)
            self._open_in = os.getpid()

    def _rows(self, session: Session, condition: ColumnElement[bool], now: datetime) -> Sequence[Any]:
        from sqlalchemy import select

        kept = _tables().KeptAlignment
        lasting = kept.expires_at.is_(None) | (kept.expires_at > now)
        columns = (kept.digest, kept.source, kept.created_at, kept.expires_at, kept.payload)
        return session.execute(select(*columns).where(condition, lasting)).all()

    def _upsert(self, session: Session, table: Any, row: dict[str, Any], same: list[str]) -> bool:
        if self.path is not None:
            from sqlalchemy.dialects.sqlite import insert
        else:
            from sqlalchemy.dialects.postgresql import insert  # type: ignore[assignment]
        statement = insert(table).values(row)
        changed = {name: statement.excluded[name] for name in row if name not in same}
        session.execute(statement.on_conflict_do_update(index_elements=same, set_=changed))
        return True

    def _sweep(self, session: Session, now: datetime) -> None:
        from sqlalchemy import delete, select

        kept = _tables().KeptAlignment
        over = select(kept.digest).where(kept.expires_at <= now).limit(_SWEPT)
        session.execute(delete(kept).where(kept.digest.in_(over)))


def _tables() -> Any:
    from melisma.store import tables

    return tables


def _source(row: Any) -> Source | None:
    """Return the source of a row; None for one that a newer Melisma knows."""
    return Source(row.source) if row.source in list(Source) else None


def _first(rows: Sequence[Any]) -> Found:
    """Read the first row that is whole; its columns say how long it holds, whoever changed them."""
    n_damaged = 0
    for row in rows:
        try:
            entry = payload.read(row.payload, row.digest)
            return Found(replace(entry, expires_at=row.expires_at), row.payload, n_damaged)
        except payload.DamagedEntry:
            n_damaged += 1
    return Found(None, n_damaged=n_damaged)


def row_of(entry: Entry, data: bytes) -> dict[str, Any]:
    """Return the columns of an entry; `data` is the entry as `payload.write` spells it."""
    key, alignment = entry.key, entry.alignment
    row: dict[str, Any] = {
        "digest": entry.digest,
        "source": entry.source.value,
        "audio_hash": entry.track.audio_hash,
        "text_hash": entry.track.text_hash,
        "language": alignment.language if key is None else key.language,
        "engine": alignment.engine if key is None else key.engine,
        "engine_version": alignment.engine_version if key is None else key.engine_version,
        "model_id": alignment.model_id if key is None else key.model_id,
        "model_revision": alignment.model_revision if key is None else key.model_revision,
        "pipeline": "" if key is None else key.pipeline,
        "flags": "{}" if key is None else key.flags,
        "artist": entry.artist,
        "title": entry.title,
        "word_count": len(alignment.words),
        "confidence_avg": alignment.confidence_avg,
        "created_at": entry.created_at,
        "expires_at": entry.expires_at,
        "payload": data,
    }
    # PostgreSQL takes no NUL in a text; the payload keeps it.
    return {name: value.replace("\0", "") if isinstance(value, str) else value for name, value in row.items()}


def _conditions(chosen: Chosen) -> list[ColumnElement[bool]]:
    kept = _tables().KeptAlignment
    found: list[ColumnElement[bool]] = []
    if chosen.sources:
        found.append(kept.source.in_([source.value for source in chosen.sources]))
    elif not chosen.everything:
        found.append(kept.source != Source.USER_CORRECTED.value)
    if chosen.engine:
        found.append(kept.engine == chosen.engine)
    if chosen.audio_hash is not None:
        found.append(kept.audio_hash == chosen.audio_hash)
    if chosen.text_hash is not None:
        found.append(kept.text_hash == chosen.text_hash)
    if chosen.before is not None:
        found.append(kept.created_at < chosen.before)
    if chosen.expired is not None:
        found.append(kept.expires_at <= chosen.expired)
    return found
