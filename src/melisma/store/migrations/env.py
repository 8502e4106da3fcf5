"""What Alembic runs: migrations over the connection that `melisma.store.schema` hands in, or over MELISMA_CACHE_URL."""

from __future__ import annotations

from alembic import context
from sqlalchemy import Connection

from melisma.store.tables import Base


def _migrate(connection: Connection) -> None:
    # Batches, because SQLite cannot alter most of a table in place.
    context.configure(connection=connection, target_metadata=Base.metadata, render_as_batch=True)
    with context.begin_transaction():
        context.run_migrations()


def _run() -> None:
    connection = context.config.attributes.get("connection")
    if connection is not None:
        _migrate(connection)
        return
    from melisma.store.schema import developer_engine

    with developer_engine().connect() as own:
        _migrate(own)


if __name__ == "env_py":  # the name under which Alembic loads this file; whoever imports it by another runs nothing
    _run()
