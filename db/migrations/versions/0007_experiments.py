"""Experiments and their runs; where a stage's result came from. Paired differences within a run are in its report."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.create_table(
        "experiments",
        sa.Column("id", sa.String, nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("question", sa.String, nullable=False),
        sa.Column("plan", sa.JSON, nullable=False),
        sa.Column("paused", sa.Boolean, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_experiments"),
        sa.UniqueConstraint("name", name="uq_experiments_name"),
    )
    op.create_table(
        "members",
        sa.Column("experiment_id", sa.String, nullable=False),
        sa.Column("run_id", sa.String, nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("label", sa.String),
        sa.PrimaryKeyConstraint("experiment_id", "run_id", name="pk_members"),
        sa.ForeignKeyConstraint(
            ["experiment_id"], ["experiments.id"], name="fk_members_experiment_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name="fk_members_run_id", ondelete="CASCADE"),
    )
    op.create_index("ix_members_run_id", "members", ["run_id"])
    op.add_column("stages", sa.Column("sources", sa.JSON))
    op.drop_table("comparisons")
