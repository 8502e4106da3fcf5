"""What gathers dust in the data folder and in the database: found, and removed where nothing refers to it any more."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from melisma.store.service import jobs, receipts, songs

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from melisma.store.service.database import ServiceDatabase

FILES, DERIVED, INCOMING = "files", "derived", "incoming"
_YOUNG_S = 24 * 3600  # a file that is younger may belong to a call that has not said so yet


@dataclass(frozen=True, slots=True)
class Swept:
    """How much was removed: files that nothing refers to, uploads that never ended, rows, and the bytes of it all."""

    n_files: int = 0
    n_uploads: int = 0
    n_derived: int = 0
    n_jobs: int = 0
    n_receipts: int = 0
    n_bytes: int = 0


def sweep(database: ServiceDatabase, data: Path, keep_days: float, now: datetime | None = None) -> Swept:
    """Remove orphaned files, uploads that never ended, receipts that hold no more and jobs that are long over.

    A service may run meanwhile: a file is removed only if it is a day old and no row names it at that moment.

    Parameters
    ----------
    database : ServiceDatabase
        Songs, exports, jobs, receipts.
    data : Path
        The data folder.
    keep_days : float
        How long a job that is over stays.
    now : datetime, optional
        The moment, with a time zone.

    Raises
    ------
    StoreError
        If the database cannot be used.
    """
    moment = now or datetime.now(UTC)
    before = moment.timestamp() - _YOUNG_S
    uploads = [_remove(path) for path in _old(data / FILES / INCOMING, "*", before)]
    files = [_let_go(database, path, before) for path in _orphans(database, data / FILES, before)]
    derived = [_let_go(database, path, before) for path in _orphans(database, data / DERIVED, before)]
    with database.begin() as session:
        n_jobs = jobs.prune(session, keep_days)
        n_receipts = _drop_receipts(session, moment)
    gone = [[n for n in removed if n is not None] for removed in (files, uploads, derived)]
    n_bytes = sum(map(sum, gone))
    return Swept(len(gone[0]), len(gone[1]), len(gone[2]), n_jobs, n_receipts, n_bytes)


def contents(session: Session) -> set[str]:
    """Return the hashes of all files that a row names."""
    from sqlalchemy import select

    from melisma.store.service.tables import ExportRow, SongRow

    found = {content for (content,) in session.execute(select(SongRow.content))}
    return found | {content for (content,) in session.execute(select(ExportRow.content))}


def files_named(session: Session) -> dict[str, str]:
    """Return content and suffix of every file that has to lie in the store; a song of the library has none there."""
    from sqlalchemy import select

    from melisma.store.service.tables import ExportRow, SongRow

    songs = select(SongRow.content, SongRow.suffix).where(SongRow.library_path.is_(None))
    made = select(ExportRow.content, ExportRow.suffix)
    return {content: suffix for asked in (songs, made) for content, suffix in session.execute(asked)}


def _orphans(database: ServiceDatabase, folder: Path, before: float) -> Iterator[Path]:
    """Yield old files of which no row names the content now."""
    old = [path for path in _old(folder, "*/**/*", before) if INCOMING not in path.relative_to(folder).parts]
    if not old:
        return
    with database.begin(write=False) as session:
        named = contents(session)
    for path in old:
        if len(_content(path)) == 64 and _content(path) not in named:
            yield path


def _let_go(database: ServiceDatabase, path: Path, before: float) -> int | None:
    """Remove a file that is still old and that still no row names, while whoever would take it up again waits."""
    from sqlalchemy import select

    from melisma.store.service.tables import ExportRow, SongRow

    content = _content(path)
    with database.begin() as session:
        songs.hold_file(session, content)
        for table in (SongRow, ExportRow):
            if session.execute(select(table.id).where(table.content == content).limit(1)).first() is not None:
                return None
        with contextlib.suppress(OSError):
            if path.stat().st_mtime < before:
                return _remove(path)
    return None


def _content(path: Path) -> str:
    return path.name.partition(".")[0]


def _old(folder: Path, pattern: str, before: float) -> list[Path]:
    found = []
    for path in sorted(folder.glob(pattern)) if folder.is_dir() else ():
        with contextlib.suppress(OSError):
            if path.is_file() and not path.is_symlink() and path.stat().st_mtime < before:
                found.append(path)
    return found


def _remove(path: Path) -> int | None:
    """Remove a file; return its size, None where it is gone already or may not be removed."""
    with contextlib.suppress(OSError):
        size = path.stat().st_size
        path.unlink()
        return size
    return None


def _drop_receipts(session: Session, moment: datetime) -> int:
    from sqlalchemy import delete

    from melisma.store.service.tables import ReceiptRow

    old = delete(ReceiptRow).where(ReceiptRow.created_at < moment - receipts.KEPT)
    return len(session.execute(old.returning(ReceiptRow.key)).all())
