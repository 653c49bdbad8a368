"""Runs, their stages and their curves."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    time = sa.DateTime(timezone=True)
    op.create_table(
        "runs",
        sa.Column("id", sa.String, nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("origin", sa.String, nullable=False),
        sa.Column("parent_id", sa.String),
        sa.Column("preset", sa.String),
        sa.Column("config", sa.JSON, nullable=False),
        sa.Column("seed", sa.Integer, nullable=False),
        sa.Column("tags", sa.JSON, nullable=False),
        sa.Column("note", sa.String, nullable=False),
        sa.Column("created_at", time, nullable=False),
        sa.Column("queued_at", time, nullable=False),
        sa.Column("started_at", time),
        sa.Column("finished_at", time),
        sa.Column("stage", sa.String),
        sa.Column("step", sa.Integer, nullable=False),
        sa.Column("total", sa.Integer, nullable=False),
        sa.Column("stage_eta_seconds", sa.Double),
        sa.Column("eta_seconds", sa.Double),
        sa.Column("host", sa.String),
        sa.Column("worker_pid", sa.Integer),
        sa.Column("worker_started", sa.Double),
        sa.Column("pid", sa.Integer),
        sa.Column("pid_started", sa.Double),
        sa.Column("heartbeat", time),
        sa.Column("rss_mb", sa.Double),
        sa.Column("peak_rss_mb", sa.Double),
        sa.Column("cancel_requested", sa.Boolean, nullable=False),
        sa.Column("error", sa.String),
        sa.Column("remedy", sa.String),
        sa.PrimaryKeyConstraint("id", name="pk_runs"),
        sa.UniqueConstraint("name", name="uq_runs_name"),
    )
    op.create_index("ix_runs_state_queued_at", "runs", ["state", "queued_at"])
    op.create_index("ix_runs_created_at", "runs", ["created_at"])
    op.create_table(
        "stages",
        sa.Column("run_id", sa.String, nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("seconds", sa.Double, nullable=False),
        sa.Column("step", sa.Integer, nullable=False),
        sa.Column("total", sa.Integer, nullable=False),
        sa.Column("unit", sa.String, nullable=False),
        sa.PrimaryKeyConstraint("run_id", "name", name="pk_stages"),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name="fk_stages_run_id", ondelete="CASCADE"),
    )
    op.create_table(
        "curves",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("run_id", sa.String, nullable=False),
        sa.Column("stage", sa.String, nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_curves"),
        sa.UniqueConstraint("run_id", "stage", "name", name="uq_curves_run_id_stage_name"),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name="fk_curves_run_id", ondelete="CASCADE"),
    )
    op.create_table(
        "points",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("curve_id", sa.Integer, nullable=False),
        sa.Column("step", sa.Integer, nullable=False),
        sa.Column("value", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_points"),
        sa.UniqueConstraint("curve_id", "step", name="uq_points_curve_id_step"),
        sa.ForeignKeyConstraint(["curve_id"], ["curves.id"], name="fk_points_curve_id", ondelete="CASCADE"),
    )
