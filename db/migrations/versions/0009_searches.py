"""Experiments that search: what for, how many trials were begun, and whether test users may be asked by now."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.add_column("experiments", sa.Column("search", sa.JSON))
    op.add_column("experiments", sa.Column("tried", sa.Integer, nullable=False, server_default="0"))
    op.add_column("experiments", sa.Column("closed", sa.Boolean, nullable=False, server_default=sa.false()))
