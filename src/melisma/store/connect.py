"""From a URL to an engine of SQLAlchemy, with the time-outs that keep a dead server from holding anybody up."""

from __future__ import annotations

import sqlite3
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from melisma.core.errors import InputError, MissingDependency
from melisma.store.settings import SQLITE
from melisma.store.settings import URL as CACHE_URL

if TYPE_CHECKING:
    from sqlalchemy import URL, Engine

# A server whose machine is gone says nothing at all: noticed within half a minute, not after the two hours of TCP.
_ALIVE = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3, "tcp_user_timeout": 25_000}
_POSTGRES = ("postgresql+psycopg", "postgresql", "postgres")


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a database may take, in seconds."""

    connect_s: int = 2  # libpq takes no less
    statement_s: float = 2.0  # one statement on PostgreSQL, or waiting for the lock of a SQLite file
    answer_s: float = 5.0  # everything, connecting included, after which a server counts as dead
    migration_s: float = 20.0  # waiting for another process that migrates


HURRIED = Patience()  # beside an alignment
CALM = Patience(connect_s=5, statement_s=60.0, answer_s=120.0, migration_s=120.0)  # who asks for the cache itself


def parse(url: str, variable: str = CACHE_URL) -> URL:
    """Read the URL of a database; a path alone is that of a SQLite file.

    Parameters
    ----------
    url : str
        As it was set.
    variable : str
        Where, for the sentence of an error.

    Raises
    ------
    InputError
        If it is no URL of SQLite or PostgreSQL.
    """
    from sqlalchemy import URL, make_url
    from sqlalchemy.exc import ArgumentError

    if "://" not in url:
        url = f"{SQLITE}{url}"
    if url.startswith("sqlite:"):
        path = url.removeprefix(SQLITE)
        if path in ("", ":memory:", url):
            raise InputError(f"{variable} names no SQLite file: write sqlite:///path/to/file")
        return URL.create("sqlite", database=str(Path(path).expanduser().absolute()))
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError) as error:  # a port that is no number is a ValueError
        raise InputError(f"{variable} is no URL: write sqlite:///path or postgresql://user@host/base") from error
    if parsed.drivername not in _POSTGRES:
        raise InputError(f"{variable} names a database in SQLite or PostgreSQL, not in {parsed.drivername!r}")
    return parsed.set(drivername=_POSTGRES[0])


def shown(url: str) -> str:
    """Spell a URL so that it can be printed: the password hidden, a SQLite file by its path."""
    parsed = parse(url)
    return str(parsed.database) if parsed.get_backend_name() == "sqlite" else parsed.render_as_string(True)


def sqlite_path(url: URL) -> Path | None:
    """Return the file of a SQLite database, None for a server."""
    return Path(str(url.database)) if url.get_backend_name() == "sqlite" else None


def make_engine(url: URL, patience: Patience, n_connections: int = 2) -> Engine:
    """Make an engine; nothing is connected yet.

    Raises
    ------
    MissingDependency
        If the driver of PostgreSQL is not installed.
    """
    from sqlalchemy import create_engine, event

    if url.get_backend_name() == "sqlite":
        engine = create_engine(url, connect_args={"timeout": patience.statement_s}, pool_size=max(n_connections, 5))
        event.listen(engine, "connect", lambda connection, _: prepare_sqlite(connection, patience.statement_s))
        return engine
    try:
        import psycopg  # noqa: F401
    except ImportError as error:
        raise MissingDependency(
            "PostgreSQL needs a package that is not installed: pip install 'melisma[postgres]'"
        ) from error
    return create_engine(
        url, connect_args=_postgres_arguments(url, patience), pool_pre_ping=True, pool_size=n_connections
    )


def _postgres_arguments(url: URL, patience: Patience) -> dict[str, Any]:
    ms = int(patience.statement_s * 1000)
    wanted = {
        "connect_timeout": patience.connect_s,
        "options": f"-c statement_timeout={ms} -c lock_timeout={ms}",
        "application_name": "melisma",
        **_ALIVE,
    }
    return {name: value for name, value in wanted.items() if name not in url.query}


def prepare_sqlite(connection: sqlite3.Connection, wait_s: float) -> None:
    """Let many processes use a SQLite file, without waiting for the disk at each commit; a new connection is given."""
    ends = time.monotonic() + wait_s
    try:
        while not _in_wal_mode(connection):
            if time.monotonic() > ends:
                raise sqlite3.OperationalError("database is locked")
            time.sleep(0.02)
        connection.execute("PRAGMA synchronous=NORMAL").close()  # a power cut may lose the last rows, never the file
    except BaseException:
        connection.close()
        raise


def _in_wal_mode(connection: sqlite3.Connection) -> bool:
    """Let readers and one writer work at the same time; False where another process is just about to do so.

    Who changes the mode has the file to itself for a moment, and SQLite's own patience does not reach to that lock.
    """
    try:
        connection.execute("PRAGMA journal_mode=WAL").close()
    except sqlite3.OperationalError as error:
        if "locked" in str(error):
            return False
        raise
    return True
