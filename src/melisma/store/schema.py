"""The schema's version: looked at whenever a database is opened, brought forward by Alembic where it is old."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from melisma.core.errors import CacheError

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

HEAD = "0001"  # of migrations/versions; a test compares
_FOLDER = Path(__file__).parent / "migrations"
_LOCK = 0x6D656C69  # "meli": any number, the same for everybody who migrates this cache


class WrongSchema(CacheError):
    """The schema of a database is not the one that this version reads and writes."""


def revision(connection: Connection) -> str | None:
    """Return the version of the schema, None where there is none yet."""
    from sqlalchemy import inspect, text

    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def check(connection: Connection, name: str) -> None:
    """Refuse a schema that is not ours.

    Raises
    ------
    WrongSchema
        The sentence says what to do.
    """
    found = revision(connection)
    if found == HEAD:
        return
    if found is not None and found not in known():
        raise WrongSchema(f"the cache {name} was made by a newer Melisma (schema {found}, this one knows {HEAD})")
    has = f"has the old schema {found}" if found else "has no tables yet"
    raise WrongSchema(f"the cache {name} {has}: run melisma cache migrate")


def known() -> tuple[str, ...]:
    """Versions that this package has migrations of."""
    return tuple(sorted(path.name.partition("_")[0] for path in (_FOLDER / "versions").glob("[0-9]*.py")))


def migrate(engine: Engine, wait_s: float) -> tuple[str | None, str]:
    """Bring the schema to `HEAD`; return its version before and now.

    All of it or nothing is done; a process waits for another that does the same, but no longer than `wait_s` seconds.

    Raises
    ------
    WrongSchema
        If it is newer than this package.
    """
    try:
        with engine.begin() as connection:
            return _migrate(connection, int(wait_s * 1000)), HEAD
    finally:
        engine.dispose()  # its connections wait longer now than anybody else should


def _migrate(connection: Connection, wait_ms: int) -> str | None:
    from alembic import command
    from alembic.config import Config
    from sqlalchemy import text

    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = {wait_ms}"))
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    else:
        connection.exec_driver_sql(f"PRAGMA busy_timeout = {wait_ms}")
        connection.exec_driver_sql("BEGIN IMMEDIATE")  # Python's driver begins none for DDL
    before = revision(connection)
    if before is not None and before not in known():
        raise WrongSchema(f"the cache was made by a newer Melisma (schema {before}, this one knows {HEAD})")
    config = Config()
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, HEAD)
    return before


def developer_engine() -> Engine:
    """Return an engine for Alembic's own command line, which writes new migrations."""
    from melisma.store.connect import CALM, make_engine, parse
    from melisma.store.settings import from_environment

    return make_engine(parse(from_environment().url), CALM)
