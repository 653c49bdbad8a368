"""Stages: seconds that what was taken over took where it was made; so far those of whole stages were known."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.add_column("stages", sa.Column("saved", sa.Double, nullable=False, server_default="0"))
    names = ("run_id", "name", "seconds", "saved")
    stages = sa.table("stages", *map(sa.column, names), sa.column("sources", sa.JSON))
    for row in op.get_bind().execute(sa.select(stages)).all():
        if "" in (row.sources or {}):
            mine = (stages.c.run_id == row.run_id, stages.c.name == row.name)
            op.execute(stages.update().where(*mine).values(saved=row.seconds))
