"""What is known of an answer while it is being found."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("explanations", sa.Column("partial", sa.JSON(none_as_null=True)))
