"""What Alembic runs: migrations over the connection that `melisma.store.schema` hands in."""

from __future__ import annotations

from alembic import context

from melisma.store.service.schema import CHAIN
from melisma.store.service.tables import Base


def _own(name: str | None, kind: str, _: object) -> bool:
    """Whether a table is the service's: the cache may live in the same database."""
    return kind != "table" or name in Base.metadata.tables


def _run() -> None:
    # Batches, because SQLite cannot alter most of a table in place.
    context.configure(
        connection=context.config.attributes["connection"],
        target_metadata=Base.metadata,
        version_table=CHAIN.table,
        include_name=_own,
        render_as_batch=True,
    )
    with context.begin_transaction():
        context.run_migrations()


if __name__ == "env_py":  # the name under which Alembic loads this file; whoever imports it by another runs nothing
    _run()
