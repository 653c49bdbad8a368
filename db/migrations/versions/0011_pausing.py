"""A run that is being paused says so by its state, as one that is being cancelled does."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    runs = sa.table("runs", sa.column("state"), sa.column("cancel_requested", sa.Boolean))
    paused = (runs.c.state == "cancelling", runs.c.cancel_requested.is_(False))
    op.execute(runs.update().where(*paused).values(state="pausing"))
    op.drop_column("runs", "cancel_requested")
