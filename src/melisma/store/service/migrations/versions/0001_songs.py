"""Begin: songs, alignments and their versions, jobs, receipts, transcripts, exports."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema forward."""
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "service_receipts",
        sa.Column("owner", sa.String(128), primary_key=True),
        sa.Column("key", sa.String(200), primary_key=True),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("status", sa.Integer, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("created_at", moment, nullable=False),
    )
    op.create_index("ix_service_receipts_created_at", "service_receipts", ["created_at"])
    op.create_table(
        "service_songs",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("content", sa.String(64), nullable=False, unique=True),
        sa.Column("media_type", sa.String(64), nullable=False),
        sa.Column("suffix", sa.String(16), nullable=False),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("duration_ms", sa.Integer, nullable=False),
        sa.Column("file_name", sa.Text, nullable=False),
        sa.Column("library_path", sa.Text),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("artist", sa.Text, nullable=False),
        sa.Column("language", sa.String(16), nullable=False),
        sa.Column("lyrics", sa.Text, nullable=False),
        sa.Column("search", sa.Text, nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("updated_at", moment, nullable=False),
    )
    op.create_index("ix_service_songs_created", "service_songs", ["created_at", "id"])
    op.create_table(
        "service_alignments",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("song_id", sa.String(32), sa.ForeignKey("service_songs.id", ondelete="CASCADE"), nullable=False),
        sa.Column("request", sa.Text, nullable=False),
        sa.Column("lyrics", sa.Text, nullable=False),
        sa.Column("audio_hash", sa.String(64), nullable=False),
        sa.Column("text_hash", sa.String(64), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("source", sa.String(32), nullable=False),
        sa.Column("n_words", sa.Integer, nullable=False),
        sa.Column("n_unsung", sa.Integer, nullable=False),
        sa.Column("confidence_avg", sa.Float),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("updated_at", moment, nullable=False),
    )
    op.create_index("ix_service_alignments_created", "service_alignments", ["created_at", "id"])
    op.create_index("ix_service_alignments_song_id", "service_alignments", ["song_id"])
    op.create_table(
        "service_exports",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("song_id", sa.String(32), sa.ForeignKey("service_songs.id", ondelete="CASCADE"), nullable=False),
        sa.Column("alignment_id", sa.String(32)),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("content", sa.String(64), nullable=False),
        sa.Column("media_type", sa.String(64), nullable=False),
        sa.Column("suffix", sa.String(16), nullable=False),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("created_at", moment, nullable=False),
    )
    op.create_index("ix_service_exports_song_id", "service_exports", ["song_id"])
    op.create_table(
        "service_transcripts",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("song_id", sa.String(32), sa.ForeignKey("service_songs.id", ondelete="CASCADE"), nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("payload", sa.LargeBinary, nullable=False),
        sa.Column("created_at", moment, nullable=False),
    )
    op.create_index("ix_service_transcripts_song_id", "service_transcripts", ["song_id"])
    op.create_table(
        "service_jobs",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("priority", sa.Integer, nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("request_id", sa.String(128), nullable=False),
        sa.Column("song_id", sa.String(32), sa.ForeignKey("service_songs.id", ondelete="CASCADE")),
        sa.Column("alignment_id", sa.String(32), sa.ForeignKey("service_alignments.id", ondelete="CASCADE")),
        sa.Column("request", sa.Text, nullable=False),
        sa.Column("result", sa.Text, nullable=False),
        sa.Column("problem", sa.Text, nullable=False),
        sa.Column("stage", sa.String(32), nullable=False),
        sa.Column("percent", sa.Float, nullable=False),
        sa.Column("n_attempts", sa.Integer, nullable=False),
        sa.Column("causes", sa.Text, nullable=False),
        sa.Column("worker", sa.Text, nullable=False),
        sa.Column("lease_until", moment),
        sa.Column("not_before", moment),
        sa.Column("cancel_wanted", sa.Boolean, nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("started_at", moment),
        sa.Column("finished_at", moment),
    )
    op.create_index("ix_service_jobs_alignment_id", "service_jobs", ["alignment_id"])
    op.create_index("ix_service_jobs_created", "service_jobs", ["created_at", "id"])
    op.create_index("ix_service_jobs_song_id", "service_jobs", ["song_id"])
    op.create_index("ix_service_jobs_state", "service_jobs", ["state", "lease_until"])
    op.create_table(
        "service_versions",
        sa.Column(
            "alignment_id", sa.String(32), sa.ForeignKey("service_alignments.id", ondelete="CASCADE"), primary_key=True
        ),
        sa.Column("version", sa.Integer, primary_key=True),
        sa.Column("parent", sa.Integer, nullable=False),
        sa.Column("source", sa.String(32), nullable=False),
        sa.Column("author", sa.Text, nullable=False),
        sa.Column("summary", sa.Text, nullable=False),
        sa.Column("engine", sa.Text, nullable=False),
        sa.Column("corrected", sa.Text, nullable=False),
        sa.Column("payload", sa.LargeBinary, nullable=False),
        sa.Column("created_at", moment, nullable=False),
    )


def downgrade() -> None:
    """Take it back."""
    op.drop_table("service_versions")
    op.drop_table("service_jobs")
    op.drop_table("service_transcripts")
    op.drop_table("service_exports")
    op.drop_table("service_alignments")
    op.drop_table("service_songs")
    op.drop_table("service_receipts")
