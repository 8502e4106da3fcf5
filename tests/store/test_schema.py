"""The schema: made by migrations, equal to the tables, refused where it is another."""

from __future__ import annotations

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from melisma.store import schema, tables
from melisma.store.connect import CALM
from melisma.store.database import Database
from melisma.store.keys import Track

NOW = datetime(2026, 1, 1, tzinfo=UTC)
NEWER = sa.text("UPDATE alembic_version SET version_num = '9999'")


@pytest.fixture(params=["sqlite", "postgresql"])
def bare(request):
    """URL of a database without any table."""
    if request.param == "sqlite":
        return request.getfixturevalue("sqlite")
    return request.getfixturevalue("postgres").new()


@pytest.fixture
def database(bare):
    made = Database(bare, CALM)
    yield made
    made.close()


def test_head_is_the_last_migration():
    script = ScriptDirectory(str(schema.CACHE.folder))
    assert script.get_heads() == [schema.HEAD]
    assert schema.CACHE.known()[-1] == schema.HEAD
    assert {found.revision for found in script.walk_revisions()} == set(schema.CACHE.known())


def test_the_migrations_make_what_the_tables_say(database):
    assert database.migrate() == (None, schema.HEAD)
    with database._engine.connect() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, tables.Base.metadata) == []


def test_the_comparison_sees_a_difference(database):
    """The test above would prove nothing if it could not fail."""
    database.migrate()
    with database._engine.begin() as connection:
        connection.execute(sa.text("ALTER TABLE alignments ADD COLUMN more INTEGER"))
        context = MigrationContext.configure(connection)
        assert [change[0] for change in compare_metadata(context, tables.Base.metadata)] == ["remove_column"]


def test_migrating_twice_changes_nothing(database):
    database.migrate()
    assert database.migrate() == (schema.HEAD, schema.HEAD)


def test_a_migration_can_be_taken_back(database):
    from alembic import command
    from alembic.config import Config

    database.migrate()
    config = Config()
    config.set_main_option("script_location", str(schema.CACHE.folder))
    with database._engine.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
    with database._engine.connect() as connection:
        assert sa.inspect(connection).get_table_names() == ["alembic_version"]


def test_a_newer_schema_is_left_as_it_is(database, entry):
    database.migrate()
    with database._engine.begin() as connection:
        connection.execute(NEWER)
    database.close()
    said = "made by a newer Melisma"
    with pytest.raises(schema.WrongSchema, match=said):
        database.find(entry.track, [entry.key], entry.created_at)
    with pytest.raises(schema.WrongSchema, match=said):
        database.migrate()


def test_postgresql_without_tables_asks_to_be_migrated(postgres, entry):
    database = Database(postgres.new(), CALM)
    with pytest.raises(schema.WrongSchema, match="has no tables yet: run melisma cache migrate"):
        database.find(entry.track, [entry.key], entry.created_at)
    database.close()


def test_an_old_schema_on_postgresql_asks_to_be_migrated(postgres, monkeypatch):
    database = Database(postgres.new("migrated"), CALM)
    monkeypatch.setattr(schema, "CACHE", replace(schema.CACHE, head="0002"))
    with (
        database._engine.connect() as connection,
        pytest.raises(schema.WrongSchema, match="old schema 0001: run"),
    ):
        schema.check(connection, database.name)
    database.close()


def test_many_processes_may_migrate_at_once(bare):
    code = f"from melisma.store.database import Database\nDatabase({bare!r}).migrate()"
    running = [subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE) for _ in range(4)]
    for process in running:
        _, error = process.communicate(timeout=120)
        assert process.returncode == 0, error.decode()
    database = Database(bare, CALM)
    assert database.sound_of("content", "decoder", NOW) is None
    database.close()


def test_a_migration_that_breaks_off_leaves_nothing(database, monkeypatch):
    """A process that is killed half way must not leave a schema that no migration knows how to go on with."""
    from alembic import command

    upgrade = command.upgrade

    def break_off(*args):
        upgrade(*args)
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "upgrade", break_off)
    with pytest.raises(KeyboardInterrupt):
        database.migrate()
    monkeypatch.undo()
    with database._engine.connect() as connection:
        assert sa.inspect(connection).get_table_names() == []
    assert database.migrate() == (None, schema.HEAD)
    assert database.best(Track("a", "b"), NOW).entry is None


def test_databases_may_be_migrated_at_once_by_threads_of_one_process(tmp_path):
    """Alembic keeps what it works on in its module: a service opens its own database while a job opens the cache."""
    databases = [Database(f"sqlite:///{tmp_path}/{n}.sqlite") for n in range(8)]
    start = threading.Barrier(len(databases))

    def migrate(database):
        start.wait()
        return database.migrate()

    with ThreadPoolExecutor(len(databases)) as pool:
        assert list(pool.map(migrate, databases)) == [(None, schema.HEAD)] * len(databases)
    for database in databases:
        database.close()
