"""The tables: kept alignments, and which file holds which sound. To be imported inside functions only: it is slow."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import DateTime, Dialect, Float, Index, Integer, LargeBinary, String, Text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator


class Moment(TypeDecorator[datetime]):
    """A moment in UTC, also where a database has no time zones."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Turn into UTC; SQLite keeps what is on the clock."""
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Say that it is UTC where the database does not."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    """Tables of the cache; `migrations/` makes them."""


class KeptAlignment(Base):
    """An alignment. Columns are for looking up and for people; the payload carries everything."""

    __tablename__ = "alignments"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    source: Mapped[str] = mapped_column(String(32))
    audio_hash: Mapped[str] = mapped_column(String(64))
    text_hash: Mapped[str] = mapped_column(String(64))
    language: Mapped[str] = mapped_column(Text)
    engine: Mapped[str] = mapped_column(Text)
    engine_version: Mapped[str] = mapped_column(Text)
    model_id: Mapped[str] = mapped_column(Text)
    model_revision: Mapped[str] = mapped_column(Text)
    pipeline: Mapped[str] = mapped_column(Text)
    flags: Mapped[str] = mapped_column(Text)
    artist: Mapped[str] = mapped_column(Text)
    title: Mapped[str] = mapped_column(Text)
    word_count: Mapped[int] = mapped_column(Integer)
    confidence_avg: Mapped[float | None] = mapped_column(Float)
    created_at: Mapped[datetime] = mapped_column(Moment)
    expires_at: Mapped[datetime | None] = mapped_column(Moment)
    payload: Mapped[bytes] = mapped_column(LargeBinary)

    __table_args__ = (
        Index("ix_alignments_track", "audio_hash", "text_hash"),
        Index("ix_alignments_expires_at", "expires_at"),
        Index("ix_alignments_source", "source"),
    )


class HeardFile(Base):
    """Which sound the bytes of a file decode to, so that a file that is known need not be decoded."""

    __tablename__ = "heard_files"

    content: Mapped[str] = mapped_column(String(64), primary_key=True)
    decoder: Mapped[str] = mapped_column(String(64), primary_key=True)
    audio_hash: Mapped[str] = mapped_column(String(64))
    expires_at: Mapped[datetime] = mapped_column(Moment)

    __table_args__ = (Index("ix_heard_files_expires_at", "expires_at"),)
