"""Which start of a machine the numbers of processes belong to; signs of life of those that answer."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.add_column("runs", sa.Column("boot", sa.String))
    op.add_column("explanations", sa.Column("boot", sa.String))
    op.add_column("explanations", sa.Column("heartbeat", sa.DateTime(timezone=True)))
    op.drop_table("workers")  # whoever is there says so again within seconds
    op.create_table(
        "workers",
        sa.Column("host", sa.String, nullable=False),
        sa.Column("boot", sa.String, nullable=False),
        sa.Column("pid", sa.Integer, nullable=False),
        sa.Column("started", sa.Double, nullable=False),
        sa.Column("heartbeat", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("host", "boot", "pid", name="pk_workers"),
    )
