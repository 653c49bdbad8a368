"""Explanations: questions about a run and their answers."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    time = sa.DateTime(timezone=True)
    op.create_table(
        "explanations",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("run_id", sa.String, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("digest", sa.String, nullable=False),
        sa.Column("request", sa.JSON, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("answer", sa.JSON),
        sa.Column("error", sa.String),
        sa.Column("remedy", sa.String),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("host", sa.String),
        sa.Column("pid", sa.Integer),
        sa.Column("pid_started", sa.Double),
        sa.Column("created_at", time, nullable=False),
        sa.Column("finished_at", time),
        sa.PrimaryKeyConstraint("id", name="pk_explanations"),
        sa.UniqueConstraint("run_id", "kind", "digest", name="uq_explanations_run_id_kind_digest"),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name="fk_explanations_run_id", ondelete="CASCADE"),
    )
    op.create_index("ix_explanations_state", "explanations", ["state"])
