"""A schema's version: looked at whenever a database is opened, brought forward by Alembic where it is old.

There are two schemas, the cache's and the service's. They may live in one database and know nothing of each other.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from melisma.core.errors import CacheError

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

HEAD = "0001"  # of migrations/versions; a test compares
_ONE_AT_A_TIME = threading.Lock()  # Alembic keeps what it works on in its module, whichever database that is


class WrongSchema(CacheError):
    """The schema of a database is not the one that this version reads and writes."""


@dataclass(frozen=True, slots=True)
class Chain:
    """The migrations of one schema.

    Parameters
    ----------
    folder : Path
        Holds env.py and versions/.
    head : str
        Its newest version.
    table : str
        Where a database says which version it has.
    what, command : str
        What sentences call it, and the command that brings it forward.
    lock : int
        Any number, the same for everybody who migrates this schema.
    """

    folder: Path
    head: str
    table: str
    what: str
    command: str
    lock: int

    def known(self) -> tuple[str, ...]:
        """Versions that this package has migrations of."""
        return tuple(sorted(path.name.partition("_")[0] for path in (self.folder / "versions").glob("[0-9]*.py")))


CACHE = Chain(
    folder=Path(__file__).parent / "migrations",
    head=HEAD,
    table="alembic_version",
    what="the cache",
    command="melisma cache migrate",
    lock=0x6D656C69,  # "meli"
)


def revision(connection: Connection, chain: Chain | None = None) -> str | None:
    """Return the version of the schema, None where there is none yet."""
    from sqlalchemy import column, inspect, select, table

    chain = chain or CACHE
    if not inspect(connection).has_table(chain.table):
        return None
    return connection.execute(select(column("version_num")).select_from(table(chain.table))).scalar()


def check(connection: Connection, name: str, chain: Chain | None = None) -> None:
    """Refuse a schema that is not ours.

    Raises
    ------
    WrongSchema
        The sentence says what to do.
    """
    chain = chain or CACHE
    found = revision(connection, chain)
    if found == chain.head:
        return
    if found is not None and found not in chain.known():
        raise WrongSchema(
            f"{chain.what} {name} was made by a newer Melisma (schema {found}, this one knows {chain.head})"
        )
    has = f"has the old schema {found}" if found else "has no tables yet"
    raise WrongSchema(f"{chain.what} {name} {has}: run {chain.command}")


def migrate(engine: Engine, wait_s: float, chain: Chain | None = None) -> tuple[str | None, str]:
    """Bring the schema to the head of its chain; return its version before and now.

    All of it or nothing is done; a process waits for another that does the same, but no longer than `wait_s` seconds.

    Raises
    ------
    WrongSchema
        If it is newer than this package.
    """
    chain = chain or CACHE
    try:
        with engine.begin() as connection:
            return _migrate(connection, int(wait_s * 1000), chain), chain.head
    finally:
        engine.dispose()  # its connections wait longer now than anybody else should


def _migrate(connection: Connection, wait_ms: int, chain: Chain) -> str | None:
    from alembic import command
    from alembic.config import Config
    from sqlalchemy import text

    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = {wait_ms}"))
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": chain.lock})
    else:
        connection.exec_driver_sql(f"PRAGMA busy_timeout = {wait_ms}")
        connection.exec_driver_sql("BEGIN IMMEDIATE")  # Python's driver begins none for DDL
    before = revision(connection, chain)
    if before is not None and before not in chain.known():
        raise WrongSchema(f"{chain.what} was made by a newer Melisma (schema {before}, this one knows {chain.head})")
    config = Config()
    config.set_main_option("script_location", str(chain.folder).replace("%", "%%"))
    config.attributes["connection"] = connection
    with _ONE_AT_A_TIME:
        command.upgrade(config, chain.head)
    return before


def developer_engine() -> Engine:
    """Return an engine for Alembic's own command line, which writes new migrations."""
    from melisma.store.connect import CALM, make_engine, parse
    from melisma.store.settings import from_environment

    return make_engine(parse(from_environment().url), CALM)
