"""Begin: kept alignments, and which file holds which sound."""

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
        "alignments",
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("source", sa.String(32), nullable=False),
        sa.Column("audio_hash", sa.String(64), nullable=False),
        sa.Column("text_hash", sa.String(64), nullable=False),
        sa.Column("language", sa.Text, nullable=False),
        sa.Column("engine", sa.Text, nullable=False),
        sa.Column("engine_version", sa.Text, nullable=False),
        sa.Column("model_id", sa.Text, nullable=False),
        sa.Column("model_revision", sa.Text, nullable=False),
        sa.Column("pipeline", sa.Text, nullable=False),
        sa.Column("flags", sa.Text, nullable=False),
        sa.Column("artist", sa.Text, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("word_count", sa.Integer, nullable=False),
        sa.Column("confidence_avg", sa.Float),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("expires_at", moment),
        sa.Column("payload", sa.LargeBinary, nullable=False),
    )
    op.create_index("ix_alignments_track", "alignments", ["audio_hash", "text_hash"])
    op.create_index("ix_alignments_expires_at", "alignments", ["expires_at"])
    op.create_index("ix_alignments_source", "alignments", ["source"])
    op.create_table(
        "heard_files",
        sa.Column("content", sa.String(64), primary_key=True),
        sa.Column("decoder", sa.String(64), primary_key=True),
        sa.Column("audio_hash", sa.String(64), nullable=False),
        sa.Column("expires_at", moment, nullable=False),
    )
    op.create_index("ix_heard_files_expires_at", "heard_files", ["expires_at"])


def downgrade() -> None:
    """Take it back."""
    op.drop_table("heard_files")
    op.drop_table("alignments")
