"""The service's database: transactions, and what its failures mean.

Unlike the cache, which goes on without its database, the service refuses with 503 where it is out of reach: what it
keeps exists nowhere else. A damaged file is never moved aside by itself.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from melisma.core.errors import CacheError, NoRoom, StoreError
from melisma.store import connect, schema, sqlite_file
from melisma.store.service.schema import CHAIN

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

PATIENCE = connect.Patience(connect_s=3, statement_s=10.0, answer_s=20.0, migration_s=60.0)
_POOL = 40  # connections of one process that stay open: as many as threads that answer at once


class ServiceDatabase:
    """Transactions on SQLite (in WAL mode) or PostgreSQL.

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

    def __init__(self, url: str, patience: connect.Patience = PATIENCE) -> None:
        self.url = connect.parse(url, "MELISMA_DATABASE_URL")
        self.name = connect.shown(url)
        self.path = connect.sqlite_path(self.url)
        self._patience = patience
        self._engine = connect.make_engine(self.url, patience, n_connections=_POOL)
        if self.path is not None:
            from sqlalchemy import event

            event.listen(self._engine, "connect", _keep_references)
        self._open_in = -1
        self._lock = threading.Lock()

    @contextmanager
    def begin(self, *, write: bool = True) -> Iterator[Session]:
        """Open a transaction, committed when the block ends and rolled back when it raises.

        With `write` SQLite takes its one write lock at once, so that what is read in the block is what is changed.

        Raises
        ------
        StoreError
            If the database cannot be reached, or cannot be written. Errors of constraints (`IntegrityError`) are the
            caller's, who knows what they mean.
        """
        from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError
        from sqlalchemy.orm import Session

        try:
            self._opened()
            with Session(self._engine, expire_on_commit=False) as session, session.begin():
                if write and self.path is not None:
                    session.connection().exec_driver_sql("BEGIN IMMEDIATE")
                yield session
        except IntegrityError:
            raise
        except DBAPIError as error:
            raise self._meant(error.orig) from error
        except (SQLAlchemyError, OSError) as error:
            raise self._meant(error) from error

    def migrate(self) -> tuple[str | None, str]:
        """Bring the schema forward; return its version before and now.

        Raises
        ------
        StoreError
            If the database cannot be reached or changed, or is of a version that is not known here.
        """
        from sqlalchemy.exc import DBAPIError, SQLAlchemyError

        try:
            if self.path is not None:
                sqlite_file.make_folder(self.path)
            return schema.migrate(self._engine, self._patience.migration_s, CHAIN)
        except CacheError as error:
            raise StoreError(str(error)) from error
        except DBAPIError as error:
            raise self._meant(error.orig) from error
        except (SQLAlchemyError, OSError) as error:
            raise self._meant(error) from error

    def ping(self) -> None:
        """Raise StoreError unless the database answers and has our schema."""
        from sqlalchemy import text

        with self.begin(write=False) as session:
            session.execute(text("SELECT 1"))

    def close(self) -> None:
        """Close every connection that is not in use; the next use opens new ones."""
        self._open_in = -1
        self._engine.dispose()

    def _opened(self) -> None:
        try:
            self._open()
        except CacheError as error:  # what cache and service share speaks of a schema, or of a folder
            raise StoreError(str(error)) from error

    def _open(self) -> None:
        """Check the schema, once in a process; a SQLite file gets it, PostgreSQL waits to be migrated."""
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
                found = schema.revision(connection, CHAIN)
                if self.path is None:
                    schema.check(connection, self.name, CHAIN)
            if self.path is not None and found != CHAIN.head:
                self.migrate()
            self._open_in = os.getpid()

    def _meant(self, error: BaseException | None) -> StoreError:
        said = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
        if (
            getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
            or getattr(error, "sqlstate", None) == "53100"
        ):
            return NoRoom(f"there is no room for the service's database: {said}")
        return StoreError(f"the service's database cannot be used now: {said}")


def _keep_references(connection: Any, _: object) -> None:
    connection.execute("PRAGMA foreign_keys=ON").close()
