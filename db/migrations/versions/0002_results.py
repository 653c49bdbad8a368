"""Results of finished runs."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "reports",
        sa.Column("run_id", sa.String, nullable=False),
        sa.Column("report", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("run_id", name="pk_reports"),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name="fk_reports_run_id", ondelete="CASCADE"),
    )
    op.create_table(
        "results",
        sa.Column("run_id", sa.String, nullable=False),
        sa.Column("model", sa.String, nullable=False),
        sa.Column("protocol", sa.String, nullable=False),
        sa.Column("metric", sa.String, nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("value", sa.Double),
        sa.Column("low", sa.Double),
        sa.Column("high", sa.Double),
        sa.PrimaryKeyConstraint("run_id", "model", "protocol", "metric", name="pk_results"),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name="fk_results_run_id", ondelete="CASCADE"),
    )
    op.create_table(
        "comparisons",
        sa.Column("run_id", sa.String, nullable=False),
        sa.Column("a", sa.String, nullable=False),
        sa.Column("b", sa.String, nullable=False),
        sa.Column("metric", sa.String, nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("difference", sa.Double, nullable=False),
        sa.Column("low", sa.Double, nullable=False),
        sa.Column("high", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("run_id", "a", "b", "metric", name="pk_comparisons"),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name="fk_comparisons_run_id", ondelete="CASCADE"),
    )
