"""The SQLite file itself: made private, told when it is damaged, and then moved aside, never deleted."""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

from melisma.core.errors import CacheError

_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_BESIDE = ("-wal", "-shm")  # what SQLite keeps beside a file that is in use


def make_folder(path: Path) -> None:
    """Make the folder of the file where it is missing, for its owner alone: it tells what somebody listens to.

    Raises
    ------
    CacheError
        If it cannot be made.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise CacheError(f"cannot make the folder {path.parent}: {error.strerror or error}") from error


def is_damage(error: BaseException | None) -> bool:
    """Whether SQLite says that the file is damaged, or no database at all."""
    code = getattr(error, "sqlite_errorcode", None)
    return isinstance(code, int) and code & 0xFF in _DAMAGED  # the low byte: extended codes say where


def move_aside(path: Path) -> Path | None:
    """Move a damaged file out of the way, with what SQLite keeps beside it.

    Several processes may find the damage at once: one moves, the others find a good file or none.

    Returns
    -------
    Path or None
        Where it is now; None if there is nothing to move any more.

    Raises
    ------
    CacheError
        If it cannot be moved.
    """
    try:
        with _locked(path):
            if not path.exists() or _sound(path):
                return None
            moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
            aside = path.with_name(f"{path.name}.damaged-{moment}")
            for suffix in _BESIDE:
                with contextlib.suppress(FileNotFoundError):
                    os.rename(f"{path}{suffix}", f"{aside}{suffix}")
            os.rename(path, aside)
            return aside
    except OSError as error:
        raise CacheError(f"the damaged cache {path} cannot be moved aside: {error.strerror or error}") from error


def size(path: Path) -> int:
    """Bytes of the file and of what SQLite keeps beside it."""
    found = 0
    for suffix in ("", *_BESIDE):
        with contextlib.suppress(OSError):
            found += os.stat(f"{path}{suffix}").st_size
    return found


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with open(path.with_name(f"{path.name}.lock"), "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _sound(path: Path) -> bool:
    """Whether SQLite finds nothing wrong with the file; it only reads, so that what lies beside it stays."""
    try:
        address = f"file:{quote(str(path))}?mode=ro"
        with contextlib.closing(sqlite3.connect(address, timeout=2.0, uri=True)) as connection:
            return bool(connection.execute("PRAGMA quick_check(1)").fetchone() == ("ok",))
    except sqlite3.DatabaseError as error:
        return not is_damage(error)
