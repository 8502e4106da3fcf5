"""The service's tables. To be imported inside functions only: it is slow."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, Boolean, Float, ForeignKey, Index, Integer, LargeBinary, String, Text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from melisma.store.tables import Moment

ID = String(32)  # uuid4, hexadecimal
HASH = String(64)  # SHA-256, hexadecimal


class Base(DeclarativeBase):
    """Tables of the service; `migrations/` makes them."""


class SongRow(Base):
    """A recording, and what people call it."""

    __tablename__ = "service_songs"

    id: Mapped[str] = mapped_column(ID, primary_key=True)
    content: Mapped[str] = mapped_column(HASH, unique=True)  # of the file's bytes
    media_type: Mapped[str] = mapped_column(String(64))  # as sniffed
    suffix: Mapped[str] = mapped_column(String(16))  # that goes with the media type, with its dot
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    duration_ms: Mapped[int] = mapped_column(Integer)
    file_name: Mapped[str] = mapped_column(Text)  # as the caller called it, made safe; only ever shown
    library_path: Mapped[str | None] = mapped_column(Text)  # below the library folder, where the file stays there
    title: Mapped[str] = mapped_column(Text)
    artist: Mapped[str] = mapped_column(Text)
    language: Mapped[str] = mapped_column(String(16))  # "" where nobody said it
    lyrics: Mapped[str] = mapped_column(Text)  # that were given last, "" for none
    search: Mapped[str] = mapped_column(Text)  # title, artist and file name, case-folded
    created_at: Mapped[datetime] = mapped_column(Moment)
    updated_at: Mapped[datetime] = mapped_column(Moment)

    __table_args__ = (Index("ix_service_songs_created", "created_at", "id"),)


class AlignmentRow(Base):
    """A song with one text: its current version, and what was asked for."""

    __tablename__ = "service_alignments"

    id: Mapped[str] = mapped_column(ID, primary_key=True)
    song_id: Mapped[str] = mapped_column(ID, ForeignKey("service_songs.id", ondelete="CASCADE"), index=True)
    request: Mapped[str] = mapped_column(Text)  # JSON: what was asked for
    lyrics: Mapped[str] = mapped_column(Text)  # as given or fetched; "" where they are heard
    audio_hash: Mapped[str] = mapped_column(HASH)  # of the decoded sound, "" until it is known
    text_hash: Mapped[str] = mapped_column(String(64))  # `melisma.store.keys.text_hash`, "" where they are heard
    version: Mapped[int] = mapped_column(Integer)  # that is current; 0 until there is one
    source: Mapped[str] = mapped_column(String(32))  # of the current version, as `Source`; "" until there is one
    n_words: Mapped[int] = mapped_column(Integer)
    n_unsung: Mapped[int] = mapped_column(Integer)
    confidence_avg: Mapped[float | None] = mapped_column(Float)
    created_at: Mapped[datetime] = mapped_column(Moment)
    updated_at: Mapped[datetime] = mapped_column(Moment)

    __table_args__ = (Index("ix_service_alignments_created", "created_at", "id"),)


class VersionRow(Base):
    """One version of an alignment; none is ever changed."""

    __tablename__ = "service_versions"

    alignment_id: Mapped[str] = mapped_column(
        ID, ForeignKey("service_alignments.id", ondelete="CASCADE"), primary_key=True
    )
    version: Mapped[int] = mapped_column(Integer, primary_key=True)  # from 1
    parent: Mapped[int] = mapped_column(Integer)  # that it was made from; 0 where an engine made it
    source: Mapped[str] = mapped_column(String(32))  # as `Source`
    author: Mapped[str] = mapped_column(Text)  # name of the token, "" on loopback
    summary: Mapped[str] = mapped_column(Text)  # what was changed, for people
    engine: Mapped[str] = mapped_column(Text)
    corrected: Mapped[str] = mapped_column(Text)  # JSON: indices of the words that a person has set
    payload: Mapped[bytes] = mapped_column(LargeBinary)  # as `melisma.store.service.payload` spells it
    created_at: Mapped[datetime] = mapped_column(Moment)


class JobRow(Base):
    """Work that is to be done, is done, or was: the truth, of which a queue only carries the number."""

    __tablename__ = "service_jobs"

    id: Mapped[str] = mapped_column(ID, primary_key=True)
    kind: Mapped[str] = mapped_column(String(32))
    state: Mapped[str] = mapped_column(String(16))  # as `JobState`
    priority: Mapped[int] = mapped_column(Integer)  # higher goes first
    owner: Mapped[str] = mapped_column(Text)  # name of the token
    request_id: Mapped[str] = mapped_column(String(128))  # X-Request-ID of the call that asked for it
    song_id: Mapped[str | None] = mapped_column(ID, ForeignKey("service_songs.id", ondelete="CASCADE"), index=True)
    alignment_id: Mapped[str | None] = mapped_column(
        ID, ForeignKey("service_alignments.id", ondelete="CASCADE"), index=True
    )
    request: Mapped[str] = mapped_column(Text)  # JSON
    result: Mapped[str] = mapped_column(Text)  # JSON, "" until there is one
    problem: Mapped[str] = mapped_column(Text)  # JSON, as RFC 9457; "" unless it failed
    stage: Mapped[str] = mapped_column(String(32))
    percent: Mapped[float] = mapped_column(Float)
    n_attempts: Mapped[int] = mapped_column(Integer)
    causes: Mapped[str] = mapped_column(Text)  # JSON: why each attempt that failed did
    worker: Mapped[str] = mapped_column(Text)  # who has it
    lease_until: Mapped[datetime | None] = mapped_column(Moment)  # after which whoever has it counts as dead
    not_before: Mapped[datetime | None] = mapped_column(Moment)
    cancel_wanted: Mapped[bool] = mapped_column(Boolean)
    created_at: Mapped[datetime] = mapped_column(Moment)
    started_at: Mapped[datetime | None] = mapped_column(Moment)
    finished_at: Mapped[datetime | None] = mapped_column(Moment)

    __table_args__ = (
        Index("ix_service_jobs_state", "state", "lease_until"),
        Index("ix_service_jobs_created", "created_at", "id"),
    )


class ReceiptRow(Base):
    """What a call with an idempotency key was answered, so that the same call again gets the same answer."""

    __tablename__ = "service_receipts"

    owner: Mapped[str] = mapped_column(String(128), primary_key=True)
    key: Mapped[str] = mapped_column(String(200), primary_key=True)
    fingerprint: Mapped[str] = mapped_column(HASH)  # of the call
    status: Mapped[int] = mapped_column(Integer)  # 0 while it is being answered
    body: Mapped[str] = mapped_column(Text)  # JSON
    created_at: Mapped[datetime] = mapped_column(Moment, index=True)


class TranscriptRow(Base):
    """What a model heard in a recording."""

    __tablename__ = "service_transcripts"

    id: Mapped[str] = mapped_column(ID, primary_key=True)
    song_id: Mapped[str] = mapped_column(ID, ForeignKey("service_songs.id", ondelete="CASCADE"), index=True)
    model: Mapped[str] = mapped_column(Text)
    payload: Mapped[bytes] = mapped_column(LargeBinary)  # an alignment
    created_at: Mapped[datetime] = mapped_column(Moment)


class ExportRow(Base):
    """A file that was made of a song: a video, or a stem."""

    __tablename__ = "service_exports"

    id: Mapped[str] = mapped_column(ID, primary_key=True)
    song_id: Mapped[str] = mapped_column(ID, ForeignKey("service_songs.id", ondelete="CASCADE"), index=True)
    alignment_id: Mapped[str | None] = mapped_column(ID)
    version: Mapped[int] = mapped_column(Integer)  # of the alignment, 0 for none
    kind: Mapped[str] = mapped_column(String(32))  # video, vocals, instrumental
    content: Mapped[str] = mapped_column(HASH)
    media_type: Mapped[str] = mapped_column(String(64))
    suffix: Mapped[str] = mapped_column(String(16))
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(Moment)
