"""Which version the service's tables have."""

from __future__ import annotations

from pathlib import Path

from melisma.store.schema import Chain

CHAIN = Chain(
    folder=Path(__file__).parent / "migrations",
    head="0001",
    table="service_alembic_version",
    what="the service's database",
    command="melisma serve --migrate, or melisma service migrate",
    lock=0x73657276,  # "serv"
)
