"""What a worker offers, the apps beside the workers, and which data folder the database belongs to."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.drop_table("workers")  # whoever is there says so again within seconds
    op.create_table(
        "workers",
        sa.Column("host", sa.String, nullable=False),
        sa.Column("boot", sa.String, nullable=False),
        sa.Column("pid", sa.Integer, nullable=False),
        sa.Column("started", sa.Double, nullable=False),
        sa.Column("heartbeat", sa.DateTime(timezone=True), nullable=False),
        sa.Column("role", sa.String, nullable=False),
        sa.Column("offers", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("host", "boot", "pid", name="pk_workers"),
    )
    op.create_table(
        "facts",
        sa.Column("name", sa.String, nullable=False),
        sa.Column("value", sa.String, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_facts"),
    )
